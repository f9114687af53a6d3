//! Which Gateway objects are for a workload (GW-01), and what their names mean (VS-02).

use std::collections::HashMap;
use std::sync::Arc;

use weft_api::istio::virtual_service::MESH;
use weft_api::value::label::selects;
use weft_api::{Object, Spec};
use weft_types::Name;

use crate::Labels;
use crate::objects::Objects;

/// The full name of a gateway, as an object of `namespace` means it: `mesh`, or `namespace/name`. The
/// old form `name.namespace.svc.cluster.local` is read too.
#[must_use]
pub fn resolve(gateway: &str, namespace: &str) -> Name {
    if gateway == MESH {
        return MESH.into();
    }
    if let Some((of, name)) = gateway.split_once('/') {
        let of = if of == "." { namespace } else { of };
        return format!("{of}/{name}").into();
    }
    match gateway.split_once('.') {
        Some((name, rest)) => {
            let of = rest.split('.').next().unwrap_or(rest);
            format!("{of}/{name}").into()
        }
        None => format!("{namespace}/{gateway}").into(),
    }
}

/// Gateways, found by any one pair of their selector, so that only few are compared.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    /// All, oldest first.
    all: Vec<Arc<Object>>,
    /// Indexes by the selector's first label.
    by_label: HashMap<(String, String), Vec<usize>>,
    /// Those that select everything.
    for_all: Vec<usize>,
    /// Indexes by full name.
    names: HashMap<Name, usize>,
}

impl Gateways {
    pub(crate) fn new(objects: &Objects) -> Self {
        let mut gateways = Self::default();
        for (index, (object, spec)) in objects.gateways().enumerate() {
            let reference = &object.reference;
            gateways.names.insert(format!("{}/{}", reference.namespace, reference.name).into(), index);
            gateways.all.push(object.clone());
            match spec.selector.iter().next() {
                Some((key, value)) => {
                    gateways.by_label.entry((key.clone(), value.clone())).or_default().push(index);
                }
                None => gateways.for_all.push(index),
            }
        }
        gateways
    }

    /// The one of that full name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Object>> {
        self.names.get(name).and_then(|index| self.all.get(*index))
    }

    /// Those that select these labels, oldest first.
    pub(crate) fn of(&self, labels: &Labels) -> Vec<Arc<Object>> {
        let by_label = labels
            .iter()
            .filter_map(|(key, value)| self.by_label.get(&(key.clone(), value.clone())))
            .flatten();
        let mut found: Vec<usize> = self.for_all.iter().chain(by_label).copied().collect();
        found.sort_unstable();
        let found = found.into_iter().filter_map(|index| self.all.get(index));
        found.filter(|object| is_for(object, labels)).cloned().collect()
    }
}

fn is_for(object: &Object, labels: &Labels) -> bool {
    matches!(&object.spec, Spec::Gateway(spec) if selects(&spec.selector, labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_gateways() {
        assert_eq!(&*resolve("mesh", "a"), "mesh");
        assert_eq!(&*resolve("gw", "a"), "a/gw");
        assert_eq!(&*resolve("b/gw", "a"), "b/gw");
        assert_eq!(&*resolve("./gw", "a"), "a/gw");
        assert_eq!(&*resolve("gw.b.svc.cluster.local", "a"), "b/gw");
        assert_eq!(&*resolve("gw.b", "a"), "b/gw");
    }
}
