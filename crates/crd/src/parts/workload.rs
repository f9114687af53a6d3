//! Workloads, and how policies name them.

use crate::scalar::{port, text, uint32};
use crate::schema::{Schema, map, object};

/// Workloads with all of these labels.
pub(crate) fn selector() -> Schema {
    object().field(
        "matchLabels",
        "Labels and their values.",
        map(text()
            .max_length(63)
            .rule(r#"!self.contains("*")"#, "wildcard not allowed in label value match"))
        .max_properties(4096)
        .rule(r#"self.all(key, !key.contains("*"))"#, "wildcard not allowed in label key match")
        .rule("self.all(key, key.size() != 0)", "key must not be empty"),
    )
}

/// A gateway or service, by group, kind and name.
pub(crate) fn target_reference() -> Schema {
    object()
        .field(
            "group",
            "API group; empty for core.",
            text()
                .max_length(253)
                .pattern(r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
        )
        .required(
            "kind",
            "Kind.",
            text().min_length(1).max_length(63).pattern("^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"),
        )
        .required("name", "Name.", text().min_length(1).max_length(253))
        .field(
            "namespace",
            "Must not be set.",
            text().rule("self.size() == 0", "cross namespace referencing is not currently supported"),
        )
}

/// Workloads with all of these labels.
pub(crate) fn label_selector() -> Schema {
    object().field(
        "labels",
        "Labels and their values.",
        map(text().max_length(63).rule(r#"!self.contains("*")"#, "wildcard is not supported in selector"))
            .max_properties(256),
    )
}

/// A workload that is no pod, or an endpoint of a ServiceEntry.
pub(crate) fn entry() -> Schema {
    object()
        .field(
            "address",
            "Address, DNS name, or `unix://` and a path; absent only with a network, whose \
                 gateway is meant.",
            text()
                .max_length(256)
                .rule(
                    concat!(
                        r#"self.startsWith("unix://") ? (self.substring(7, 8) == "/" || self.substring(7, "#,
                        r#"8) == "@") : true"#
                    ),
                    "UDS must be an absolute path or abstract socket",
                )
                .rule(r#"self.startsWith("unix://") ? !self.endsWith("/") : true"#, "UDS may not be a dir"),
        )
        .field("labels", "Labels.", map(text()).max_properties(256))
        .field("locality", "`region/zone/subzone`.", text().max_length(2048))
        .field(
            "network",
            "Network; endpoints of one network reach each other directly.",
            text().max_length(2048),
        )
        .field(
            "ports",
            "Ports by the name of the service's port; the service's own by default.",
            map(port()).max_properties(128).rule(
                concat!(
                    "self.all(key, size(key) < 63 && ",
                    r#"key.matches("^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$"))"#
                ),
                "port name must be valid",
            ),
        )
        .field("serviceAccount", "Service account, which its identity names.", text().max_length(253))
        .field("weight", "Weight among endpoints; 1 by default.", uint32())
        .rule("has(self.address) || has(self.network)", "Address is required")
        .rule(
            concat!(
                r#"(has(self.address) ? self.address : "").startsWith("unix://") ? "#,
                "!has(self.ports) : true"
            ),
            "UDS may not include ports",
        )
}
