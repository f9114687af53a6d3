//! What the proxies of a workload see (SC rows).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use weft_api::istio::Sidecar;
use weft_api::istio::connection_pool::ConnectionPool;
use weft_api::istio::sidecar::{CaptureMode, EgressListener, IngressListener, SidecarPort};
use weft_api::istio::virtual_service::Destination;
use weft_api::value::label::selects;
use weft_api::{Object, Spec};
use weft_types::Name;

use crate::Labels;
use crate::mesh::OutboundMode;
use crate::objects::Objects;
use crate::service::Service;
use crate::virtual_service::VirtualServiceView;

/// What the proxies of a workload see.
#[derive(Clone, Debug, PartialEq)]
pub struct SidecarScope {
    /// The Sidecar; none if the workload sees everything that is exported to it.
    pub object: Option<Arc<Object>>,
    /// All services that are seen, by host: those of the egress listeners, and destinations of their
    /// VirtualServices.
    pub services: Vec<Arc<Service>>,
    /// VirtualServices for sidecars that are seen; hosts that an earlier one has claimed are left out.
    pub virtual_services: Vec<Arc<VirtualServiceView>>,
    /// Egress listeners in order; one without port if the Sidecar has none.
    pub egress: Vec<EgressListenerView>,
    /// Ports that are opened for callers, instead of those of the workload's services.
    pub ingress: Vec<IngressListener>,
    /// What becomes of calls to unknown hosts (SC-05).
    pub outbound: OutboundMode,
    /// Where such calls go instead; its host is in full.
    pub egress_proxy: Option<Destination>,
    /// Limits of inbound connections (SC-03).
    pub inbound_connection_pool: Option<ConnectionPool>,
}

/// What is seen on one port, or on all that no other listener names.
#[derive(Clone, Debug, PartialEq)]
pub struct EgressListenerView {
    /// Port; all others if `None`.
    pub port: Option<SidecarPort>,
    /// Address to listen on.
    pub bind: Option<String>,
    /// How traffic comes to the listener (SC-06).
    pub capture_mode: CaptureMode,
    /// Services, by host. Where the listener has a port, those that have it, with that port alone.
    pub services: Vec<Arc<Service>>,
    /// VirtualServices; hosts that an earlier one has claimed are left out.
    pub virtual_services: Vec<Arc<VirtualServiceView>>,
}

/// Sidecar objects by namespace.
#[derive(Debug, Default)]
pub(crate) struct Sidecars {
    namespaces: HashMap<Name, OfNamespace>,
}

#[derive(Debug, Default)]
struct OfNamespace {
    /// The one without selector; the oldest if there are several.
    whole: Option<Arc<Object>>,
    /// Those with one, oldest first.
    selecting: Vec<Arc<Object>>,
}

pub(crate) fn spec(object: &Object) -> Option<&Sidecar> {
    match &object.spec {
        Spec::Sidecar(spec) => Some(spec),
        _ => None,
    }
}

pub(crate) fn selector(spec: &Sidecar) -> Option<&Labels> {
    spec.workload_selector.as_ref().map(|selector| &selector.labels).filter(|labels| !labels.is_empty())
}

impl Sidecars {
    pub(crate) fn new(objects: &Objects) -> Self {
        let mut namespaces: HashMap<Name, OfNamespace> = HashMap::new();
        for (object, spec) in objects.sidecars() {
            let of = namespaces.entry(object.reference.namespace.clone()).or_default();
            if selector(spec).is_some() {
                of.selecting.push(object.clone());
            } else if of.whole.is_none() {
                of.whole = Some(object.clone());
            }
        }
        Self { namespaces }
    }

    /// The one for a workload: that selects it, else its namespace's, else the root namespace's (SC-01).
    pub(crate) fn of(&self, namespace: &str, labels: &Labels, root: &str) -> Option<&Arc<Object>> {
        let whole = |namespace: &str| self.namespaces.get(namespace).and_then(|of| of.whole.as_ref());
        let selecting = self.namespaces.get(namespace).and_then(|of| {
            of.selecting.iter().find(|object| {
                spec(object).and_then(selector).is_some_and(|selector| selects(selector, labels))
            })
        });
        selecting.or_else(|| whole(namespace)).or_else(|| whole(root))
    }
}

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

/// Hosts that an egress listener names, by namespace; `*` is any (SC-04).
#[derive(Debug)]
struct Imports<'h>(Vec<(&'h str, String)>);

impl<'h> Imports<'h> {
    fn new(hosts: &'h [String], own: &'h str) -> Self {
        let pairs = hosts.iter().filter_map(|text| {
            let (namespace, host) = text.split_once('/')?;
            let namespace = if namespace == "." { own } else { namespace };
            (namespace != "~").then(|| (namespace, host.trim_end_matches('.').to_ascii_lowercase()))
        });
        Self(pairs.collect())
    }

    fn of<'i>(&'i self, namespace: &'i str) -> impl Iterator<Item = &'i str> {
        self.0.iter().filter(move |(of, _)| *of == "*" || *of == namespace).map(|(_, host)| host.as_str())
    }

    fn take_service(&self, namespace: &str, host: &str) -> bool {
        self.of(namespace).any(|import| crate::host::covers(import, host))
    }

    fn take_routes(&self, view: &VirtualServiceView) -> bool {
        let mut imports = self.of(&view.namespace);
        imports.any(|import| view.hosts.iter().any(|host| crate::host::meets(import, host)))
    }
}
