//! An Envoy bootstrap as Istio's agent writes it, for plain Envoy 1.40 and for Istio's.
//!
//! Names of clusters and listeners are Istio's, as its tools and control planes expect them: `xds-grpc` and
//! `sds-grpc` are the agent's sockets, `agent` its port 15020, `prometheus_stats` Envoy's own admin page.
//! Source: SD-01, SD-17, SD-18.

mod parts;
mod stats;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use prost::Message as _;
use serde_json::{Value as Json, json};
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::json::{self, Names, Style};
use weft_proto::schema::MessageType;
use weft_proto::text;

/// Port of the agent: readiness, merged metrics.
pub const AGENT_PORT: u16 = 15020;
/// Port of Envoy for readiness, passed on to the agent.
pub const READINESS_PORT: u16 = 15021;
/// Port of Envoy for its metrics.
pub const METRICS_PORT: u16 = 15090;

/// What a bootstrap is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapArgs {
    /// Who the proxy is ([`crate::node::node`]).
    pub node: Node,
    /// Where Envoy's admin page listens.
    pub admin: SocketAddr,
    /// Address on which Envoy's 15021 and 15090 listen.
    pub bind: IpAddr,
    /// Where the agent's own port is, for Envoy.
    pub agent: SocketAddr,
    /// The agent's ADS socket.
    pub xds_socket: PathBuf,
    /// The socket of secrets: the agent's, or that of a SPIRE agent.
    pub sds_socket: PathBuf,
    /// Istio's `proxyStatsMatcher` (of PROXY_CONFIG): what to count besides the default.
    pub stats_matcher: Option<Json>,
}

/// Why there is no bootstrap.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A part is not as the schema has it; `proxyStatsMatcher` alone comes from outside.
    #[error("the bootstrap cannot be made: {0}")]
    Parts(String),
    /// It has no JSON form.
    #[error("the bootstrap has no JSON form: {0}")]
    Json(String),
}

/// The bootstrap as a message.
///
/// # Errors
/// `proxyStatsMatcher` holds what Envoy does not take.
pub fn bootstrap(args: &BootstrapArgs) -> Result<Bootstrap, BootstrapError> {
    let parts = json!({
        "layered_runtime": {"layers": [
            {"name": "global config", "static_layer": {"re2.max_program_size.error_level": 32768}},
            {"name": "admin", "admin_layer": {}},
        ]},
        "stats_config": stats::config(args.stats_matcher.as_ref()),
        "admin": {"address": parts::tcp(args.admin)},
        "dynamic_resources": parts::discovery(),
        "static_resources": {
            "clusters": [
                parts::cluster("prometheus_stats", &parts::tcp(crate::address::reach(args.admin))),
                parts::cluster("agent", &parts::tcp(crate::address::reach(args.agent))),
                parts::grpc_cluster("sds-grpc", &args.sds_socket),
                parts::grpc_cluster("xds-grpc", &args.xds_socket),
            ],
            "listeners": [
                parts::listener(
                    "prometheus_stats",
                    SocketAddr::new(args.bind, METRICS_PORT),
                    "/stats/prometheus",
                    "prometheus_stats",
                ),
                parts::listener(
                    "agent",
                    SocketAddr::new(args.bind, READINESS_PORT),
                    "/healthz/ready",
                    "agent",
                ),
            ],
        },
    });
    let mut bootstrap: Bootstrap = text::parse_json(&parts.to_string())
        .accepted()
        .map_err(|problems| BootstrapError::Parts(problems.to_string()))?;
    bootstrap.node = Some(args.node.clone());
    Ok(bootstrap)
}

/// The bootstrap as Envoy reads it: proto-JSON.
///
/// # Errors
/// As [`bootstrap`].
pub fn to_json(args: &BootstrapArgs) -> Result<String, BootstrapError> {
    let bytes = bootstrap(args)?.encode_to_vec();
    let kind = MessageType::find("envoy.config.bootstrap.v3.Bootstrap")
        .ok_or_else(|| BootstrapError::Json("its message is not in the schema".to_owned()))?;
    let style = Style { names: Names::Proto, redact: false };
    let value =
        json::to_json(kind, &bytes, style).map_err(|error| BootstrapError::Json(error.to_string()))?;
    Ok(value.to_string())
}
