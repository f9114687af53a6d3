//! What one proxy sees: the part of a snapshot that its resources are made of.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use weft_model::DestinationRuleView;
use weft_model::endpoint::{Endpoint, Locality};
use weft_model::mesh::{MeshConfig, OutboundMode};
use weft_model::service::Service;
use weft_model::{SidecarScope, Snapshot, VirtualServiceView};
use weft_types::Name;

use crate::filter;
use crate::proxy::Proxy;

/// What one proxy sees.
#[derive(Debug)]
pub struct View<'a> {
    /// The mesh.
    pub snapshot: &'a Snapshot,
    /// The proxy.
    pub proxy: &'a Proxy,
    /// Settings of the whole mesh.
    pub mesh: &'a MeshConfig,
    /// What the Sidecar object, or its absence, lets a sidecar see; none for gateways.
    pub scope: Option<Arc<SidecarScope>>,
    /// Services in the order of host, then namespace; a host is there once.
    pub services: Vec<Arc<Service>>,
    /// Where the proxy is.
    pub locality: Locality,
    hosts: HashMap<Name, usize>,
    rules: Vec<Option<Arc<DestinationRuleView>>>,
}

impl<'a> View<'a> {
    /// What `proxy` sees of `snapshot`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, proxy: &'a Proxy) -> Self {
        let scope = (!proxy.is_router()).then(|| snapshot.sidecar_scope(&proxy.namespace, &proxy.labels));
        let visible = match &scope {
            Some(scope) => scope.services.clone(),
            None => snapshot.services_visible_to(&proxy.namespace),
        };
        let services = one_per_host(visible, &proxy.namespace);
        let rule =
            |service: &Arc<Service>| snapshot.destination_rule(&proxy.namespace, &proxy.labels, service);
        let known = snapshot.workload(&proxy.namespace, &proxy.name);
        let locality = match known.map(|workload| workload.locality.clone()) {
            Some(locality) if locality != Locality::default() => locality,
            _ => proxy.locality.clone(),
        };
        Self {
            snapshot,
            proxy,
            mesh: &snapshot.mesh,
            hosts: services.iter().enumerate().map(|(index, s)| (s.host.clone(), index)).collect(),
            rules: services.iter().map(rule).collect(),
            services,
            scope,
            locality,
        }
    }

    /// The service of a host.
    #[must_use]
    pub fn service(&self, host: &str) -> Option<&Arc<Service>> {
        self.hosts.get(host).and_then(|index| self.services.get(*index))
    }

    /// The DestinationRule for calls to a host.
    #[must_use]
    pub fn rule(&self, host: &str) -> Option<&Arc<DestinationRuleView>> {
        self.hosts.get(host).and_then(|index| self.rules.get(*index)).and_then(Option::as_ref)
    }

    /// The endpoints of a service's port.
    #[must_use]
    pub fn endpoints(&self, service: &Service, port: u16) -> &'a [Arc<Endpoint>] {
        self.snapshot.endpoints(service, port)
    }

    /// VirtualServices that route a sidecar's calls, oldest first; none for gateways.
    #[must_use]
    pub fn virtual_services(&self) -> &[Arc<VirtualServiceView>] {
        self.scope.as_ref().map_or(&[], |scope| &scope.virtual_services)
    }

    /// What becomes of calls to hosts that nobody knows.
    #[must_use]
    pub fn outbound_mode(&self) -> OutboundMode {
        self.scope.as_ref().map_or(self.mesh.outbound, |scope| scope.outbound)
    }

    /// Where the application of an embedded sidecar finds a host.
    #[must_use]
    pub fn virtual_address(&self, host: &str) -> Option<Ipv4Addr> {
        let pod = self.proxy.embedded_address()?;
        Some(weft_types::embedded::virtual_address(pod, host))
    }

    /// What filters are rendered for.
    #[must_use]
    pub fn filters(&self) -> filter::Context<'_> {
        filter::Context { mesh: self.mesh, proxy: self.proxy }
    }
}

/// Of services with the same host, the one of the proxy's own namespace goes first, then the first in
/// order.
fn one_per_host(mut services: Vec<Arc<Service>>, namespace: &str) -> Vec<Arc<Service>> {
    services.sort_by(|a, b| {
        let key = |s: &Service| (s.host.clone(), *s.namespace != *namespace, s.namespace.clone());
        key(a).cmp(&key(b))
    });
    services.dedup_by(|later, earlier| later.host == earlier.host);
    services
}
