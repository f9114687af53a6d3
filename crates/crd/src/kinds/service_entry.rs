//! ServiceEntry: hosts beside those of Kubernetes.

use crate::definition::{Column, Definition};
use crate::parts::workload;
use crate::scalar::{port, text, word};
use crate::schema::{Schema, list, object};

/// The definition (row CRD-04).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "ServiceEntry",
        plural: "serviceentries",
        short: &["se"],
        group: "networking.istio.io",
        versions: &["v1", "v1alpha3", "v1beta1"],
        storage: "v1",
        columns: vec![
            Column::text("Hosts", ".spec.hosts", "Hosts that it is for."),
            Column::text("Location", ".spec.location", "Whether the hosts are in the mesh."),
            Column::text("Resolution", ".spec.resolution", "How addresses are found."),
            Column::age(),
        ],
        spec_required: true,
        spec: spec(),
    }
}

/// A host in the registry.
fn spec() -> Schema {
    object()
        .field("addresses", "Virtual addresses or ranges.", list(text().max_length(64)).max_items(256))
        .field("endpoints", "Endpoints.", list(workload::entry()).max_items(4096))
        .field("exportTo", "Namespaces that see it: `*` (default), `.`, `~` or names.", list(text()))
        .required(
            "hosts",
            "Names, with `*.` wildcards.",
            list(text().rule(r#"self != "*""#, "hostname cannot be wildcard")).min_items(1).max_items(256),
        )
        .field("location", "Whether it is a part of the mesh.", word(["MESH_EXTERNAL", "MESH_INTERNAL"]))
        .field(
            "ports",
            "Ports.",
            list(service_port()).max_items(256).keyed_by("name").rule(
                "self.all(l1, self.exists_one(l2, l1.number == l2.number))",
                "port number cannot be duplicated",
            ),
        )
        .field(
            "resolution",
            "How addresses of endpoints are found.",
            word(["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"]),
        )
        .field("subjectAltNames", "Names of which the servers' certificates must hold one.", list(text()))
        .field(
            "workloadSelector",
            "Labels of workloads that are endpoints, instead of a list.",
            workload::label_selector(),
        )
        .rule(
            "(has(self.workloadSelector) ? 1 : 0) + (has(self.endpoints) ? 1 : 0) <= 1",
            "only one of WorkloadSelector or Endpoints can be set",
        )
        .rule(
            concat!(
                r#"!((has(self.addresses) ? self.addresses : []).exists(k, k.contains("/")) && "#,
                r#"!((has(self.resolution) ? self.resolution : "NONE") in ["STATIC", "NONE"]))"#
            ),
            "CIDR addresses are allowed only for NONE/STATIC resolution types",
        )
        .rule(
            concat!(
                r#"((has(self.resolution) ? self.resolution : "NONE") == "NONE") ? "#,
                "!has(self.endpoints) : true"
            ),
            "NONE mode cannot set endpoints",
        )
        .rule(
            concat!(
                r#"((has(self.resolution) ? self.resolution : "") == "DNS_ROUND_ROBIN") ? "#,
                "((has(self.endpoints) ? self.endpoints : []).size() <= 1) : true"
            ),
            "DNS_ROUND_ROBIN mode cannot have multiple endpoints",
        )
}

/// A port of the hosts.
fn service_port() -> Schema {
    object()
        .required("name", "Name.", text().max_length(256))
        .required("number", "Number.", port())
        .field("protocol", "Protocol; found out by looking if unset.", text().max_length(256))
        .field("targetPort", "Port of the pod, where it differs.", port())
}
