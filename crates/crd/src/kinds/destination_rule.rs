//! DestinationRule: subsets, and how clients talk to a host.

use crate::definition::{Column, Definition};
use crate::parts::{traffic_policy, workload};
use crate::scalar::text;
use crate::schema::{Schema, list, map, object};

/// The definition (row CRD-02).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "DestinationRule",
        plural: "destinationrules",
        short: &["dr"],
        group: "networking.istio.io",
        versions: &["v1", "v1alpha3", "v1beta1"],
        storage: "v1",
        columns: vec![Column::text("Host", ".spec.host", "Host that it is for."), Column::age()],
        spec_required: false,
        spec: spec(),
    }
}

/// Policies and subsets of a host.
fn spec() -> Schema {
    object()
        .field("exportTo", "Namespaces that see it: `*` (default), `.`, `~` or names.", list(text()))
        .required("host", "Host in the registry, with a `*.` wildcard if need be.", text())
        .field("subsets", "Named parts of the host's endpoints.", list(subset()))
        .field("trafficPolicy", "Policy for all subsets.", traffic_policy::traffic_policy())
        .field(
            "workloadSelector",
            "Calling workloads of its own namespace that it is for; all by default.",
            workload::selector(),
        )
}

/// Endpoints with certain labels.
fn subset() -> Schema {
    object()
        .field("labels", "Labels that endpoints must have.", map(text()))
        .required("name", "Name, which routes use.", text())
        .field(
            "trafficPolicy",
            "Policy; each of its blocks replaces the rule's.",
            traffic_policy::traffic_policy(),
        )
}
