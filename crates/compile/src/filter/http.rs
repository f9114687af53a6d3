//! The HTTP connection manager, as Istio sets it (SD-15, SD-16, GW-09, AP-12).

use std::time::Duration;

use weft_proto::envoy::config::listener::v3::Filter;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    CodecType, ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier,
    SetCurrentClientCertDetails, UpgradeConfig,
};
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, Rds,
};

use super::{Context, Direction, HttpManagerSpec, Routes, access_log, chain, network_filter};
use crate::message::{ads, bool_value, duration};

/// Name of the network filter.
pub const HTTP_MANAGER: &str = "envoy.filters.network.http_connection_manager";
/// What responses call the server.
const SERVER_NAME: &str = "istio-envoy";

/// A connection manager with all its filters.
#[must_use]
pub fn http_manager(context: Context<'_>, spec: HttpManagerSpec) -> HttpConnectionManager {
    let http_filters = chain::http_filters(context, &spec);
    let HttpManagerSpec { direction, stat_prefix, routes, authorization: _, grpc_web: _, connect } = spec;
    let (forward, details) = client_certificate(direction);
    let mut upgrade_configs = vec![upgrade("websocket")];
    if connect {
        upgrade_configs.push(upgrade("CONNECT"));
    }
    HttpConnectionManager {
        codec_type: CodecType::Auto.into(),
        stat_prefix,
        route_specifier: Some(route_specifier(routes)),
        http_filters,
        // Istio names itself but toward the workload's own calls, where Envoy's name stays.
        server_name: if direction == Direction::Outbound { String::new() } else { SERVER_NAME.to_owned() },
        use_remote_address: Some(bool_value(direction == Direction::Gateway)),
        forward_client_cert_details: forward.into(),
        set_current_client_cert_details: details,
        proxy_100_continue: direction != Direction::Outbound,
        upgrade_configs,
        normalize_path: Some(bool_value(true)),
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::KeepUnchanged.into(),
        stream_idle_timeout: Some(duration(Duration::ZERO)),
        access_log: access_log::of_calls(context.mesh),
        ..HttpConnectionManager::default()
    }
}

/// The same, as the filter that ends a chain.
#[must_use]
pub fn http_manager_filter(context: Context<'_>, spec: HttpManagerSpec) -> Filter {
    network_filter(HTTP_MANAGER, &http_manager(context, spec))
}

fn route_specifier(routes: Routes) -> RouteSpecifier {
    match routes {
        Routes::Rds(name) => RouteSpecifier::Rds(Rds { config_source: Some(ads()), route_config_name: name }),
        Routes::Inline(config) => RouteSpecifier::RouteConfig(config),
    }
}

/// What `x-forwarded-client-cert` says of the caller: a sidecar adds to what its caller said, a gateway
/// is where the mesh begins, and believes nothing.
fn client_certificate(
    direction: Direction,
) -> (ForwardClientCertDetails, Option<SetCurrentClientCertDetails>) {
    let details = |cert: bool| SetCurrentClientCertDetails {
        subject: Some(bool_value(true)),
        cert,
        dns: true,
        uri: true,
        ..SetCurrentClientCertDetails::default()
    };
    match direction {
        Direction::Inbound => (ForwardClientCertDetails::AppendForward, Some(details(false))),
        Direction::Outbound => (ForwardClientCertDetails::Sanitize, None),
        Direction::Gateway => (ForwardClientCertDetails::SanitizeSet, Some(details(true))),
    }
}

fn upgrade(token: &str) -> UpgradeConfig {
    UpgradeConfig { upgrade_type: token.to_owned(), ..UpgradeConfig::default() }
}
