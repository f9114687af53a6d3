//! Limits and timers of a cluster (DR-10, DR-11, DR-13).

use std::time::Duration;

use weft_api::istio::connection_pool::{ConnectionPool, H2UpgradePolicy, HttpPool, TcpPool};
use weft_api::istio::traffic_policy::RetryBudget;
use weft_model::mesh::{MeshConfig, TcpKeepalive as MeshKeepalive};
use weft_model::protocol::Protocol;
use weft_proto::envoy::config::cluster::v3::circuit_breakers::{Thresholds, thresholds};
use weft_proto::envoy::config::cluster::v3::{CircuitBreakers, UpstreamConnectionOptions};
use weft_proto::envoy::config::core::v3::{
    Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions as CommonOptions, KeepaliveSettings,
    TcpKeepalive, UpstreamHttpProtocolOptions,
};
use weft_proto::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use weft_proto::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
    explicit_http_config::ProtocolConfig,
};
use weft_proto::envoy::r#type::v3::Percent;

use crate::message::{duration, u32_value};

/// Share of calls that may be retries, percent, where a budget does not say.
const BUDGET_PERCENT: f64 = 20.0;
/// Retries that are always allowed, where a budget does not say.
const BUDGET_MINIMUM: u32 = 3;

/// How HTTP is spoken to endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// As the caller does.
    Client,
}

/// How HTTP is spoken on a port of that protocol; `None`: it is not. `originated`: the proxy begins TLS
/// itself, so that requests may be routed to a port whose protocol is TLS.
#[must_use]
pub fn http_version(
    protocol: Protocol,
    pool: Option<&ConnectionPool>,
    originated: bool,
) -> Option<HttpVersion> {
    let http = http(pool);
    let client = http.is_some_and(|http| http.use_client_protocol);
    let upgrade = http.is_some_and(|http| http.h2_upgrade_policy == H2UpgradePolicy::Upgrade);
    match protocol {
        Protocol::Auto => Some(HttpVersion::Client),
        told if told.is_http() && client => Some(HttpVersion::Client),
        told if told.is_http2() => Some(HttpVersion::Http2),
        Protocol::Http if upgrade => Some(HttpVersion::Http2),
        Protocol::Http => Some(HttpVersion::Http1),
        told if told.is_tls() && originated => {
            Some(if upgrade { HttpVersion::Http2 } else { HttpVersion::Http1 })
        }
        _ => None,
    }
}

/// Whether the server name is taken from each request, and the certificate checked against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameFromRequest {
    pub(crate) server_name: bool,
    pub(crate) verified: bool,
}

/// Options of HTTP toward endpoints.
pub(crate) fn http_options(
    version: HttpVersion,
    pool: Option<&ConnectionPool>,
    name: NameFromRequest,
) -> HttpProtocolOptions {
    let http1 = Http1ProtocolOptions::default;
    let config = match version {
        HttpVersion::Client => {
            UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                http_protocol_options: Some(http1()),
                http2_protocol_options: Some(http2(http(pool))),
                http3_protocol_options: None,
            })
        }
        HttpVersion::Http1 => explicit(ProtocolConfig::HttpProtocolOptions(http1())),
        HttpVersion::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(http2(http(pool)))),
    };
    let from_request = UpstreamHttpProtocolOptions {
        auto_sni: name.server_name,
        auto_san_validation: name.verified,
        ..Default::default()
    };
    HttpProtocolOptions {
        common_http_protocol_options: common(pool),
        upstream_http_protocol_options: (name != NameFromRequest::default()).then_some(from_request),
        upstream_protocol_options: Some(config),
        ..Default::default()
    }
}

fn explicit(config: ProtocolConfig) -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(config) })
}

fn http2(http: Option<&HttpPool>) -> Http2ProtocolOptions {
    let keepalive = http.and_then(|http| http.http2_keep_alive.as_ref()).and_then(|alive| {
        Some(KeepaliveSettings {
            interval: Some(duration(alive.interval?)),
            timeout: Some(duration(alive.timeout.or(alive.interval)?)),
            ..Default::default()
        })
    });
    Http2ProtocolOptions {
        max_concurrent_streams: http.and_then(|h| h.max_concurrent_streams).filter(|n| *n > 0).map(u32_value),
        connection_keepalive: keepalive,
        ..Default::default()
    }
}

fn common(pool: Option<&ConnectionPool>) -> Option<CommonOptions> {
    let (http, tcp) = (http(pool), tcp(pool));
    let idle = http.and_then(|h| h.idle_timeout).or(tcp.and_then(|t| t.idle_timeout));
    let options = CommonOptions {
        idle_timeout: idle.map(duration),
        max_connection_duration: tcp.and_then(|t| t.max_connection_duration).map(duration),
        max_requests_per_connection: http
            .and_then(|h| h.max_requests_per_connection)
            .filter(|n| *n > 0)
            .map(u32_value),
        ..Default::default()
    };
    (options != CommonOptions::default()).then_some(options)
}

/// Time to connect.
pub(crate) fn connect_timeout(mesh: &MeshConfig, pool: Option<&ConnectionPool>) -> Duration {
    tcp(pool).and_then(|tcp| tcp.connect_timeout).unwrap_or(mesh.connect_timeout)
}

/// Time without bytes after which opaque connections end; Envoy's hour if `None`.
pub(crate) fn tcp_idle_timeout(pool: Option<&ConnectionPool>) -> Option<Duration> {
    tcp(pool).and_then(|tcp| tcp.idle_timeout)
}

/// Probes of idle connections.
pub(crate) fn connection_options(
    mesh: &MeshConfig,
    pool: Option<&ConnectionPool>,
) -> Option<UpstreamConnectionOptions> {
    let own = tcp(pool).and_then(|tcp| tcp.tcp_keepalive.as_ref()).map(|alive| MeshKeepalive {
        probes: alive.probes.unwrap_or_default(),
        time: alive.time.unwrap_or_default(),
        interval: alive.interval.unwrap_or_default(),
    });
    let alive = own.or(mesh.tcp_keepalive)?;
    // Envoy counts whole seconds.
    let seconds = |time: Duration| {
        Some(u32::try_from(time.as_secs()).unwrap_or(u32::MAX)).filter(|s| *s > 0).map(u32_value)
    };
    Some(UpstreamConnectionOptions {
        tcp_keepalive: Some(TcpKeepalive {
            keepalive_probes: Some(alive.probes).filter(|n| *n > 0).map(u32_value),
            keepalive_time: seconds(alive.time),
            keepalive_interval: seconds(alive.interval),
        }),
        ..Default::default()
    })
}

/// Circuit breakers; Istio's limits are as high as can be unless a rule says otherwise.
pub(crate) fn circuit_breakers(
    pool: Option<&ConnectionPool>,
    budget: Option<&RetryBudget>,
) -> CircuitBreakers {
    let (http, tcp) = (http(pool), tcp(pool));
    let limit = |limit: Option<u32>| Some(u32_value(limit.filter(|n| *n > 0).unwrap_or(u32::MAX)));
    let budget = budget.map(|budget| thresholds::RetryBudget {
        budget_percent: Some(Percent { value: budget.percent.unwrap_or(BUDGET_PERCENT) }),
        min_retry_concurrency: Some(u32_value(budget.min_retry_concurrency.unwrap_or(BUDGET_MINIMUM))),
        ..Default::default()
    });
    CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: limit(tcp.and_then(|t| t.max_connections)),
            max_pending_requests: limit(http.and_then(|h| h.http1_max_pending_requests)),
            max_requests: limit(http.and_then(|h| h.http2_max_requests)),
            max_retries: limit(http.and_then(|h| h.max_retries)),
            track_remaining: true,
            retry_budget: budget,
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn tcp(pool: Option<&ConnectionPool>) -> Option<&TcpPool> {
    pool.and_then(|pool| pool.tcp.as_ref())
}

fn http(pool: Option<&ConnectionPool>) -> Option<&HttpPool> {
    pool.and_then(|pool| pool.http.as_ref())
}
