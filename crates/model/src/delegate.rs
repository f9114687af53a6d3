//! Rules that stand in another VirtualService (VS-17).
//!
//! A root's rule with `delegate` becomes the delegate's rules, each taking only what the root's rule
//! takes: both matches must hold. One level; a delegate's own delegates are not followed.

mod merge;

use std::collections::HashMap;
use std::sync::Arc;

use weft_api::istio::VirtualService;
use weft_api::istio::http_route::HttpRoute;
use weft_api::{Code, Diagnostic, Object};
use weft_types::Name;

use crate::diagnose::warning;
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::virtual_service::{RouteOrigin, in_full};
use crate::visibility::Visibility;

/// The VirtualServices without hosts, by namespace and name.
#[derive(Debug, Default)]
pub(crate) struct Delegates(HashMap<(Name, Name), Delegate>);

#[derive(Debug)]
struct Delegate {
    object: Arc<Object>,
    /// Names in full, as its own namespace means them.
    spec: VirtualService,
    export_to: Visibility,
}

impl Delegates {
    pub(crate) fn new(objects: &Objects, mesh: &MeshConfig) -> Self {
        let parts = objects.virtual_services().filter(|(_, spec)| spec.hosts.is_empty());
        let parts = parts.map(|(object, spec)| {
            let reference = &object.reference;
            let delegate = Delegate {
                object: object.clone(),
                spec: in_full(spec, &reference.namespace, mesh),
                export_to: Visibility::new(
                    &spec.export_to,
                    &reference.namespace,
                    &mesh.virtual_service_export_to,
                ),
            };
            ((reference.namespace.clone(), reference.name.clone()), delegate)
        });
        Self(parts.collect())
    }

    /// Puts the rules of delegates where a root (names in full) delegates to them, and tells where each
    /// rule was written.
    pub(crate) fn merge(
        &self,
        root: &Arc<Object>,
        spec: &mut VirtualService,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<RouteOrigin> {
        let mut origins = Vec::with_capacity(spec.http.len());
        let mut rules = Vec::with_capacity(spec.http.len());
        for (index, rule) in std::mem::take(&mut spec.http).into_iter().enumerate() {
            if rule.delegate.is_none() {
                origins.push(RouteOrigin { object: root.clone(), index });
                rules.push(rule);
                continue;
            }
            match self.find(root, &rule) {
                Ok(delegate) => {
                    for (index, theirs) in delegate.spec.http.iter().enumerate() {
                        let Some(merged) = merge::rules(&rule, theirs) else { continue };
                        origins.push(RouteOrigin { object: delegate.object.clone(), index });
                        rules.push(merged);
                    }
                }
                Err(message) => {
                    let path = format!("spec.http[{index}].delegate");
                    diagnostics.push(warning(root, &path, Code::UnknownDelegate, message));
                }
            }
        }
        spec.http = rules;
        origins
    }

    fn find(&self, root: &Object, rule: &HttpRoute) -> Result<&Delegate, String> {
        let own = &root.reference.namespace;
        let (name, namespace) = match &rule.delegate {
            Some(to) => {
                (to.name.as_deref().unwrap_or_default(), to.namespace.as_deref().filter(|of| !of.is_empty()))
            }
            None => ("", None),
        };
        let namespace = namespace.unwrap_or(own);
        let key = (Name::from(namespace), Name::from(name));
        let Some(delegate) = self.0.get(&key) else {
            return Err(format!(
                "there is no VirtualService {namespace}/{name} without hosts; the rule is left out"
            ));
        };
        if !delegate.export_to.admits(own) {
            return Err(format!(
                "VirtualService {namespace}/{name} is not exported to {own}; the rule is left out"
            ));
        }
        Ok(delegate)
    }
}
