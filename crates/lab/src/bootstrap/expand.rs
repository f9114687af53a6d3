//! The `$macros`: short forms for what nearly every world repeats. What comes out is an ordinary
//! Envoy bootstrap (`cargo xtask oracle --print WORLD` shows it).
//!
//! | macro | stands for |
//! |---|---|
//! | `$listener: NAME` in a listener | `name` and `address` |
//! | `$http: {…}` in a listener or filter chain | one HttpConnectionManager, with access log and router |
//! | `$tcp: {…}` there | one TcpProxy, with access log |
//! | `$filters: [{$http: …}, …]` there | several network filters |
//! | `$tls: {…}` there, or in a cluster | transport socket with this DownstreamTlsContext (UpstreamTlsContext) |
//! | `$routes: […]` in `$http` | a route config with one virtual host for every domain |
//! | `$vhosts: […]` in `$http` | a route config with these virtual hosts, and what else `route_config` says |
//! | `$fault: {…}` and others in `http_filters` | that filter with its type URL |
//! | `$cluster: NAME` in a cluster | `name`, STATIC, connect timeout 1 s, endpoints `[NAME]` |
//! | `$to: [a, {backend: b, weight: 2}]` there | endpoints |
//! | `$h2: true` there | HTTP/2 upstream |

use super::LOG_FIELDS;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

type Tree = Map<String, Value>;

/// Expands all macros of a world's bootstrap and adds the admin listener.
///
/// # Errors
/// When a macro is used where it has no meaning.
pub fn expand(bootstrap: &Value) -> Result<Value> {
    let mut root = bootstrap.as_object().context("bootstrap is not a map")?.clone();
    let mut resources = match root.remove("static_resources") {
        Some(Value::Object(map)) => map,
        _ => Tree::new(),
    };
    for key in ["listeners", "clusters", "secrets"] {
        if let Some(value) = root.remove(key) {
            resources.insert(key.into(), value);
        }
    }
    for listener in items(&mut resources, "listeners") {
        expand_listener(listener)?;
    }
    for cluster in items(&mut resources, "clusters") {
        expand_cluster(cluster)?;
    }
    root.insert("static_resources".into(), Value::Object(resources));
    root.entry("admin").or_insert_with(|| json!({"address": socket_address("{{listener:admin}}")}));
    root.entry("node").or_insert_with(|| json!({"id": "lab", "cluster": "lab"}));
    Ok(Value::Object(root))
}

fn items<'a>(map: &'a mut Tree, key: &str) -> impl Iterator<Item = &'a mut Tree> {
    map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn socket_address(port: &str) -> Value {
    json!({"socket_address": {"address": "{{host}}", "port_value": port}})
}

fn typed(name: &str, message: &str, config: Value) -> Value {
    let mut config = match config {
        Value::Object(map) => map,
        _ => Tree::new(),
    };
    config.insert("@type".into(), format!("type.googleapis.com/{message}").into());
    json!({"name": name, "typed_config": config})
}

fn expand_listener(listener: &mut Tree) -> Result<()> {
    if let Some(name) = listener.remove("$listener") {
        let name = name.as_str().context("$listener is not a text")?.to_owned();
        listener.entry("address").or_insert_with(|| socket_address(&format!("{{{{listener:{name}}}}}")));
        listener.entry("name").or_insert(name.into());
    }
    let mut chain = Tree::new();
    for key in ["$http", "$tcp", "$tls", "$filters"] {
        if let Some(value) = listener.remove(key) {
            chain.insert(key.into(), value);
        }
    }
    if !chain.is_empty() {
        listener.insert("filter_chains".into(), json!([chain]));
    }
    for chain in items(listener, "filter_chains") {
        expand_chain(chain)?;
    }
    if let Some(chain) = listener.get_mut("default_filter_chain").and_then(Value::as_object_mut) {
        expand_chain(chain)?;
    }
    Ok(())
}

fn expand_chain(chain: &mut Tree) -> Result<()> {
    if let Some(tls) = chain.remove("$tls") {
        let message = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
        chain.insert("transport_socket".into(), typed("envoy.transport_sockets.tls", message, tls));
    }
    let mut filters = match chain.remove("$filters") {
        Some(Value::Array(filters)) => filters,
        _ => Vec::new(),
    };
    for key in ["$http", "$tcp"] {
        if let Some(config) = chain.remove(key) {
            filters.push(json!({ key: config }));
        }
    }
    if !filters.is_empty() {
        let filters = filters.into_iter().map(network_filter).collect::<Result<Vec<_>>>()?;
        chain.insert("filters".into(), filters.into());
    }
    Ok(())
}

fn network_filter(mut filter: Value) -> Result<Value> {
    let Some(map) = filter.as_object_mut() else { bail!("a filter is not a map: {filter}") };
    if let Some(Value::Object(config)) = map.remove("$http") {
        return http(config);
    }
    if let Some(Value::Object(mut config)) = map.remove("$tcp") {
        config.entry("stat_prefix").or_insert("tcp".into());
        config.entry("access_log").or_insert_with(access_log);
        let message = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
        return Ok(typed("envoy.filters.network.tcp_proxy", message, config.into()));
    }
    Ok(filter)
}

fn http(mut config: Tree) -> Result<Value> {
    if let Some(routes) = config.remove("$routes") {
        config.insert("$vhosts".into(), json!([{"name": "all", "domains": ["*"], "routes": routes}]));
    }
    if let Some(hosts) = config.remove("$vhosts") {
        let routes = config.entry("route_config").or_insert_with(|| json!({}));
        routes["virtual_hosts"] = hosts;
        if routes.get("name").is_none() {
            routes["name"] = "routes".into();
        }
    }
    let mut filters = Vec::new();
    if let Some(Value::Array(listed)) = config.remove("http_filters") {
        filters = listed.into_iter().map(http_filter).collect::<Result<Vec<_>>>()?;
    }
    if !filters.iter().any(|filter| filter["name"] == "envoy.filters.http.router") {
        let message = "envoy.extensions.filters.http.router.v3.Router";
        filters.push(typed("envoy.filters.http.router", message, json!({})));
    }
    config.insert("http_filters".into(), filters.into());
    config.entry("stat_prefix").or_insert("ingress".into());
    config.entry("access_log").or_insert_with(access_log);
    let message = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    Ok(typed("envoy.filters.network.http_connection_manager", message, config.into()))
}

/// HTTP filters that have a macro: its name, the filter's name and its message.
const HTTP_FILTERS: [(&str, &str, &str); 8] = [
    ("$fault", "envoy.filters.http.fault", "fault.v3.HTTPFault"),
    ("$cors", "envoy.filters.http.cors", "cors.v3.Cors"),
    ("$rbac", "envoy.filters.http.rbac", "rbac.v3.RBAC"),
    ("$grpc_stats", "envoy.filters.http.grpc_stats", "grpc_stats.v3.FilterConfig"),
    ("$header_mutation", "envoy.filters.http.header_mutation", "header_mutation.v3.HeaderMutation"),
    ("$health_check", "envoy.filters.http.health_check", "health_check.v3.HealthCheck"),
    ("$buffer", "envoy.filters.http.buffer", "buffer.v3.Buffer"),
    ("$router", "envoy.filters.http.router", "router.v3.Router"),
];

fn http_filter(mut filter: Value) -> Result<Value> {
    let Some(map) = filter.as_object_mut() else { bail!("an http filter is not a map: {filter}") };
    for (key, name, message) in HTTP_FILTERS {
        if let Some(config) = map.remove(key) {
            return Ok(typed(name, &format!("envoy.extensions.filters.http.{message}"), config));
        }
    }
    Ok(filter)
}

fn access_log() -> Value {
    let fields: Vec<&str> = LOG_FIELDS.iter().map(|(_, operator)| *operator).collect();
    let format = json!({"text_format_source": {"inline_string": format!("{}\n", fields.join("\t"))}});
    let message = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
    json!([typed("envoy.access_loggers.file", message, json!({"path": "{{log}}", "log_format": format}))])
}

fn expand_cluster(cluster: &mut Tree) -> Result<()> {
    if let Some(name) = cluster.remove("$cluster") {
        let endpoints = cluster.remove("$to").unwrap_or_else(|| json!([name]));
        cluster.entry("type").or_insert("STATIC".into());
        cluster.entry("connect_timeout").or_insert("1s".into());
        if !cluster.contains_key("load_assignment") && cluster["type"] != "ORIGINAL_DST" {
            let endpoints = endpoints.as_array().context("$to is not a list")?;
            let endpoints = endpoints.iter().map(endpoint).collect::<Result<Vec<_>>>()?;
            cluster.insert(
                "load_assignment".into(),
                json!({"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}),
            );
        }
        cluster.entry("name").or_insert(name);
    }
    expand_localities(cluster)?;
    if cluster.remove("$h2").is_some_and(|on| on == true) {
        let options = json!({
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        });
        let all = cluster.entry("typed_extension_protocol_options").or_insert_with(|| json!({}));
        all["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"] = options;
    }
    if let Some(tls) = cluster.remove("$tls") {
        let message = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
        cluster.insert("transport_socket".into(), typed("envoy.transport_sockets.tls", message, tls));
    }
    Ok(())
}

/// `$to` inside a locality of a written-out load assignment.
fn expand_localities(cluster: &mut Tree) -> Result<()> {
    let Some(assignment) = cluster.get_mut("load_assignment").and_then(Value::as_object_mut) else {
        return Ok(());
    };
    for locality in items(assignment, "endpoints") {
        if let Some(Value::Array(to)) = locality.remove("$to") {
            let endpoints = to.iter().map(endpoint).collect::<Result<Vec<_>>>()?;
            locality.insert("lb_endpoints".into(), endpoints.into());
        }
    }
    Ok(())
}

/// An endpoint: a backend's name, `closed`, or a map with `backend` and fields of LbEndpoint; `weight`
/// is short for `load_balancing_weight`, and `hostname` belongs to the Endpoint inside.
fn endpoint(value: &Value) -> Result<Value> {
    let (name, mut rest) = match value {
        Value::String(name) => (name.clone(), Tree::new()),
        Value::Object(map) => {
            let mut map = map.clone();
            let name = map.remove("backend").context("an endpoint needs a backend")?;
            (name.as_str().context("backend is not a text")?.to_owned(), map)
        }
        other => bail!("not an endpoint: {other}"),
    };
    let port = if name == "closed" { "{{closed}}".to_owned() } else { format!("{{{{backend:{name}}}}}") };
    if let Some(weight) = rest.remove("weight") {
        rest.insert("load_balancing_weight".into(), weight);
    }
    let mut endpoint = json!({"address": socket_address(&port)});
    if let Some(hostname) = rest.remove("hostname") {
        endpoint["hostname"] = hostname;
    }
    rest.insert("endpoint".into(), endpoint);
    Ok(rest.into())
}
