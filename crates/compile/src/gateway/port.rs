//! Which port and address a server's port number means.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use weft_api::istio::gateway::Server;
use weft_model::{ServiceInstance, Workload};

use crate::proxy::Proxy;

/// Ports below this one need a privilege.
const FIRST_UNPRIVILEGED: u16 = 1024;
/// What is added to them in the embedded mode.
const EMBEDDED_SHIFT: u16 = 8000;

/// The ports that a gateway opens for a server: the number is that of a port of the gateway's Services,
/// and means the pods' ports behind it; without such a Service it is the pod's port itself.
pub(super) fn listening(
    proxy: &Proxy,
    workload: Option<&Workload>,
    instances: &[ServiceInstance],
    server: &Server,
) -> Vec<u16> {
    let number = server.port.number.number();
    let behind: BTreeSet<u16> = instances
        .iter()
        .filter(|instance| instance.port.number == number)
        .map(|instance| instance.target_port)
        .collect();
    let ports: Vec<u16> = if behind.is_empty() { vec![number] } else { behind.into_iter().collect() };
    if !proxy.is_embedded() {
        return ports;
    }
    let embedded = |port: u16| {
        let given = workload.and_then(|workload| {
            workload.app_ports.get(&number).or_else(|| workload.app_ports.get(&port)).copied()
        });
        let port = given.unwrap_or(port);
        if port < FIRST_UNPRIVILEGED { port.saturating_add(EMBEDDED_SHIFT) } else { port }
    };
    let mut ports: Vec<u16> = ports.into_iter().map(embedded).collect();
    ports.dedup();
    ports
}

/// The address that a server listens on.
pub(super) fn address(proxy: &Proxy, workload: Option<&Workload>, server: &Server) -> IpAddr {
    if proxy.is_embedded() {
        return workload.and_then(|workload| workload.bind).unwrap_or(Ipv4Addr::LOCALHOST.into());
    }
    let own = server.bind.as_deref().and_then(|bind| bind.parse().ok());
    own.unwrap_or_else(|| match proxy.address() {
        Some(IpAddr::V6(_)) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        Some(IpAddr::V4(_)) | None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    })
}
