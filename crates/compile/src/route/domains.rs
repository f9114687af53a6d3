//! Names by which a host is called (VS-28).

use std::collections::HashSet;

use weft_model::service::{Registry, Resolution, Service};

use crate::view::View;

/// Names without port, most complete first: `reviews.default.svc.cluster.local`, `reviews` (in its own
/// namespace), `reviews.default.svc`, `reviews.default`.
fn names(view: &View<'_>, host: &str) -> Vec<String> {
    let mut names = vec![host.to_owned()];
    let suffix = format!(".svc.{}", view.mesh.domain);
    if let Some((name, namespace)) = host.strip_suffix(&suffix).and_then(|short| short.rsplit_once('.')) {
        if namespace == &*view.proxy.namespace {
            names.push(name.to_owned());
        }
        names.push(format!("{name}.{namespace}.svc"));
        names.push(format!("{name}.{namespace}"));
    }
    names
}

/// Every domain of a service on a port; with that port, and without it unless the caller must name it.
pub(super) fn of_service(view: &View<'_>, service: &Service, ports: &[u16], bare: bool) -> Vec<String> {
    let mut names = names(view, &service.host);
    if service.headless
        && service.resolution == Resolution::Passthrough
        && service.registry == Registry::Kubernetes
    {
        // Pods of a headless service have names of their own below it.
        let below: Vec<String> = names.iter().map(|name| format!("*.{name}")).collect();
        names.extend(below);
    }
    let single = service.addresses.iter().filter(|net| net.prefix_len() == net.max_prefix_len());
    names.extend(single.map(|net| bracketed(&net.addr().to_string())));
    names.extend(view.virtual_address(&service.host).map(|vip| vip.to_string()));
    with_ports(names, ports, bare)
}

/// Every domain of a host that is no service.
pub(super) fn of_host(view: &View<'_>, host: &str, ports: &[u16], bare: bool) -> Vec<String> {
    if host == "*" {
        return vec!["*".to_owned()];
    }
    with_ports(names(view, &bracketed(host)), ports, bare)
}

fn with_ports(names: Vec<String>, ports: &[u16], bare: bool) -> Vec<String> {
    let mut domains = Vec::with_capacity(names.len() * (ports.len() + 1));
    for name in names {
        domains.extend(ports.iter().map(|port| format!("{name}:{port}")));
        if bare {
            domains.push(name);
        }
    }
    domains
}

fn bracketed(host: &str) -> String {
    if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() }
}

/// Domains of one route configuration: each may be there once, and the first has it.
#[derive(Debug, Default)]
pub(super) struct Claimed(HashSet<String>);

impl Claimed {
    /// Those of the domains that nobody has yet.
    pub(super) fn claim(&mut self, domains: Vec<String>) -> Vec<String> {
        domains.into_iter().filter(|domain| self.0.insert(domain.to_ascii_lowercase())).collect()
    }
}
