//! Kubernetes' Service: what the API server would refuse, for services from files.

use std::collections::BTreeSet;

use super::host::{self, Form};
use super::label;
use crate::diagnostic::Code;
use crate::kube::service::{ServicePort, ServiceSpec};
use crate::report::Report;

pub(super) fn check(r: &mut Report, spec: &ServiceSpec) {
    let mut ports = BTreeSet::new();
    let mut names = BTreeSet::new();
    r.each("ports", &spec.ports, |r, port| {
        let ServicePort { name, port, protocol, .. } = port;
        if !ports.insert((*port, protocol.as_str())) {
            r.error_at("port", Code::Port, format!("port {port} stands here for the second time"));
        }
        match name {
            None if spec.ports.len() > 1 => {
                r.error_at("name", Code::MissingField, "each of several ports needs a name");
            }
            Some(name) if !names.insert(name) => {
                r.error_at("name", Code::Port, format!("{name} names two ports"));
            }
            _ => {}
        }
    });
    r.within("selector", |r| label::labels(r, &spec.selector));
    if spec.kind.as_deref() == Some("ExternalName") {
        match &spec.external_name {
            None => r.error_at("externalName", Code::MissingField, "required for type ExternalName"),
            Some(name) => r.within("externalName", |r| host::check(r, name, Form::NameOrAddress)),
        }
    }
}
