//! Which servers share a port, before anything is rendered.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use weft_api::{Object, Spec};
use weft_model::Snapshot;

use super::port;
use super::server::{Purpose, ServerView};
use crate::proxy::Proxy;

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortKind {
    /// Plaintext HTTP: servers share one chain.
    Http,
    /// TLS: each server has chains by server name.
    Tls,
    /// Bytes: one chain.
    Opaque,
}

/// A port that a gateway opens.
#[derive(Clone, Debug)]
pub struct GatewayPort {
    /// Address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// What it is.
    pub kind: PortKind,
    /// Servers, oldest Gateway first.
    pub servers: Vec<ServerView>,
}

/// Why a server is left out, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The port is something else.
    #[error("port {port} is already {kind:?} by Gateway {by}")]
    Port {
        /// Port.
        port: u16,
        /// What it is.
        kind: PortKind,
        /// The older Gateway.
        by: String,
    },
    /// The name has a chain.
    #[error("server name {name:?} of port {port} is already served by Gateway {by}")]
    ServerName {
        /// Name; `*` for any.
        name: String,
        /// Port.
        port: u16,
        /// The older Gateway.
        by: String,
    },
    /// The protocol is not one that a gateway serves.
    #[error("gateways do not serve the protocol {0:?}")]
    Protocol(String),
}

/// All ports of a gateway, and what was left out.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Ports, by address and number.
    pub ports: Vec<GatewayPort>,
    /// Servers that are left out, wholly or in part.
    pub conflicts: Vec<(Arc<Object>, String, Conflict)>,
}

/// A route configuration that a gateway asks for.
#[derive(Clone, Debug)]
pub struct RouteTable {
    /// Its name: `http.8080`, `https.443.NAME.GATEWAY.NAMESPACE`.
    pub name: String,
    /// The port that is listened on.
    pub port: u16,
    /// The servers whose routes it holds.
    pub servers: Vec<ServerView>,
}

/// Merges the servers of all Gateways that select the proxy.
#[must_use]
pub fn plan(snapshot: &Snapshot, proxy: &Proxy) -> Plan {
    let found = snapshot.workload(&proxy.namespace, &proxy.name);
    let workload = found.or_else(|| proxy.address().and_then(|address| snapshot.workload_at(address)));
    let labels = workload.map_or(&proxy.labels, |workload| &workload.labels);
    let instances = workload.map(|workload| snapshot.services_of(workload)).unwrap_or_default();
    let mut merging = Merging::default();
    for gateway in snapshot.gateways_for(&proxy.namespace, labels) {
        let Spec::Gateway(spec) = &gateway.spec else { continue };
        let reference = &gateway.reference;
        for (index, server) in spec.servers.iter().enumerate() {
            let view = ServerView {
                gateway: gateway.clone(),
                gateway_name: format!("{}/{}", reference.namespace, reference.name).into(),
                index,
                server: Arc::new(server.clone()),
            };
            let address = port::address(proxy, workload.map(|w| &**w), server);
            for port in port::listening(proxy, workload.map(|w| &**w), &instances, server) {
                merging.add(address, port, &view);
            }
        }
    }
    Plan { ports: merging.ports.into_values().collect(), conflicts: merging.conflicts }
}

#[derive(Default)]
struct Merging {
    ports: BTreeMap<(IpAddr, u16), GatewayPort>,
    names: HashSet<(IpAddr, u16, String)>,
    conflicts: Vec<(Arc<Object>, String, Conflict)>,
}

impl Merging {
    fn add(&mut self, address: IpAddr, port: u16, view: &ServerView) {
        let mut refuse = |conflict| self.conflicts.push((view.gateway.clone(), view.path(), conflict));
        let kind = match view.purpose() {
            Some(Purpose::Http) => PortKind::Http,
            Some(Purpose::Opaque) => PortKind::Opaque,
            Some(_) => PortKind::Tls,
            None => return refuse(Conflict::Protocol(view.server.port.protocol.clone())),
        };
        let known = self.ports.entry((address, port)).or_insert_with(|| GatewayPort {
            address,
            port,
            kind,
            servers: Vec::new(),
        });
        if known.kind != kind {
            let by = known.servers.first().map(|server| server.gateway_name.to_string());
            return refuse(Conflict::Port { port, kind: known.kind, by: by.unwrap_or_default() });
        }
        if kind == PortKind::Tls {
            let mut names = view.server_names();
            if names.is_empty() {
                names.push("*".to_owned());
            }
            // One name that is taken leaves the others to the server; only Envoy's tree decides by
            // name, so the whole server gives way if none is left.
            let taken: Vec<&String> =
                names.iter().filter(|name| self.names.contains(&(address, port, (*name).clone()))).collect();
            if let Some(name) = taken.first() {
                let by = known.servers.first().map(|server| server.gateway_name.to_string());
                let conflict =
                    Conflict::ServerName { name: (*name).clone(), port, by: by.unwrap_or_default() };
                return refuse(conflict);
            }
            self.names.extend(names.into_iter().map(|name| (address, port, name)));
        }
        known.servers.push(view.clone());
    }
}

/// The route configurations that a gateway asks for, by name.
#[must_use]
pub fn route_tables(plan: &Plan) -> Vec<RouteTable> {
    let mut tables = BTreeMap::new();
    for port in &plan.ports {
        for server in &port.servers {
            if let Some(name) = route_name(port, server) {
                let table = tables.entry(name.clone()).or_insert_with(|| RouteTable {
                    name,
                    port: port.port,
                    servers: Vec::new(),
                });
                table.servers.push(server.clone());
            }
        }
    }
    tables.into_values().collect()
}

/// The route configuration of a server; `None` for those without HTTP.
pub(super) fn route_name(port: &GatewayPort, view: &ServerView) -> Option<String> {
    let reference = &view.gateway.reference;
    let server = &view.server;
    // Servers with an address of their own have routes of their own.
    let bind = server.bind.as_deref().filter(|bind| !bind.is_empty() && *bind != "0.0.0.0");
    let suffix = bind.map(|bind| format!(".{bind}")).unwrap_or_default();
    match view.purpose()? {
        Purpose::Http => Some(format!("http.{}{suffix}", port.port)),
        Purpose::Https => Some(format!(
            "https.{}.{}.{}.{}{suffix}",
            server.port.number, server.port.name, reference.name, reference.namespace
        )),
        Purpose::EndTls | Purpose::PassTls | Purpose::AutoPassTls | Purpose::Opaque => None,
    }
}
