//! The ports that the workload serves.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use weft_api::istio::connection_pool::ConnectionPool;
use weft_api::istio::gateway::ServerTls;
use weft_api::istio::sidecar::{CaptureMode, IngressListener};
use weft_model::{Protocol, Service, Snapshot};
use weft_proto::envoy::config::core::v3::Metadata;
use weft_types::Name;

use super::Ground;
use crate::provenance;

/// Where the application is called.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Application {
    /// Where the caller called.
    OriginalDst,
    /// At this address.
    Address(SocketAddr),
    /// At this Unix socket.
    Unix(Name),
}

/// A port that the workload serves.
#[derive(Clone, Debug)]
pub(super) struct InboundPort {
    /// Port that callers connect to: the workload's, not the service's.
    pub(super) number: u16,
    /// Port of the service; what routes and telemetry name.
    pub(super) service_port: u16,
    /// What is spoken.
    pub(super) protocol: Protocol,
    /// Where the application is called.
    pub(super) application: Application,
    /// A listener of its own at this address; none for a chain of `virtualInbound`.
    pub(super) bind: Option<IpAddr>,
    /// Services that it stands for, the first of which names it.
    pub(super) services: Vec<Arc<Service>>,
    /// TLS that is not the mesh's (SC-02).
    pub(super) tls: Option<ServerTls>,
    /// Limits (SC-03).
    pub(super) pool: Option<ConnectionPool>,
    /// The object behind it.
    pub(super) metadata: Metadata,
}

impl InboundPort {
    /// Name of its cluster.
    pub(super) fn cluster(&self) -> String {
        format!("inbound|{}||", self.number)
    }
}

/// All ports, in order of number: those of Sidecar.ingress, or those of the services.
pub(super) fn ports(ground: &Ground<'_>, snapshot: &Snapshot) -> Vec<InboundPort> {
    let mut ports = BTreeMap::new();
    if ground.scope.ingress.is_empty() {
        of_services(ground, snapshot, &mut ports);
    } else {
        for (index, listener) in ground.scope.ingress.iter().enumerate() {
            if let Some(port) = of_ingress(ground, snapshot, index, listener) {
                ports.entry(port.number).or_insert(port);
            }
        }
    }
    ports.into_values().collect()
}

/// Several services may share a port of the workload: the first decides its protocol.
fn of_services(ground: &Ground<'_>, snapshot: &Snapshot, ports: &mut BTreeMap<u16, InboundPort>) {
    let Some(workload) = ground.workload else { return };
    for instance in snapshot.services_of(workload) {
        if instance.port.protocol == Protocol::Udp {
            continue;
        }
        let number = instance.target_port;
        let known = ports.entry(number).or_insert_with(|| {
            let index = instance.service.ports.iter().position(|port| *port == instance.port);
            let field = format!("spec.ports[{}]", index.unwrap_or_default());
            InboundPort {
                number,
                service_port: instance.port.number,
                protocol: instance.port.protocol,
                application: application(ground, number),
                bind: own_listener(ground),
                services: Vec::new(),
                tls: None,
                pool: ground.scope.inbound_connection_pool.clone(),
                metadata: provenance::of(&instance.service.object, &field),
            }
        });
        if !known.services.iter().any(|service| service.host == instance.service.host) {
            known.services.push(instance.service);
        }
    }
}

/// The address of the port's own listener where traffic is not redirected.
fn own_listener(ground: &Ground<'_>) -> Option<IpAddr> {
    if ground.is_redirected() { None } else { ground.context.proxy.address() }
}

/// Where the application serves a port by default: where it was called, or on loopback, since the
/// workload's own address is the proxy's.
fn application(ground: &Ground<'_>, number: u16) -> Application {
    if ground.is_redirected() {
        return Application::OriginalDst;
    }
    let port = ground.workload.map_or(number, |workload| workload.app_port(number));
    Application::Address(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
}

fn of_ingress(
    ground: &Ground<'_>,
    snapshot: &Snapshot,
    index: usize,
    listener: &IngressListener,
) -> Option<InboundPort> {
    let IngressListener { port, bind, capture_mode, default_endpoint, tls, connection_pool } = listener;
    let port = port.as_ref()?;
    let number = port.number?.number();
    let told = port.protocol.as_deref().filter(|protocol| !protocol.is_empty());
    let protocol = told.and_then(Protocol::parse).unwrap_or(Protocol::Auto);
    if protocol == Protocol::Udp {
        return None;
    }
    let instances = ground.workload.map(|workload| snapshot.services_of(workload)).unwrap_or_default();
    let of_port = instances.iter().filter(|instance| instance.target_port == number);
    let services: Vec<Arc<Service>> = of_port.clone().map(|instance| instance.service.clone()).collect();
    let own = *capture_mode == CaptureMode::None || !ground.is_redirected();
    let everywhere = || ground.wildcard().parse().ok();
    let bind = match (own, bind.as_deref().and_then(|bind| bind.parse().ok())) {
        (false, _) => None,
        (true, Some(address)) => Some(address),
        (true, None) => own_listener(ground).or_else(everywhere),
    };
    let object = ground.scope.object.as_ref();
    Some(InboundPort {
        number,
        service_port: of_port.clone().next().map_or(number, |instance| instance.port.number),
        protocol,
        application: match default_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) {
            Some(endpoint) => endpoint_of(ground, endpoint)?,
            None if bind.is_some() => {
                let port = ground.workload.map_or(number, |workload| workload.app_port(number));
                Application::Address(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
            }
            None => Application::OriginalDst,
        },
        bind,
        services,
        tls: tls.clone(),
        pool: connection_pool.clone().or_else(|| ground.scope.inbound_connection_pool.clone()),
        metadata: object
            .map(|object| provenance::of(object, &format!("spec.ingress[{index}]")))
            .unwrap_or_default(),
    })
}

/// Reads `defaultEndpoint`; `0.0.0.0` stands for the workload's own address.
fn endpoint_of(ground: &Ground<'_>, endpoint: &str) -> Option<Application> {
    if let Some(path) = endpoint.strip_prefix("unix://") {
        return Some(Application::Unix(path.into()));
    }
    let mut address: SocketAddr = endpoint.parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(ground.context.proxy.address()?);
    }
    Some(Application::Address(address))
}
