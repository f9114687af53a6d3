//! Objects of which one speaks for a whole namespace, and others for the workloads that they select.

use std::collections::HashMap;
use std::sync::Arc;

use weft_api::Object;
use weft_api::value::label::selects;
use weft_types::Name;

use crate::Labels;

/// Such objects of one kind, by namespace.
#[derive(Debug, Default)]
pub(crate) struct Selections {
    namespaces: HashMap<Name, OfNamespace>,
}

#[derive(Debug, Default)]
struct OfNamespace {
    /// The one without selector; the oldest if there are several.
    whole: Option<Arc<Object>>,
    /// Those with one, oldest first.
    selecting: Vec<(Labels, Arc<Object>)>,
}

impl Selections {
    /// Of objects with their selectors, oldest first; an empty selector is none.
    pub(crate) fn new<'a>(objects: impl Iterator<Item = (&'a Arc<Object>, Option<&'a Labels>)>) -> Self {
        let mut namespaces: HashMap<Name, OfNamespace> = HashMap::new();
        for (object, selector) in objects {
            let of = namespaces.entry(object.reference.namespace.clone()).or_default();
            match selector.filter(|labels| !labels.is_empty()) {
                Some(labels) => of.selecting.push((labels.clone(), object.clone())),
                None => _ = of.whole.get_or_insert_with(|| object.clone()),
            }
        }
        Self { namespaces }
    }

    /// The one that speaks for a namespace.
    pub(crate) fn whole(&self, namespace: &str) -> Option<&Arc<Object>> {
        self.namespaces.get(namespace)?.whole.as_ref()
    }

    /// The oldest one that selects a workload.
    pub(crate) fn selecting(&self, namespace: &str, labels: &Labels) -> Option<&Arc<Object>> {
        let of = self.namespaces.get(namespace)?;
        of.selecting.iter().find(|(selector, _)| selects(selector, labels)).map(|(_, object)| object)
    }
}
