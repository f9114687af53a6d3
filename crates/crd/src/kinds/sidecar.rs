//! Sidecar: what the proxies of some workloads see and open.

use crate::definition::Definition;
use crate::parts::{connection_pool, destination, tls, workload};
use crate::scalar::{text, uint32, word};
use crate::schema::{Schema, list, object};

/// The definition (row CRD-07).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "Sidecar",
        plural: "sidecars",
        short: &[],
        group: "networking.istio.io",
        versions: &["v1", "v1alpha3", "v1beta1"],
        storage: "v1",
        columns: vec![],
        spec_required: false,
        spec: spec(),
    }
}

/// The proxies of workloads with certain labels; without a selector, of the whole namespace.
fn spec() -> Schema {
    object()
        .field("egress", "Hosts that the workload sees; all by default.", list(egress()))
        .field("inboundConnectionPool", "Limits of inbound connections.", connection_pool::connection_pool())
        .field(
            "ingress",
            "Ports that are opened for callers; those of the workload's services by default.",
            list(ingress()),
        )
        .field(
            "outboundTrafficPolicy",
            "What becomes of calls to unknown hosts; the mesh's setting by default.",
            object().field("egressProxy", "Where they go instead.", destination::destination()).field(
                "mode",
                "Mode. A block without one means REGISTRY_ONLY, being protobuf's zero.",
                word(["REGISTRY_ONLY", "ALLOW_ANY"]),
            ),
        )
        .field("workloadSelector", "Labels of the workloads.", workload::label_selector())
}

/// Hosts that the workload sees, on one port or on all.
fn egress() -> Schema {
    object()
        .field("bind", "Address to listen on.", text())
        .field("captureMode", "How traffic comes to the listener.", word(["DEFAULT", "IPTABLES", "NONE"]))
        .required("hosts", "Hosts, as `namespace/name`; the namespace may be `*`, `.` or `~`.", list(text()))
        .field("port", "Port; all others if unset.", listener_port())
}

/// A port of a sidecar.
fn listener_port() -> Schema {
    object()
        .field("name", "Name.", text())
        .field("number", "Number.", uint32())
        .field("protocol", "Protocol; found out by looking if unset.", text())
        .field("targetPort", "Port of the pod, where it differs.", uint32())
}

/// A port that is opened for callers.
fn ingress() -> Schema {
    object()
        .field("bind", "Address to listen on; the workload's own by default.", text())
        .field("captureMode", "How traffic comes to the listener.", word(["DEFAULT", "IPTABLES", "NONE"]))
        .field(
            "connectionPool",
            "Limits, instead of `inboundConnectionPool`.",
            connection_pool::connection_pool(),
        )
        .field(
            "defaultEndpoint",
            "Where the application listens: an address and port, or `unix://` and a path.",
            text(),
        )
        .required("port", "Port.", listener_port())
        .field("tls", "TLS, where mutual TLS of the mesh is off.", tls::server())
}
