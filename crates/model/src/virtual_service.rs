//! VirtualServices with all names in full, so that compiling needs no context (VS rows).

use std::sync::Arc;

use weft_api::istio::VirtualService;
use weft_api::istio::virtual_service::{Destination, MESH};
use weft_api::{Diagnostic, Object};
use weft_types::Name;

use crate::delegate::Delegates;
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::visibility::Visibility;
use crate::{gateway, host};

/// A VirtualService with names in full and delegates merged.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualServiceView {
    /// Name of the object.
    pub name: Name,
    /// Namespace of the object.
    pub namespace: Name,
    /// Hosts in full, lower case, perhaps with wildcards, or addresses. In an answer for some proxies,
    /// without those that an older VirtualService has claimed.
    pub hosts: Vec<Name>,
    /// `mesh`, or gateways as `namespace/name`; never empty.
    pub gateways: Vec<Name>,
    /// Who sees it.
    pub export_to: Visibility,
    /// What it says: destinations, gateways of matches and hosts are in full; routes of delegates stand
    /// where they were delegated.
    pub spec: Arc<VirtualService>,
    /// Where each entry of `spec.http` was written.
    pub http_origins: Vec<RouteOrigin>,
    /// The object.
    pub object: Arc<Object>,
}

/// Where a rule was written.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteOrigin {
    /// The object: the VirtualService, or one that it delegates to.
    pub object: Arc<Object>,
    /// Index in that object's `spec.http`.
    pub index: usize,
}

impl VirtualServiceView {
    /// Whether it routes traffic of sidecars.
    #[must_use]
    pub fn is_for_mesh(&self) -> bool {
        self.is_for(MESH)
    }

    /// Whether it routes traffic of that gateway (`mesh`, or `namespace/name`).
    #[must_use]
    pub fn is_for(&self, gateway: &str) -> bool {
        self.gateways.iter().any(|name| &**name == gateway)
    }
}

/// All of them, oldest first.
pub(crate) fn views(
    objects: &Objects,
    mesh: &MeshConfig,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Arc<VirtualServiceView>> {
    let delegates = Delegates::new(objects, mesh);
    let roots = objects.virtual_services().filter(|(_, spec)| !spec.hosts.is_empty());
    roots.map(|(object, spec)| Arc::new(view(object, spec, mesh, &delegates, diagnostics))).collect()
}

fn view(
    object: &Arc<Object>,
    spec: &VirtualService,
    mesh: &MeshConfig,
    delegates: &Delegates,
    diagnostics: &mut Vec<Diagnostic>,
) -> VirtualServiceView {
    let namespace = &object.reference.namespace;
    let mut full = in_full(spec, namespace, mesh);
    let http_origins = delegates.merge(object, &mut full, diagnostics);
    let gateways = match full.gateways.as_slice() {
        [] => vec![Name::from(MESH)],
        names => names.iter().map(|name| Name::from(name.as_str())).collect(),
    };
    VirtualServiceView {
        name: object.reference.name.clone(),
        namespace: namespace.clone(),
        hosts: full.hosts.iter().map(|host| Name::from(host.as_str())).collect(),
        gateways,
        export_to: Visibility::new(&spec.export_to, namespace, &mesh.virtual_service_export_to),
        spec: Arc::new(full),
        http_origins,
        object: object.clone(),
    }
}

/// The same with every name in full, as the object's namespace means them.
pub(crate) fn in_full(spec: &VirtualService, namespace: &str, mesh: &MeshConfig) -> VirtualService {
    let mut spec = spec.clone();
    let host = |host: &mut String| *host = host::resolve(host, namespace, &mesh.domain).to_string();
    let gateways = |names: &mut Vec<String>| {
        for name in names {
            *name = gateway::resolve(name, namespace).to_string();
        }
    };
    spec.hosts.iter_mut().for_each(host);
    gateways(&mut spec.gateways);
    for route in &mut spec.http {
        route.matches.iter_mut().for_each(|rule| gateways(&mut rule.gateways));
    }
    for route in &mut spec.tls {
        route.matches.iter_mut().for_each(|rule| gateways(&mut rule.gateways));
    }
    for route in &mut spec.tcp {
        route.matches.iter_mut().for_each(|rule| gateways(&mut rule.gateways));
    }
    for destination in destinations_mut(&mut spec) {
        host(&mut destination.host);
    }
    spec
}

fn destinations_mut(spec: &mut VirtualService) -> impl Iterator<Item = &mut Destination> {
    let http = spec.http.iter_mut().flat_map(|route| {
        let routes = route.route.iter_mut().map(|route| &mut route.destination);
        let mirrors = route.mirrors.iter_mut().map(|mirror| &mut mirror.destination);
        routes.chain(route.mirror.as_mut()).chain(mirrors)
    });
    let tls = spec.tls.iter_mut().flat_map(|route| &mut route.route).map(|route| &mut route.destination);
    let tcp = spec.tcp.iter_mut().flat_map(|route| &mut route.route).map(|route| &mut route.destination);
    http.chain(tls).chain(tcp)
}

impl VirtualServiceView {
    /// The hosts of all destinations, in full; one may come several times.
    pub fn destination_hosts(&self) -> impl Iterator<Item = &str> {
        destinations(&self.spec).map(|destination| destination.host.as_str())
    }
}

/// Every destination of a VirtualService, mirrors included.
pub(crate) fn destinations(spec: &VirtualService) -> impl Iterator<Item = &Destination> {
    let http = spec.http.iter().flat_map(|route| {
        let routes = route.route.iter().map(|route| &route.destination);
        let mirrors = route.mirrors.iter().map(|mirror| &mirror.destination);
        routes.chain(route.mirror.as_ref()).chain(mirrors)
    });
    let tls = spec.tls.iter().flat_map(|route| &route.route).map(|route| &route.destination);
    let tcp = spec.tcp.iter().flat_map(|route| &route.route).map(|route| &route.destination);
    http.chain(tls).chain(tcp)
}
