//! PeerAuthentication: mutual TLS, taken in.

use crate::definition::{Column, Definition};
use crate::parts::workload;
use crate::scalar::word;
use crate::schema::{Schema, map, object};

/// The definition (row CRD-11).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "PeerAuthentication",
        plural: "peerauthentications",
        short: &["pa"],
        group: "security.istio.io",
        versions: &["v1", "v1beta1"],
        storage: "v1",
        columns: vec![Column::text("Mode", ".spec.mtls.mode", "Mode of mutual TLS."), Column::age()],
        spec_required: false,
        spec: spec(),
    }
}

/// For workloads with certain labels; without a selector, for the namespace, or, in the root namespace, for
/// the mesh.
fn spec() -> Schema {
    object()
        .field("mtls", "Mode of all ports; inherited if unset, PERMISSIVE in the end.", mutual_tls())
        .field(
            "portLevelMtls",
            "Modes of the workload's ports, by number.",
            map(mutual_tls())
                .min_properties(1)
                .rule("self.all(key, 0 < int(key) && int(key) <= 65535)", "port must be between 1-65535"),
        )
        .field("selector", "Labels of the workloads.", workload::selector())
        .rule(
            concat!(
                "has(self.portLevelMtls) ? (((has(self.selector) && ",
                "has(self.selector.matchLabels)) ? self.selector.matchLabels : {}).size() > 0) : ",
                "true"
            ),
            "portLevelMtls requires selector",
        )
}

/// A mode.
fn mutual_tls() -> Schema {
    object().field("mode", "Mode.", word(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]))
}
