//! Pods by label, to tell whether a selector chooses any.

use std::collections::HashMap;
use std::sync::Arc;

use weft_api::value::label::selects;

use crate::Labels;
use crate::workload::Workload;

/// The pods of one namespace by each of their labels.
type OfNamespace<'s> = HashMap<(&'s str, &'s str), Vec<&'s Workload>>;

/// All pods by namespace and label.
#[derive(Debug, Default)]
pub(crate) struct ByLabel<'s>(HashMap<&'s str, OfNamespace<'s>>);

impl<'s> ByLabel<'s> {
    pub(crate) fn new(pods: impl Iterator<Item = &'s Arc<Workload>>) -> Self {
        let mut made = Self::default();
        for pod in pods {
            let of = made.0.entry(&pod.namespace).or_default();
            for (key, value) in pod.labels.iter() {
                of.entry((key, value)).or_default().push(pod);
            }
        }
        made
    }

    /// Whether a selector chooses any pod of a namespace, or of all; an empty one chooses none.
    pub(super) fn selects_any(&self, namespace: Option<&str>, selector: &Labels) -> bool {
        let chooses = |of: &OfNamespace<'_>| {
            let lists = selector.iter().map(|(key, value)| of.get(&(key.as_str(), value.as_str())));
            let fewest = lists.map(|list| list.map_or(&[][..], Vec::as_slice)).min_by_key(|list| list.len());
            fewest.is_some_and(|pods| pods.iter().any(|pod| selects(selector, &pod.labels)))
        };
        match namespace {
            Some(namespace) => self.0.get(namespace).is_some_and(chooses),
            None => self.0.values().any(chooses),
        }
    }
}
