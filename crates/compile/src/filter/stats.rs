//! Istio's metrics (TM-01, TM-02).

use weft_proto::envoy::config::listener::v3::Filter;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use weft_proto::istio::stats::PluginConfig;

use super::{http_filter, network_filter};
use crate::capabilities::Capabilities;

/// Name of the filters.
const STATS_FILTER: &str = "istio.stats";

/// The HTTP filter, if the proxy has it.
pub(super) fn http(capabilities: Capabilities) -> Option<HttpFilter> {
    capabilities.istio_stats.then(|| http_filter(STATS_FILTER, &PluginConfig::default()))
}

/// The network filter, if the proxy has it.
pub(super) fn network(capabilities: Capabilities) -> Option<Filter> {
    capabilities.istio_stats.then(|| network_filter(STATS_FILTER, &PluginConfig::default()))
}
