//! Objects that contend for the same thing; the older one has it.

use std::collections::HashMap;
use std::sync::Arc;

use weft_api::{Code, Diagnostic, Object};

use super::{Together, warning};
use crate::virtual_service::VirtualServiceView;
use crate::visibility::Visibility;

impl Together<'_> {
    pub(super) fn conflicts(&self, to: &mut Vec<Diagnostic>) {
        self.hosts(to);
        let sidecars = self.objects.sidecars();
        let whole = sidecars.filter(|(_, spec)| crate::sidecar::selector(spec).is_none());
        one_for_each_namespace(whole.map(|(object, _)| object), to);
        let policies = self.objects.peer_authentications();
        let whole = policies.filter(|(_, spec)| crate::peer_authentication::selector(spec).is_none());
        one_for_each_namespace(whole.map(|(object, _)| object), to);
    }

    /// Hosts that several VirtualServices route for sidecars (VS-01).
    fn hosts(&self, to: &mut Vec<Diagnostic>) {
        let mut claims: HashMap<&str, Vec<&Arc<VirtualServiceView>>> = HashMap::new();
        for view in self.virtual_services.iter().filter(|view| view.is_for_mesh()) {
            for (index, host) in view.hosts.iter().enumerate() {
                let before = claims.entry(host).or_default();
                if let Some(older) = before.iter().find(|older| takes_all(older, view)) {
                    let message = format!("{host}: {} goes before", older.object.reference);
                    let path = format!("spec.hosts[{index}]");
                    to.push(warning(&view.object, &path, Code::Conflict, message));
                }
                before.push(view);
            }
        }
    }
}

/// Whether an older VirtualService leaves nothing of a host to a younger one: every client of the younger
/// sees the older, and none of them prefers the younger for being of its own namespace.
fn takes_all(older: &VirtualServiceView, younger: &VirtualServiceView) -> bool {
    let alike = match (&older.export_to, &younger.export_to) {
        (Visibility::Public, Visibility::Public) => true,
        (Visibility::Namespaces(_), Visibility::Namespaces(_)) => older.namespace == younger.namespace,
        _ => false,
    };
    alike && older.export_to.includes(&younger.export_to)
}

/// Objects without selector, of which a namespace has but one.
fn one_for_each_namespace<'o>(objects: impl Iterator<Item = &'o Arc<Object>>, to: &mut Vec<Diagnostic>) {
    let mut first: HashMap<&str, &Arc<Object>> = HashMap::new();
    for object in objects {
        let of = first.entry(&object.reference.namespace).or_insert(object);
        if !Arc::ptr_eq(of, object) {
            let message = format!("{} is for the whole namespace and goes before", of.reference);
            to.push(warning(object, "spec", Code::Conflict, message));
        }
    }
}
