//! Selectors that choose nothing.

use std::sync::Arc;

use weft_api::{Code, Diagnostic, Object};

use super::route::shown;
use super::{Together, info};
use crate::Labels;

impl Together<'_> {
    pub(super) fn selectors(&self, to: &mut Vec<Diagnostic>) {
        for (object, spec) in self.objects.gateways() {
            self.selector(object, "spec.selector", None, &spec.selector, to);
        }
        for (object, spec) in self.objects.sidecars() {
            if let Some(selector) = &spec.workload_selector {
                let namespace = Some(&*object.reference.namespace);
                self.selector(object, "spec.workloadSelector", namespace, &selector.labels, to);
            }
        }
        for (object, spec) in self.objects.peer_authentications() {
            if let Some(selector) = &spec.selector {
                let namespace = Some(&*object.reference.namespace);
                self.selector(object, "spec.selector", namespace, &selector.match_labels, to);
            }
        }
        for (object, spec) in self.objects.authorization_policies() {
            if let Some(selector) = &spec.selector {
                let namespace = &*object.reference.namespace;
                let namespace = (namespace != &*self.mesh.root_namespace).then_some(namespace);
                self.selector(object, "spec.selector", namespace, &selector.match_labels, to);
            }
        }
    }

    /// Labels of pods, in a namespace or in all.
    fn selector(
        &self,
        object: &Arc<Object>,
        path: &str,
        namespace: Option<&str>,
        labels: &Labels,
        to: &mut Vec<Diagnostic>,
    ) {
        if labels.is_empty() || self.pods.selects_any(namespace, labels) {
            return;
        }
        let place = namespace.map_or_else(String::new, |namespace| format!(" of {namespace}"));
        let message = format!("no pod{place} has the labels {}", shown(labels));
        to.push(info(object, path, Code::NothingSelected, message));
    }
}
