//! The listener where HBONE ends (AM-06): for our own proxies, which take opaque connections of one another
//! as streams.

use weft_proto::envoy::config::core::v3::TrafficDirection;
use weft_proto::envoy::config::listener::v3::{FilterChain, Listener};
use weft_proto::hbone::{PORT, TERMINATE, Terminate};

use super::{Ground, VIRTUAL_INBOUND};
use crate::capabilities::Flavor;
use crate::filter::network_filter;
use crate::message::{bool_value, ip_address, socket_address};
use crate::security::tls;

/// Name of the listener.
pub const CONNECT_TERMINATE: &str = "connect_terminate";

/// The listener; `None` for proxies that do not take HBONE. It verifies clients as the chains of ports do:
/// only then do these take its streams.
pub(super) fn listener(ground: &Ground<'_>) -> Option<Listener> {
    let proxy = ground.context.proxy;
    if proxy.capabilities.flavor != Flavor::Weft {
        return None;
    }
    let redirected = ground.is_redirected();
    let address =
        if redirected { socket_address(ground.wildcard(), PORT) } else { ip_address(proxy.address()?, PORT) };
    let filter = Terminate {
        stat_prefix: CONNECT_TERMINATE.to_owned(),
        listener: if redirected { VIRTUAL_INBOUND.to_owned() } else { String::new() },
        max_streams: 0,
    };
    Some(Listener {
        name: CONNECT_TERMINATE.to_owned(),
        address: Some(address),
        // Two meshes on one host must collide loudly, not share traffic.
        enable_reuse_port: proxy.is_embedded().then(|| bool_value(false)),
        filter_chains: vec![FilterChain {
            name: CONNECT_TERMINATE.to_owned(),
            filters: vec![network_filter(TERMINATE, &filter)],
            transport_socket: Some(tls::socket(&tls::mutual(&ground.domains, &["h2"]))),
            ..FilterChain::default()
        }],
        traffic_direction: TrafficDirection::Inbound.into(),
        ..Listener::default()
    })
}
