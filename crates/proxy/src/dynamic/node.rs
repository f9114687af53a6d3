//! What our proxy adds to its node: who it is, and which extensions it carries.

use weft_proto::envoy::config::core::v3::{Extension, Node, node::UserAgentVersionType};
use weft_proto::type_url as url;

/// By this name the control plane knows us.
const AGENT: &str = "weft";

/// Extensions by Envoy's category. What is not here is refused when it comes.
const EXTENSIONS: &[(&str, &[&str])] = &[
    (
        "envoy.filters.listener",
        &[url::ORIGINAL_DST, url::TLS_INSPECTOR, url::HTTP_INSPECTOR, url::PROXY_PROTOCOL],
    ),
    (
        "envoy.filters.network",
        &[
            url::HTTP_CONNECTION_MANAGER,
            url::TCP_PROXY,
            url::NETWORK_RBAC,
            url::NETWORK_CONNECTION_LIMIT,
            url::NETWORK_DIRECT_RESPONSE,
            url::NETWORK_ECHO,
            url::NETWORK_SET_FILTER_STATE,
            url::SNI_CLUSTER,
            "type.googleapis.com/io.istio.network.authn.Config",
            "type.googleapis.com/stats.PluginConfig",
        ],
    ),
    (
        "envoy.filters.http",
        &[
            url::ROUTER,
            url::FAULT,
            url::CORS,
            url::RBAC,
            url::HEADER_MUTATION,
            url::SET_FILTER_STATE,
            url::LOCAL_RATE_LIMIT,
            url::HEALTH_CHECK,
            url::GRPC_STATS,
            url::BUFFER,
            "type.googleapis.com/io.istio.http.peer_metadata.Config",
            "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
            "type.googleapis.com/stats.PluginConfig",
        ],
    ),
    ("envoy.transport_sockets.downstream", &[url::DOWNSTREAM_TLS, url::RAW_BUFFER]),
    (
        "envoy.transport_sockets.upstream",
        &[url::UPSTREAM_TLS, url::RAW_BUFFER, url::INTERNAL_UPSTREAM, url::UPSTREAM_PROXY_PROTOCOL],
    ),
    ("envoy.access_loggers", &[url::FILE_ACCESS_LOG, url::STDOUT_ACCESS_LOG, url::STDERR_ACCESS_LOG]),
    (
        "envoy.load_balancing_policies",
        &[url::ROUND_ROBIN, url::LEAST_REQUEST, url::RANDOM, url::RING_HASH, url::MAGLEV],
    ),
    ("envoy.upstream_options", &[url::HTTP_PROTOCOL_OPTIONS]),
];

/// Completes a node; what the bootstrap says of extensions and agent gives way.
pub(super) fn complete(node: Node) -> Node {
    let extensions = EXTENSIONS.iter().flat_map(|(category, urls)| {
        urls.iter().map(|url| Extension {
            name: url.rsplit('/').next().unwrap_or_default().to_owned(),
            category: (*category).to_owned(),
            type_urls: vec![(*url).to_owned()],
            ..Extension::default()
        })
    });
    Node {
        user_agent_name: AGENT.to_owned(),
        user_agent_version_type: Some(UserAgentVersionType::UserAgentVersion(
            env!("CARGO_PKG_VERSION").to_owned(),
        )),
        extensions: extensions.collect(),
        ..node
    }
}
