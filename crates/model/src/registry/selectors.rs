//! The selectors of services, found by the labels of a pod: a pod that comes or goes is held against those alone
//! that may choose it.

use std::collections::HashMap;

use weft_api::value::label::selects;
use weft_types::Name;

use crate::Labels;

/// Selectors by number.
#[derive(Debug, Default)]
pub(super) struct Selectors {
    all: Vec<(Name, Labels)>,
    numbers: HashMap<Name, HashMap<Labels, usize>>,
    /// By namespace, and that label of each selector which the fewest others name.
    by_label: HashMap<Name, HashMap<(String, String), Vec<usize>>>,
}

impl Selectors {
    /// Of namespaces and the selectors there; an empty one chooses nothing.
    pub(super) fn new<'l>(written: impl Iterator<Item = (&'l Name, &'l Labels)>) -> Self {
        let mut made = Self::default();
        for (namespace, labels) in written.filter(|(_, labels)| !labels.is_empty()) {
            let numbers = made.numbers.entry(namespace.clone()).or_default();
            if !numbers.contains_key(labels) {
                numbers.insert(labels.clone(), made.all.len());
                made.all.push((namespace.clone(), labels.clone()));
            }
        }
        let mut named: HashMap<(&Name, &String, &String), usize> = HashMap::new();
        for (namespace, labels) in &made.all {
            for (key, value) in labels {
                *named.entry((namespace, key, value)).or_default() += 1;
            }
        }
        for (number, (namespace, labels)) in made.all.iter().enumerate() {
            let rarest = labels.iter().min_by_key(|(key, value)| named.get(&(namespace, *key, *value)));
            let Some((key, value)) = rarest else { continue };
            let of = made.by_label.entry(namespace.clone()).or_default();
            of.entry((key.clone(), value.clone())).or_default().push(number);
        }
        made
    }

    /// The number of a selector.
    pub(super) fn number(&self, namespace: &str, labels: &Labels) -> Option<usize> {
        self.numbers.get(namespace)?.get(labels).copied()
    }

    /// Those that choose a pod.
    pub(super) fn choosing(&self, namespace: &str, labels: &Labels) -> Vec<usize> {
        let Some(of) = self.by_label.get(namespace) else { return Vec::new() };
        let may = labels.iter().filter_map(|(key, value)| of.get(&(key.clone(), value.clone()))).flatten();
        let chooses = |number: &&usize| self.all.get(**number).is_some_and(|(_, one)| selects(one, labels));
        may.filter(chooses).copied().collect()
    }
}
