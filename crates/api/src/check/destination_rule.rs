//! DestinationRule (DR rows).

use std::collections::BTreeSet;

use super::host::{self, Form};
use super::{destination, label, reference, traffic_policy};
use crate::diagnostic::Code;
use crate::istio::DestinationRule;
use crate::istio::destination_rule::Subset;
use crate::report::Report;

pub(super) fn check(r: &mut Report, spec: &DestinationRule) {
    let DestinationRule { host, traffic_policy, subsets, export_to, workload_selector } = spec;
    r.within("host", |r| host::check(r, host, Form::Any));
    r.maybe("trafficPolicy", traffic_policy.as_ref(), traffic_policy::check);
    let mut names = BTreeSet::new();
    r.each("subsets", subsets, |r, subset| {
        let Subset { name, labels, traffic_policy } = subset;
        r.within("name", |r| {
            destination::subset_name(r, name);
            if !names.insert(name) {
                r.error(Code::Subset, format!("{name} is defined for the second time"));
            }
        });
        if labels.is_empty() {
            r.warn(Code::Subset, "without labels it is all endpoints of the host");
        }
        r.within("labels", |r| label::labels(r, labels));
        r.maybe("trafficPolicy", traffic_policy.as_ref(), traffic_policy::check);
    });
    reference::export_to(r, export_to);
    r.maybe("workloadSelector", workload_selector.as_ref(), label::selector);
}
