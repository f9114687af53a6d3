//! Policies that do something else than they seem to say.

use std::sync::Arc;

use weft_api::istio::authorization_policy::Action;
use weft_api::{Code, Diagnostic, Object, Severity, Spec};
use weft_model::{Protocol, Snapshot};

use super::TrustDomains;
use super::authorization::unusable_rules;
use crate::proxy::Proxy;

/// What the policies of a workload cannot do, or do beyond what they seem to say.
#[must_use]
pub fn diagnose(snapshot: &Snapshot, proxy: &Proxy) -> Vec<Diagnostic> {
    let workload = snapshot.workload(&proxy.namespace, &proxy.name);
    let labels = workload.map_or(&proxy.labels, |workload| &workload.labels);
    let domains = TrustDomains::new(&snapshot.mesh.trust_domain, &snapshot.mesh.trust_domain_aliases);
    let instances = workload.map(|workload| snapshot.services_of(workload)).unwrap_or_default();
    let opaque = instances.iter().find(|instance| {
        let protocol = instance.port.protocol;
        !protocol.is_http() && protocol != Protocol::Auto && protocol != Protocol::Udp
    });
    let mut said = Vec::new();
    for object in snapshot.authorization_policies(&proxy.namespace, labels) {
        let Spec::AuthorizationPolicy(policy) = &object.spec else { continue };
        if policy.action == Action::Custom {
            let name = policy.provider.as_ref().and_then(|provider| provider.name.as_deref());
            let message = format!(
                "there is no extension provider {:?}: what the rules match is denied",
                name.unwrap_or_default()
            );
            said.push(diagnostic(Severity::Warning, &object, "spec.provider", Code::Policy, message));
        }
        let always = unusable_rules(&object, &domains, false);
        let effect = match policy.action {
            Action::Allow => "the rule lets nobody in",
            Action::Deny | Action::Audit | Action::Custom => "the rule goes on without it",
        };
        for (path, why) in &always {
            let message = format!("{why}: {effect}");
            said.push(diagnostic(Severity::Warning, &object, path, Code::Policy, message));
        }
        let Some(port) = opaque.map(|instance| instance.target_port) else { continue };
        for (path, why) in unusable_rules(&object, &domains, true) {
            if !always.iter().any(|(known, _)| *known == path) {
                let message = format!("{why}: on port {port}, {effect}");
                said.push(diagnostic(Severity::Info, &object, &path, Code::Policy, message));
            }
        }
    }
    said
}

/// A diagnostic about a field of an object.
pub(crate) fn diagnostic(
    severity: Severity,
    object: &Arc<Object>,
    path: &str,
    code: Code,
    message: String,
) -> Diagnostic {
    let (line, column) = object.source.places.find(path).unwrap_or((object.source.line, 1));
    Diagnostic {
        code,
        severity,
        file: object.source.file.clone(),
        line,
        column,
        object: Some(object.reference.clone()),
        path: path.to_owned(),
        message,
        hint: None,
    }
}
