//! WorkloadGroup: workloads that register themselves.

use crate::definition::{Column, Definition};
use crate::scalar::{int32, port, text, uint32};
use crate::schema::{Schema, list, map, object};

/// The definition (row CRD-06).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "WorkloadGroup",
        plural: "workloadgroups",
        short: &["wg"],
        group: "networking.istio.io",
        versions: &["v1", "v1alpha3", "v1beta1"],
        storage: "v1",
        columns: vec![Column::age()],
        spec_required: true,
        spec: spec(),
    }
}

/// Workloads that register themselves.
fn spec() -> Schema {
    object()
        .field(
            "metadata",
            "Labels and annotations of the WorkloadEntries that are made.",
            object().field("annotations", "Annotations.", map(text()).max_properties(256)).field(
                "labels",
                "Labels.",
                map(text()).max_properties(256),
            ),
        )
        .field("probe", "How to find out whether a workload is fit for traffic.", probe())
        .required("template", "What the WorkloadEntries that are made have in common.", template())
}

/// How a workload's health is found out.
fn probe() -> Schema {
    object()
        .field(
            "exec",
            "Runs a command, which must end with 0.",
            object().required(
                "command",
                "Program and arguments; no shell is involved.",
                list(text().min_length(1)),
            ),
        )
        .field(
            "failureThreshold",
            "Failures in a row after which a workload is unfit; 3 by default.",
            int32().minimum(0),
        )
        .field(
            "grpc",
            "Asks gRPC's health service.",
            object().field("port", "Port.", port()).field(
                "service",
                "Service to ask about; the server as a whole if empty.",
                text(),
            ),
        )
        .field(
            "httpGet",
            "Sends a GET, whose answer must be 200 to 399.",
            object()
                .field("host", "Host to connect to; the workload's address by default.", text())
                .field(
                    "httpHeaders",
                    "Headers of the request.",
                    list(object().field("name", "Name.", text().pattern("^[-_A-Za-z0-9]+$")).field(
                        "value",
                        "Value.",
                        text(),
                    )),
                )
                .field("path", "Path of the request.", text())
                .required("port", "Port.", port())
                .field(
                    "scheme",
                    "HTTP or HTTPS.",
                    text().rule(r#"self in ["", "HTTP", "HTTPS"]"#, "scheme must be one of [HTTP, HTTPS]"),
                ),
        )
        .field("initialDelaySeconds", "Seconds between start and first probe.", int32().minimum(0))
        .field("periodSeconds", "Seconds between probes; 10 by default.", int32().minimum(0))
        .field(
            "successThreshold",
            "Successes in a row after which a workload is fit again; 1 by default.",
            int32().minimum(0),
        )
        .field(
            "tcpSocket",
            "Opens a TCP connection.",
            object()
                .field("host", "Host to connect to; the workload's address by default.", text())
                .required("port", "Port.", port()),
        )
        .field("timeoutSeconds", "Seconds that a probe may take; 1 by default.", int32().minimum(0))
        .at_most_one_of(["httpGet", "tcpSocket", "exec", "grpc"])
}

/// A workload without its address, which comes with its registration.
fn template() -> Schema {
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
        .rule(
            concat!(
                r#"(has(self.address) ? self.address : "").startsWith("unix://") ? "#,
                "!has(self.ports) : true"
            ),
            "UDS may not include ports",
        )
}
