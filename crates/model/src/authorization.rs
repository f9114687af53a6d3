//! Which authorization policies are for a workload (AP-02).

use std::collections::HashMap;
use std::sync::Arc;

use weft_api::value::label::selects;
use weft_api::{Object, Spec};
use weft_types::Name;

use crate::Labels;
use crate::objects::Objects;

/// AuthorizationPolicies by namespace, in name order. Those that name targets are for gateways of the
/// Gateway API and waypoints, and select no workload by labels.
#[derive(Debug, Default)]
pub(crate) struct AuthorizationPolicies {
    namespaces: HashMap<Name, Vec<Arc<Object>>>,
}

impl AuthorizationPolicies {
    pub(crate) fn new(objects: &Objects) -> Self {
        let mut namespaces: HashMap<Name, Vec<Arc<Object>>> = HashMap::new();
        for (object, spec) in objects.authorization_policies() {
            if spec.targets().next().is_none() {
                namespaces.entry(object.reference.namespace.clone()).or_default().push(object.clone());
            }
        }
        for list in namespaces.values_mut() {
            list.sort_by(|a, b| a.reference.name.cmp(&b.reference.name));
        }
        Self { namespaces }
    }

    /// Those of the root namespace first; each may select by labels.
    pub(crate) fn of(&self, namespace: &str, labels: &Labels, root: &str) -> Vec<Arc<Object>> {
        let own = (namespace != root).then_some(namespace);
        let namespaces = std::iter::once(root).chain(own);
        let all = namespaces.filter_map(|namespace| self.namespaces.get(namespace)).flatten();
        all.filter(|object| for_labels(object, labels)).cloned().collect()
    }
}

fn for_labels(object: &Object, labels: &Labels) -> bool {
    match &object.spec {
        Spec::AuthorizationPolicy(spec) => {
            spec.selector.as_ref().is_none_or(|selector| selects(&selector.match_labels, labels))
        }
        _ => false,
    }
}
