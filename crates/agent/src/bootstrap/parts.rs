//! Clusters and listeners that never change.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value as Json, json};

/// Most requests and connections toward the agent: streams that live long, one a secret.
const AGENT_LIMIT: u32 = 100_000;

/// A TCP address.
pub(super) fn tcp(address: SocketAddr) -> Json {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

/// Listeners and clusters over ADS, delta, from the agent.
pub(super) fn discovery() -> Json {
    let ads = json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
    json!({
        "lds_config": ads,
        "cds_config": ads,
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "set_node_on_first_message_only": true,
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
        },
    })
}

/// A cluster of one address.
pub(super) fn cluster(name: &str, address: &Json) -> Json {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.250s",
        "lb_policy": "ROUND_ROBIN",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    })
}

/// A gRPC service on a Unix socket.
pub(super) fn grpc_cluster(name: &str, socket: &Path) -> Json {
    let mut cluster = cluster(name, &json!({"pipe": {"path": socket.to_string_lossy()}}));
    let thresholds = |priority: &str| {
        json!({
            "priority": priority,
            "max_connections": AGENT_LIMIT,
            "max_pending_requests": AGENT_LIMIT,
            "max_requests": AGENT_LIMIT,
        })
    };
    let more = json!({
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [thresholds("DEFAULT"), thresholds("HIGH")]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
    });
    if let (Some(cluster), Json::Object(more)) = (cluster.as_object_mut(), more) {
        cluster.extend(more);
    }
    cluster
}

/// A listener that passes one path on to a cluster, and nothing else.
pub(super) fn listener(name: &str, address: SocketAddr, path: &str, cluster: &str) -> Json {
    json!({
        "name": format!("{}_{}", address.ip(), address.port()),
        "address": tcp(address),
        "ignore_global_conn_limit": true,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "codec_type": "AUTO",
                "route_config": {"virtual_hosts": [{
                    "name": "backend",
                    "domains": ["*"],
                    "routes": [{"match": {"path": path}, "route": {"cluster": cluster}}],
                }]},
                "http_filters": [{
                    "name": "envoy.filters.http.router",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    },
                }],
            },
        }]}],
    })
}
