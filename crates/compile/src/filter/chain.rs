//! HTTP filters, in Istio's order (SD-13).

use weft_proto::envoy::extensions::filters::http::cors::v3::Cors;
use weft_proto::envoy::extensions::filters::http::fault::v3::HttpFault;
use weft_proto::envoy::extensions::filters::http::grpc_stats::v3::FilterConfig as GrpcStats;
use weft_proto::envoy::extensions::filters::http::grpc_stats::v3::filter_config::PerMethodStatSpecifier;
use weft_proto::envoy::extensions::filters::http::grpc_web::v3::GrpcWeb;
use weft_proto::envoy::extensions::filters::http::router::v3::Router;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;

use super::{Context, Direction, HttpManagerSpec, alpn, http_filter, peer, stats};
use crate::message::bool_value;

/// Name of the filter that delays and aborts; routes configure it by this name.
pub const FAULT_FILTER: &str = "envoy.filters.http.fault";
/// Name of the filter that answers browsers; routes configure it by this name.
pub const CORS_FILTER: &str = "envoy.filters.http.cors";
/// Name of the filter that forwards.
pub const ROUTER_FILTER: &str = "envoy.filters.http.router";
const GRPC_STATS_FILTER: &str = "envoy.filters.http.grpc_stats";
const GRPC_WEB_FILTER: &str = "envoy.filters.http.grpc_web";

/// All filters of a connection manager.
pub(super) fn http_filters(context: Context<'_>, spec: &HttpManagerSpec) -> Vec<HttpFilter> {
    let mut filters = vec![peer::http(context, spec.direction)];
    filters.extend(spec.authorization.iter().cloned());
    if spec.grpc_web {
        // Our proxy has none yet, and says so.
        let web = HttpFilter { is_optional: true, ..http_filter(GRPC_WEB_FILTER, &GrpcWeb {}) };
        filters.push(web);
    }
    filters.push(http_filter(GRPC_STATS_FILTER, &grpc_stats()));
    if spec.direction != Direction::Inbound {
        filters.push(alpn::http(context.proxy.capabilities));
    }
    filters.push(http_filter(FAULT_FILTER, &HttpFault::default()));
    filters.push(http_filter(CORS_FILTER, &Cors {}));
    filters.extend(stats::http(context.proxy.capabilities));
    filters.push(http_filter(ROUTER_FILTER, &Router::default()));
    filters
}

fn grpc_stats() -> GrpcStats {
    GrpcStats {
        emit_filter_state: true,
        per_method_stat_specifier: Some(PerMethodStatSpecifier::StatsForAllMethods(bool_value(false))),
        ..GrpcStats::default()
    }
}
