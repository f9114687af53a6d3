//! What one proxy sees: the part of a snapshot that its resources are made of.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::sync::Arc;

use weft_model::DestinationRuleView;
use weft_model::endpoint::{Endpoint, Locality};
use weft_model::mesh::{MeshConfig, OutboundMode};
use weft_model::service::Service;
use weft_model::{SidecarScope, Snapshot, VirtualServiceView};
use weft_types::Name;

use crate::filter;
use crate::proxy::Proxy;

/// What a proxy sees of services and rules: the same for all that are alike in namespace and telling labels.
#[derive(Debug)]
pub struct Seen {
    /// What the Sidecar object, or its absence, lets a sidecar see; none for gateways.
    pub scope: Option<Arc<SidecarScope>>,
    /// Services in the order of host, then namespace; a host is there once.
    pub services: Vec<Arc<Service>>,
    hosts: HashMap<Name, usize>,
    rules: Vec<Option<Arc<DestinationRuleView>>>,
}

impl Seen {
    /// What `proxy` sees of `snapshot`.
    #[must_use]
    pub fn new(snapshot: &Snapshot, proxy: &Proxy) -> Self {
        let scope = (!proxy.is_router()).then(|| snapshot.sidecar_scope(&proxy.namespace, &proxy.labels));
        let visible = match &scope {
            Some(scope) => scope.services.clone(),
            None => snapshot.services_visible_to(&proxy.namespace),
        };
        let services = one_per_host(visible, &proxy.namespace);
        let rule =
            |service: &Arc<Service>| snapshot.destination_rule(&proxy.namespace, &proxy.labels, service);
        Self {
            hosts: services.iter().enumerate().map(|(index, s)| (s.host.clone(), index)).collect(),
            rules: services.iter().map(rule).collect(),
            services,
            scope,
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
}

/// What one proxy sees.
#[derive(Debug)]
pub struct View<'a> {
    /// The mesh.
    pub snapshot: &'a Snapshot,
    /// The proxy.
    pub proxy: &'a Proxy,
    /// Settings of the whole mesh.
    pub mesh: &'a MeshConfig,
    /// Where the proxy is.
    pub locality: Locality,
    seen: Arc<Seen>,
}

impl Deref for View<'_> {
    type Target = Seen;

    fn deref(&self) -> &Seen {
        &self.seen
    }
}

/// Where a proxy is: as its pod says, else as it says itself.
#[must_use]
pub(crate) fn locality(snapshot: &Snapshot, proxy: &Proxy) -> Locality {
    let known = snapshot.workload(&proxy.namespace, &proxy.name);
    match known.map(|workload| &workload.locality) {
        Some(locality) if *locality != Locality::default() => locality.clone(),
        _ => proxy.locality.clone(),
    }
}

impl<'a> View<'a> {
    /// What `proxy` sees of `snapshot`.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, proxy: &'a Proxy) -> Self {
        Self::with(snapshot, proxy, Arc::new(Seen::new(snapshot, proxy)))
    }

    /// The same where it is known already what the proxy sees of services and rules.
    #[must_use]
    pub fn with(snapshot: &'a Snapshot, proxy: &'a Proxy, seen: Arc<Seen>) -> Self {
        Self { snapshot, proxy, mesh: &snapshot.mesh, locality: locality(snapshot, proxy), seen }
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
        let own = |s: &Service| *s.namespace != *namespace;
        (&a.host, own(a), &a.namespace).cmp(&(&b.host, own(b), &b.namespace))
    });
    services.dedup_by(|later, earlier| later.host == earlier.host);
    services
}
