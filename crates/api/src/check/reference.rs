//! Names of other objects: gateways, namespaces, hosts with their namespace.

use std::collections::BTreeSet;

use super::host::{self, Form};
use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::istio::virtual_service::MESH;
use crate::report::Report;
use crate::value::name;

/// Checks names of gateways: `mesh`, `name`, or `namespace/name`.
pub(super) fn gateways(r: &mut Report, gateways: &[String]) {
    r.each("gateways", gateways, |r, gateway| {
        let known = match gateway.split_once('/') {
            Some((namespace, gateway)) => {
                (namespace == "." || name::is_label(namespace)) && name::is_subdomain(gateway)
            }
            None => gateway == MESH || name::is_subdomain(gateway),
        };
        if !known {
            r.error_with_hint(
                Code::Reference,
                format!("{:?} is not the name of a gateway", shorten(gateway)),
                "write NAME, NAMESPACE/NAME or mesh",
            );
        }
    });
}

/// Checks the namespaces that see an object.
pub(super) fn export_to(r: &mut Report, namespaces: &[String]) {
    let mut seen = BTreeSet::new();
    r.each("exportTo", namespaces, |r, namespace| {
        if !matches!(namespace.as_str(), "*" | "." | "~") && !name::is_label(namespace) {
            let message = format!("{:?} is not a namespace", shorten(namespace));
            r.error_with_hint(Code::Reference, message, "write *, ., ~ or the name of a namespace");
        }
        if !seen.insert(namespace) {
            r.error(Code::Reference, format!("{namespace} stands here for the second time"));
        }
        if namespaces.len() > 1 && matches!(namespace.as_str(), "*" | "~") {
            r.error(Code::Exclusive, format!("{namespace} leaves nothing for the other entries to say"));
        }
    });
}

/// Checks a host that may name its namespace: `namespace/host`. A Sidecar writes `~/*` for none.
pub(super) fn namespaced_host(r: &mut Report, text: &str, must_name_namespace: bool) {
    let host = match text.split_once('/') {
        Some((namespace, host)) => {
            if !matches!(namespace, "*" | "." | "~") && !name::is_label(namespace) {
                r.error(Code::Reference, format!("{:?} is not a namespace", shorten(namespace)));
            }
            host
        }
        None => {
            if must_name_namespace {
                let message = format!("{:?} names no namespace", shorten(text));
                return r.error_with_hint(Code::Host, message, "write NAMESPACE/HOST, such as ./* or */*");
            }
            text
        }
    };
    host::check(r, host, Form::Any);
}

/// Checks a namespace that may be absent.
pub(super) fn namespace(r: &mut Report, field: &'static str, namespace: Option<&String>) {
    r.maybe(field, namespace, |r, namespace| {
        if !name::is_label(namespace) {
            r.error(Code::Reference, name::not_a_name(namespace));
        }
    });
}
