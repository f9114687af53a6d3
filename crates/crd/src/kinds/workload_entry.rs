//! WorkloadEntry: a workload that is no pod.

use crate::definition::{Column, Definition};
use crate::parts::workload;

/// The definition (row CRD-05).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "WorkloadEntry",
        plural: "workloadentries",
        short: &["we"],
        group: "networking.istio.io",
        versions: &["v1", "v1alpha3", "v1beta1"],
        storage: "v1",
        columns: vec![Column::age(), Column::text("Address", ".spec.address", "Address of the workload.")],
        spec_required: true,
        spec: workload::entry(),
    }
}
