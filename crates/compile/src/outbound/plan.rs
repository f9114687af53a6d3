//! Which listeners and route configurations a sidecar has for its workload's calls, before anything is
//! rendered (SD-06, SD-08).
//!
//! HTTP of all hosts on a port shares one listener and one route configuration; other protocols are told
//! apart by address or server name. Where two services contend for the same, the older one has it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use weft_model::protocol::Protocol;
use weft_model::service::{Service, ServicePort};
use weft_model::{EgressListenerView, VirtualServiceView};

use super::opaque::{self, Chain};
use super::place::{self, Place, Spot};
use crate::view::View;

/// Name of the listener and route configuration for HTTP proxy requests.
pub const HTTP_PROXY: &str = "http_proxy";
/// Port of it in the embedded mode.
pub const EMBEDDED_HTTP_PROXY_PORT: u16 = 15_007;

/// A listener.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// It has a socket of its own; else redirected connections come to it.
    pub bound: bool,
    /// Name of the route configuration of HTTP.
    pub http: Option<String>,
    /// Something else than HTTP may be spoken: the first bytes tell.
    pub detect: bool,
    /// CONNECT requests are carried.
    pub connect: bool,
    /// gRPC-Web is spoken by some.
    pub grpc_web: bool,
    /// Other connections, by what can be seen of them.
    pub chains: Vec<Chain>,
    /// All others; by the mesh's mode for unknown ones if `None`.
    pub default: Option<Chain>,
    /// The first service that asked for it.
    pub service: Option<Arc<Service>>,
}

/// What a route configuration holds.
#[derive(Clone, Debug, Default)]
pub struct RouteScope {
    /// Port that requests come in on; 80 for HTTP proxies, unless a request says.
    pub port: u16,
    /// Services with the port of each.
    pub services: Vec<(Arc<Service>, u16)>,
    /// Rules.
    pub virtual_services: Vec<Arc<VirtualServiceView>>,
    /// Hosts of rules that are no services are routed too.
    pub unknown_hosts: bool,
    /// For HTTP proxy requests: hosts come with their port.
    pub proxy: bool,
}

/// All listeners and route configurations of a sidecar.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Listeners by port and place.
    pub listeners: BTreeMap<(u16, Place), Listening>,
    /// Route configurations by name.
    pub routes: BTreeMap<String, RouteScope>,
}

/// Plans for a proxy.
#[must_use]
pub fn plan(view: &View<'_>) -> Plan {
    let mut plan = Plan::default();
    let Some(scope) = &view.scope else { return plan };
    for egress in &scope.egress {
        let number = number(egress);
        // A port that has a listener of its own is that one's alone.
        let named = |port: u16| scope.egress.iter().any(|other| self::number(other) == Some(port));
        let mut services: Vec<&Arc<Service>> = egress.services.iter().collect();
        services.sort_by(|a, b| (&a.created, &a.host).cmp(&(&b.created, &b.host)));
        for service in services {
            for port in service.ports.iter().filter(|port| number.is_some() || !named(port.number)) {
                plan.add(view, egress, service, port);
            }
        }
    }
    plan.add_http_proxy(view);
    plan
}

fn number(egress: &EgressListenerView) -> Option<u16> {
    egress.port.as_ref().and_then(|port| port.number).map(weft_api::value::Port::number)
}

impl Plan {
    fn add(
        &mut self,
        view: &View<'_>,
        egress: &EgressListenerView,
        service: &Arc<Service>,
        port: &ServicePort,
    ) {
        let number = port.number;
        if port.protocol == Protocol::Udp {
            return;
        }
        if let Some(vip) = view.virtual_address(&service.host) {
            // Nobody can call a wildcard by address.
            if !service.is_wildcard() {
                let key = (weft_types::embedded::listening_port(number), Place::At(vip.into()));
                self.at(view, egress, service, port, Spot { key, bound: true, shared: false });
            }
            return;
        }
        if let Some(bind) = place::bind(view, egress) {
            let key = (number, Place::At(bind));
            return self.at(view, egress, service, port, Spot { key, bound: true, shared: true });
        }
        let http = port.protocol.is_http();
        for place in if http { vec![Place::Any] } else { place::of_service(view, service, number) } {
            let spot = Spot { key: (number, place), bound: false, shared: place == Place::Any };
            self.at(view, egress, service, port, spot);
        }
    }

    /// Adds a service's port at a place.
    fn at(
        &mut self,
        view: &View<'_>,
        egress: &EgressListenerView,
        service: &Arc<Service>,
        port: &ServicePort,
        spot: Spot,
    ) {
        let Spot { key, bound, shared } = spot;
        let http = port.protocol.is_http() || port.protocol == Protocol::Auto;
        // A service that is told by its address has routes of its own, since the port alone would mix it
        // with declared HTTP.
        let own_routes = port.protocol == Protocol::Auto && !shared;
        let routes =
            if own_routes { format!("{}:{}", service.host, port.number) } else { port.number.to_string() };
        let listening = self.listeners.entry(key).or_default();
        listening.bound |= bound;
        listening.service.get_or_insert_with(|| service.clone());
        if http {
            listening.http.get_or_insert_with(|| routes.clone());
            listening.grpc_web |= port.protocol == Protocol::GrpcWeb;
            // Redirected connections for others come this way too; to a socket of its own, or to an address
            // of the service's own, come only those that are declared.
            listening.detect |= key.1 == Place::Any || port.protocol == Protocol::Auto;
        }
        if !port.protocol.is_http() {
            let (chains, default) = opaque::chains(view, &egress.virtual_services, service, port, spot);
            for chain in chains {
                if !listening.chains.iter().any(|known| known.contends(&chain)) {
                    listening.chains.push(chain);
                }
            }
            if let Some(default) = default {
                listening.default.get_or_insert(default);
            }
        }
        if http {
            let scope = self.routes.entry(routes).or_insert_with(|| RouteScope {
                port: port.number,
                virtual_services: egress.virtual_services.clone(),
                unknown_hosts: !own_routes,
                ..RouteScope::default()
            });
            if !scope.services.iter().any(|(known, _)| known.host == service.host) {
                scope.services.push((service.clone(), port.number));
            }
        }
    }

    /// The listener for HTTP proxy requests, if the mesh or the mode wants one.
    fn add_http_proxy(&mut self, view: &View<'_>) {
        let key = match (view.proxy.embedded_address(), view.mesh.http_proxy_port) {
            (Some(pod), _) => (EMBEDDED_HTTP_PROXY_PORT, Place::At(pod.into())),
            (None, 0) => return,
            (None, port) => (port, Place::At(Ipv4Addr::LOCALHOST.into())),
        };
        self.listeners.insert(
            key,
            Listening {
                bound: true,
                http: Some(HTTP_PROXY.to_owned()),
                connect: true,
                ..Listening::default()
            },
        );
        let each = |service: &Arc<Service>| {
            let ports: Vec<_> = service.ports.iter().filter(|port| port.protocol != Protocol::Udp).collect();
            ports.into_iter().map(|port| (service.clone(), port.number)).collect::<Vec<_>>()
        };
        let scope = RouteScope {
            port: 80,
            services: view.services.iter().flat_map(each).collect(),
            virtual_services: view.virtual_services().to_vec(),
            unknown_hosts: true,
            proxy: true,
        };
        self.routes.insert(HTTP_PROXY.to_owned(), scope);
    }
}
