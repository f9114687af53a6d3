//! Chains of filters, the same for inbound, outbound and gateways; rendered for what the proxy has.
//!
//! ```text
//! HttpManagerSpec ─► http: connection manager ─► chain: peer, authorization, alpn, fault, … router
//! TcpSpec ─────────► tcp: peer, authorization, stats, tcp_proxy
//! ```
//!
//! # Invariants
//! - No filter is named that the proxy has not: Envoy would refuse the whole listener (design.md 9).
//! - The order of filters is Istio's (SD-13): it can be seen from outside.

pub mod access_log;
mod alpn;
mod chain;
mod http;
mod listener;
mod peer;
pub mod source;
mod stats;
mod tcp;

use weft_model::MeshConfig;
use weft_proto::envoy::config::listener::v3::Filter;
use weft_proto::envoy::config::listener::v3::filter::ConfigType as NetworkConfig;
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType as HttpConfig;
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

use crate::proxy::Proxy;

pub use alpn::ALPN_FILTER;
pub use chain::{CORS_FILTER, FAULT_FILTER, ROUTER_FILTER};
pub use http::{HTTP_MANAGER, http_manager, http_manager_filter};
pub use listener::{http_inspector, original_dst, tls_inspector};
pub use peer::PEER_METADATA_FILTER;
pub use tcp::{TCP_PROXY, tcp_filters};

/// What filters are rendered for.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The mesh's settings.
    pub mesh: &'a MeshConfig,
    /// The proxy.
    pub proxy: &'a Proxy,
}

/// Which way calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the workload of a sidecar.
    Inbound,
    /// From the workload of a sidecar.
    Outbound,
    /// Through a gateway.
    Gateway,
}

/// Where a connection manager finds its routes.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one of them is made and taken apart at once")]
pub enum Routes {
    /// By the name of a route configuration.
    Rds(String),
    /// Here.
    Inline(RouteConfiguration),
}

/// What a connection manager is to do.
#[derive(Clone, Debug)]
pub struct HttpManagerSpec {
    /// Which way calls go.
    pub direction: Direction,
    /// Begins the names of counters; Istio's is `outbound_0.0.0.0_9080;`.
    pub stat_prefix: String,
    /// Routes.
    pub routes: Routes,
    /// Filters of [`crate::security::authorization::http_filters`].
    pub authorization: Vec<HttpFilter>,
    /// gRPC-Web is spoken: it becomes gRPC toward endpoints.
    pub grpc_web: bool,
    /// CONNECT requests are carried (HTTP proxies).
    pub connect: bool,
}

impl HttpManagerSpec {
    /// A connection manager without authorization and without anything special.
    #[must_use]
    pub fn new(direction: Direction, stat_prefix: impl Into<String>, routes: Routes) -> Self {
        Self {
            direction,
            stat_prefix: stat_prefix.into(),
            routes,
            authorization: Vec::new(),
            grpc_web: false,
            connect: false,
        }
    }
}

/// What a chain for opaque connections is to do.
#[derive(Clone, Debug)]
pub struct TcpSpec {
    /// Which way calls go.
    pub direction: Direction,
    /// The end of the chain; its access log is filled in.
    pub proxy: TcpProxy,
    /// Filters of [`crate::security::authorization::network_filters`].
    pub authorization: Vec<Filter>,
}

/// An HTTP filter of that name and configuration.
#[must_use]
pub fn http_filter<M: prost::Name>(name: &str, config: &M) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(HttpConfig::TypedConfig(weft_proto::any::pack(config))),
        ..HttpFilter::default()
    }
}

/// A network filter of that name and configuration.
#[must_use]
pub fn network_filter<M: prost::Name>(name: &str, config: &M) -> Filter {
    Filter {
        name: name.to_owned(),
        config_type: Some(NetworkConfig::TypedConfig(weft_proto::any::pack(config))),
    }
}
