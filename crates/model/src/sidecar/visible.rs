//! What a namespace sees, and what a Sidecar leaves of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use weft_api::Object;
use weft_api::istio::Sidecar;
use weft_api::istio::sidecar::{CaptureMode, EgressListener};
use weft_types::Name;

use super::imports::Imports;
use super::{EgressListenerView, SidecarScope};
use crate::mesh::OutboundMode;
use crate::service::Service;
use crate::virtual_service::VirtualServiceView;

/// What a namespace sees without a Sidecar, and what a Sidecar chooses from.
#[derive(Debug)]
pub(crate) struct Visible<'s> {
    pub(crate) namespace: &'s str,
    /// Every service that is exported to the namespace, several of one host included.
    pub(crate) services: Vec<&'s Arc<Service>>,
    /// VirtualServices for sidecars, in order of precedence.
    pub(crate) virtual_services: Vec<Arc<VirtualServiceView>>,
    pub(crate) outbound: OutboundMode,
    pub(crate) domain: &'s str,
}

impl Visible<'_> {
    /// The scope of workloads that have no Sidecar.
    pub(crate) fn everything(&self) -> SidecarScope {
        let services = one_for_each_host(self.services.iter().copied(), self.namespace);
        let virtual_services = claim(&self.virtual_services);
        SidecarScope {
            object: None,
            egress: vec![EgressListenerView {
                port: None,
                bind: None,
                capture_mode: CaptureMode::Default,
                services: services.clone(),
                virtual_services: virtual_services.clone(),
            }],
            services,
            virtual_services,
            ingress: Vec::new(),
            outbound: self.outbound,
            egress_proxy: None,
            inbound_connection_pool: None,
        }
    }

    /// The scope that a Sidecar makes.
    pub(crate) fn through(&self, object: &Arc<Object>, sidecar: &Sidecar) -> SidecarScope {
        let everything = EgressListener { hosts: vec!["*/*".to_owned()], ..EgressListener::default() };
        let everything = std::slice::from_ref(&everything);
        let written = if sidecar.egress.is_empty() { everything } else { &sidecar.egress };
        let egress: Vec<_> = written.iter().map(|listener| self.listener(listener)).collect();
        let (services, virtual_services) = self.together(&egress);
        let policy = sidecar.outbound_traffic_policy.as_ref();
        let egress_proxy = policy.and_then(|policy| policy.egress_proxy.clone()).map(|mut to| {
            to.host = crate::host::resolve(&to.host, self.namespace, self.domain).to_string();
            to
        });
        SidecarScope {
            object: Some(object.clone()),
            services,
            virtual_services,
            egress,
            ingress: sidecar.ingress.clone(),
            outbound: policy.map_or(self.outbound, |policy| policy.mode),
            egress_proxy,
            inbound_connection_pool: sidecar.inbound_connection_pool.clone(),
        }
    }

    fn listener(&self, listener: &EgressListener) -> EgressListenerView {
        let imports = Imports::new(&listener.hosts, self.namespace);
        let number = listener.port.as_ref().and_then(|port| port.number).map(weft_api::value::Port::number);
        let services = self.services.iter().copied();
        let services = services.filter(|service| imports.take_service(&service.namespace, &service.host));
        let services = one_for_each_host(services, self.namespace);
        let services = services.into_iter().filter_map(|service| match number {
            None => Some(service),
            Some(number) => on_port(&service, number),
        });
        let chosen: Vec<_> =
            self.virtual_services.iter().filter(|view| imports.take_routes(view)).cloned().collect();
        EgressListenerView {
            port: listener.port.clone(),
            bind: listener.bind.clone().filter(|bind| !bind.is_empty()),
            capture_mode: listener.capture_mode,
            services: services.collect(),
            virtual_services: claim(&chosen),
        }
    }

    /// What all listeners see together, and where their routes lead.
    fn together(&self, egress: &[EgressListenerView]) -> (Vec<Arc<Service>>, Vec<Arc<VirtualServiceView>>) {
        let mut known: HashMap<&str, Vec<&Arc<Service>>> = HashMap::new();
        for service in &self.services {
            known.entry(&service.host).or_default().push(service);
        }
        let whole = |host: &str| {
            let of = known.get(host).into_iter().flatten().copied();
            crate::registry::preferred(of, self.namespace).cloned()
        };
        let mut services: BTreeMap<Name, Arc<Service>> = BTreeMap::new();
        for service in egress.iter().flat_map(|listener| &listener.services) {
            // A listener may hold a part of a service's ports; together they are seen whole.
            let seen = known.get(&*service.host).into_iter().flatten();
            let of = seen.copied().find(|known| known.namespace == service.namespace).unwrap_or(service);
            services.entry(service.host.clone()).or_insert_with(|| of.clone());
        }
        let listed = egress.iter().flat_map(|listener| &listener.virtual_services);
        let listed: HashSet<_> = listed.map(|view| (&view.namespace, &view.name)).collect();
        let all = self.virtual_services.iter();
        let chosen: Vec<_> =
            all.filter(|view| listed.contains(&(&view.namespace, &view.name))).cloned().collect();
        let chosen = claim(&chosen);
        for host in chosen.iter().flat_map(|view| view.destination_hosts()) {
            if !services.contains_key(host)
                && let Some(service) = whole(host)
            {
                services.insert(service.host.clone(), service);
            }
        }
        (services.into_values().collect(), chosen)
    }
}

/// One service for each host, by host.
pub(crate) fn one_for_each_host<'s>(
    services: impl Iterator<Item = &'s Arc<Service>>,
    namespace: &str,
) -> Vec<Arc<Service>> {
    let mut hosts: BTreeMap<&str, Vec<&Arc<Service>>> = BTreeMap::new();
    for service in services {
        hosts.entry(&service.host).or_default().push(service);
    }
    let each = hosts.into_values();
    each.filter_map(|of| crate::registry::preferred(of.into_iter(), namespace)).cloned().collect()
}

/// The service with one of its ports alone; `None` if it has no such port.
fn on_port(service: &Arc<Service>, number: u16) -> Option<Arc<Service>> {
    let port = service.port(number)?;
    if service.ports.len() == 1 {
        return Some(service.clone());
    }
    Some(Arc::new(Service { ports: vec![port.clone()], ..Service::clone(service) }))
}

/// Leaves each host to the first VirtualService that names it (VS-01).
pub(crate) fn claim(views: &[Arc<VirtualServiceView>]) -> Vec<Arc<VirtualServiceView>> {
    let mut claimed: HashSet<Name> = HashSet::new();
    let mut left = Vec::with_capacity(views.len());
    for view in views {
        let free = |host: &&Name| !claimed.contains(*host);
        let hosts: Vec<Name> = view.hosts.iter().filter(free).cloned().collect();
        claimed.extend(hosts.iter().cloned());
        if hosts.len() == view.hosts.len() {
            left.push(view.clone());
        } else if !hosts.is_empty() {
            left.push(Arc::new(VirtualServiceView { hosts, ..VirtualServiceView::clone(view) }));
        }
    }
    left
}
