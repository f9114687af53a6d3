//! Network filters: a TCP proxy, or a connection manager with or without Istio's chain.

use super::{Flavor, service};
use crate::bench::spec::{Chain, Spec};
use serde_json::{Map, Value, json};

/// The text log of Istio.
const LOG: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% \
%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";
/// Rules of access before the one that lets the load pass.
const OTHER_RULES: usize = 9;

/// For connections that are not read.
pub(super) fn tcp(direction: &str) -> Value {
    json!([typed(
        "tcp",
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        json!({"stat_prefix": direction, "cluster": "backend"})
    )])
}

/// For HTTP.
pub(super) fn http(spec: &Spec, flavor: Flavor, direction: &str, log: &str) -> Value {
    let istio = spec.chain == Chain::Istio;
    let mut filters = if istio { chain(flavor, direction) } else { Vec::new() };
    filters.push(typed("router", "envoy.extensions.filters.http.router.v3.Router", json!({})));
    let route = if spec.tls {
        json!({"name": "own", "match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}})
    } else {
        json!({"name": "default", "match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "0s"}})
    };
    let mut hosts = vec![json!({"name": "all", "domains": ["*"], "routes": [route]})];
    hosts.extend((0..spec.clusters).map(|n| {
        json!({
            "name": format!("service-{n}"), "domains": [format!("service-{n}.shop.svc.cluster.local")],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": service(n)}}],
        })
    }));
    let mut manager = json!({
        "stat_prefix": direction,
        "http_filters": filters,
        "route_config": {"name": "routes", "virtual_hosts": hosts},
    });
    if istio {
        manager["access_log"] = json!([typed(
            "file",
            "envoy.extensions.access_loggers.file.v3.FileAccessLog",
            json!({"path": log, "log_format": {"text_format_source": {"inline_string": LOG}}})
        )]);
    }
    let manager_type = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    json!([typed("manager", manager_type, manager)])
}

/// Istio's filters in the order of istiod.
fn chain(flavor: Flavor, direction: &str) -> Vec<Value> {
    let ours = flavor == Flavor::Weft;
    let inbound = direction == "INBOUND";
    let mut chain = Vec::new();
    if ours {
        let learn = json!([{"istio_headers": {}}, {"workload_discovery": {}}]);
        let config = if inbound {
            json!({"downstream_discovery": learn, "downstream_propagation": [{"istio_headers": {}}]})
        } else {
            json!({"upstream_discovery": learn, "upstream_propagation": [{"istio_headers": {"skip_external_clusters": true}}]})
        };
        chain.push(typed("istio.metadata_exchange", "io.istio.http.peer_metadata.Config", config));
    }
    if inbound {
        chain.push(typed("rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", access()));
    }
    let grpc_stats = json!({"emit_filter_state": true, "stats_for_all_methods": false});
    chain.push(typed("grpc_stats", "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig", grpc_stats));
    if ours && !inbound {
        let protocol = |name: &str, alpn: &str| json!({"upstream_protocol": name, "alpn_override": [format!("istio-{alpn}"), "istio", alpn]});
        let each = [protocol("HTTP10", "http/1.0"), protocol("HTTP11", "http/1.1"), protocol("HTTP2", "h2")];
        let kind = "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig";
        chain.push(typed("istio.alpn", kind, json!({"alpn_override": each})));
    }
    chain.push(typed("fault", "envoy.extensions.filters.http.fault.v3.HTTPFault", json!({})));
    chain.push(typed("cors", "envoy.extensions.filters.http.cors.v3.Cors", json!({})));
    if ours {
        chain.push(typed("istio.stats", "stats.PluginConfig", json!({})));
    }
    chain
}

/// Ten rules, of which the last, by name and thus by order, lets the load pass.
fn access() -> Value {
    let mut policies = Map::new();
    for n in 0..OTHER_RULES {
        let team = format!("/team-{n}/");
        policies.insert(
            format!("ns[shop]-policy[team-{n}]-rule[0]"),
            json!({
                "permissions": [{"and_rules": {"rules": [
                    {"header": {"name": ":method", "string_match": {"exact": "GET"}}},
                    {"url_path": {"path": {"prefix": team}}},
                ]}}],
                "principals": [{"authenticated": {"principal_name": {"suffix": format!("/sa/team-{n}")}}}],
            }),
        );
    }
    policies.insert(
        "ns[shop]-policy[users]-rule[0]".to_owned(),
        json!({
            "permissions": [{"or_rules": {"rules": [
                {"url_path": {"path": {"exact": "/body"}}}, {"url_path": {"path": {"prefix": "/l"}}}]}}],
            "principals": [{"any": true}],
        }),
    );
    json!({"rules": {"action": "ALLOW", "policies": policies}})
}

fn typed(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/{kind}"));
    json!({"name": name, "typed_config": config})
}
