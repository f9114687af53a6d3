//! Listeners for calls to the workload.

use std::net::IpAddr;

use weft_proto::envoy::config::core::v3::TrafficDirection;
use weft_proto::envoy::config::listener::v3::{FilterChain, Listener, ListenerFilter};

use super::port::InboundPort;
use super::{Ground, VIRTUAL_INBOUND, VIRTUAL_INBOUND_PORT, chain, inspector};
use crate::filter::{self, access_log};
use crate::message::{bool_value, duration, ip_address, socket_address};
use crate::proxy::Interception;

/// All listeners.
pub(super) fn listeners(ground: &Ground<'_>, ports: &[InboundPort]) -> Vec<Listener> {
    let mut listeners = Vec::new();
    if ground.is_redirected() {
        listeners.push(virtual_inbound(ground, ports));
    }
    for port in ports {
        if let Some(bind) = port.bind {
            listeners.push(bound(ground, port, bind));
        }
    }
    listeners
}

/// The listener that redirected traffic comes to.
fn virtual_inbound(ground: &Ground<'_>, ports: &[InboundPort]) -> Listener {
    let redirected = || ports.iter().filter(|port| port.bind.is_none());
    let mut filter_chains = vec![chain::blackhole()];
    filter_chains.extend(chain::passthrough(ground, ports));
    filter_chains.extend(redirected().flat_map(|port| chain::of_port(ground, port)));
    let mut listener_filters = vec![filter::original_dst()];
    let by_port = inspector::by_port(ground, ports);
    listener_filters.extend(inspector::only_where(filter::tls_inspector(), &by_port, |looks| looks.for_tls));
    listener_filters
        .extend(inspector::only_where(filter::http_inspector(), &by_port, |looks| looks.for_http));
    let tproxy = ground.context.proxy.interception == Interception::Tproxy;
    Listener {
        name: VIRTUAL_INBOUND.to_owned(),
        address: Some(socket_address(ground.wildcard(), VIRTUAL_INBOUND_PORT)),
        transparent: tproxy.then(|| bool_value(true)),
        ..listener(ground, filter_chains, listener_filters)
    }
}

/// A port's own listener.
fn bound(ground: &Ground<'_>, port: &InboundPort, address: IpAddr) -> Listener {
    let looks = inspector::of_port(ground, port);
    let mut listener_filters = Vec::new();
    listener_filters.extend(looks.for_tls.then(filter::tls_inspector));
    listener_filters.extend(looks.for_http.then(filter::http_inspector));
    Listener {
        name: format!("{address}_{}", port.number),
        address: Some(ip_address(address, port.number)),
        metadata: Some(port.metadata.clone()),
        // Two meshes on one host must collide loudly, not share traffic.
        enable_reuse_port: ground.context.proxy.is_embedded().then(|| bool_value(false)),
        ..listener(ground, chain::of_port(ground, port), listener_filters)
    }
}

fn listener(
    ground: &Ground<'_>,
    filter_chains: Vec<FilterChain>,
    listener_filters: Vec<ListenerFilter>,
) -> Listener {
    let mesh = ground.context.mesh;
    Listener {
        filter_chains,
        listener_filters,
        listener_filters_timeout: Some(duration(mesh.detection_timeout)),
        continue_on_listener_filters_timeout: true,
        traffic_direction: TrafficDirection::Inbound.into(),
        access_log: access_log::of_listener(mesh),
        ..Listener::default()
    }
}
