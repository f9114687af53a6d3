//! DestinationRule: how to talk to a host once a route has chosen it (DR rows).

use std::collections::BTreeMap;

use super::traffic_policy::TrafficPolicy;
use crate::decode::record;
use crate::value::LabelSelector;

record! {
    /// Policies and subsets of a host.
    strict struct DestinationRule {
        /// Host in the registry, with a `*.` wildcard if need be (DR-01).
        host: String = required "host",
        /// Policy for all subsets.
        traffic_policy: Option<TrafficPolicy> = optional "trafficPolicy",
        /// Named parts of the host's endpoints (DR-04).
        subsets: Vec<Subset> = optional "subsets",
        /// Namespaces that see it: `*` (default), `.`, `~` or names.
        export_to: Vec<String> = optional "exportTo",
        /// Calling workloads of its own namespace that it is for; all by default.
        workload_selector: Option<LabelSelector> = optional "workloadSelector",
    }
}

record! {
    /// Endpoints with certain labels.
    strict struct Subset {
        /// Name, which routes use.
        name: String = required "name",
        /// Labels that endpoints must have.
        labels: BTreeMap<String, String> = optional "labels",
        /// Policy; each of its blocks replaces the rule's (DR-02).
        traffic_policy: Option<TrafficPolicy> = optional "trafficPolicy",
    }
}
