//! Chains for opaque connections.

use weft_proto::envoy::config::listener::v3::Filter;

use super::{Context, TcpSpec, access_log, network_filter, peer, stats};

/// Name of the filter that forwards.
pub const TCP_PROXY: &str = "envoy.filters.network.tcp_proxy";

/// All filters of a chain, in Istio's order.
#[must_use]
pub fn tcp_filters(context: Context<'_>, spec: TcpSpec) -> Vec<Filter> {
    let TcpSpec { direction: _, mut proxy, authorization } = spec;
    proxy.access_log = access_log::of_calls(context.mesh);
    let mut filters: Vec<Filter> = peer::network(context.proxy.capabilities).into_iter().collect();
    filters.extend(authorization);
    filters.extend(stats::network(context.proxy.capabilities));
    filters.push(network_filter(TCP_PROXY, &proxy));
    filters
}
