//! Selectors of labels.

use std::collections::BTreeMap;

use crate::decode::record;

record! {
    /// Selects workloads by labels (`istio.networking` WorkloadSelector: ServiceEntry, Sidecar); all must
    /// hold, and none selects all.
    strict struct WorkloadSelector {
        /// Labels and their values.
        labels: BTreeMap<String, String> = optional "labels",
    }
}

record! {
    /// Selects workloads by labels (`istio.type` WorkloadSelector: policies, DestinationRule); all must
    /// hold, and none selects all.
    strict struct LabelSelector {
        /// Labels and their values.
        match_labels: BTreeMap<String, String> = optional "matchLabels",
    }
}

/// Whether labels satisfy a selector: each of its labels is there with that value.
#[must_use]
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}
