//! Labels and selectors (Kubernetes' rules, and the bounds of Istio's schemas).

use std::collections::BTreeMap;

use super::at_most;
use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::report::Report;
use crate::value::{LabelSelector, WorkloadSelector};

/// Most labels of a WorkloadSelector.
const MOST_OF_WORKLOADS: usize = 256;
/// Most labels of a policy's selector.
const MOST_OF_POLICIES: usize = 4096;

/// Checks labels: each key and each value.
pub(super) fn labels(r: &mut Report, labels: &BTreeMap<String, String>) {
    for (key, value) in labels {
        r.key(key, |r| {
            if !is_key(key) {
                r.error(Code::Selector, format!("{:?} is not a label's key", shorten(key)));
            }
            if key.contains('*') || value.contains('*') {
                r.error(Code::Selector, "wildcards do not select labels");
            } else if !is_value(value) {
                let message = format!(
                    "{:?} is not a label's value: at most 63 letters, digits, and inner -, _ and .",
                    shorten(value)
                );
                r.error(Code::Selector, message);
            }
        });
    }
}

/// Checks a selector of workloads.
pub(super) fn workloads(r: &mut Report, selector: &WorkloadSelector) {
    r.within("labels", |r| {
        at_most(r, selector.labels.len(), MOST_OF_WORKLOADS, "labels");
        labels(r, &selector.labels);
    });
}

/// Checks a selector of a policy.
pub(super) fn selector(r: &mut Report, selector: &LabelSelector) {
    r.within("matchLabels", |r| {
        at_most(r, selector.match_labels.len(), MOST_OF_POLICIES, "labels");
        labels(r, &selector.match_labels);
    });
}

/// `name` or `prefix/name`, where the prefix is a DNS name.
fn is_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    !name.is_empty() && is_value(name) && prefix.is_none_or(crate::value::name::is_subdomain)
}

fn is_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}
