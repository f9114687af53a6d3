//! Which counters Envoy keeps, and which parts of their names are labels.

use serde_json::{Value as Json, json};

/// Counters kept by default, as Istio does: an Envoy in a large mesh would else spend most of its memory
/// on counters of clusters that nobody calls.
const PREFIXES: &[&str] = &[
    "reporter=",
    "istio",
    "cluster_manager",
    "listener_manager",
    "server",
    "cluster.xds-grpc",
    "cluster.sds-grpc",
    "component",
    "wasm",
];
const SUFFIXES: &[&str] = &[
    "rbac.allowed",
    "rbac.denied",
    "shadow_allowed",
    "shadow_denied",
    "downstream_cx_active",
    "downstream_rq_active",
];

/// Labels by the names that Istio gives them; first group: what is cut out of the name; second: the value.
///
/// Names of clusters and prefixes of connection managers hold hosts and addresses, and so dots: they end
/// where a counter's own name begins.
const TAGS: &[(&str, &str)] = &[
    (
        "cluster_name",
        r"^cluster\.((.+?);?\.)(?:upstream_|circuit_breakers\.|membership_|lb_|ssl\.|http[123]\.|outlier_detection\.|assignment_|update_|bind_errors|max_host_weight|original_dst_host_invalid|retry_or_shadow_abandoned|client_ssl_socket_factory\.|init_fetch_timeout|version$|version_text$|warming_state$|(?:internal|external|canary)\.upstream_)",
    ),
    ("tcp_prefix", r"^tcp\.((.*?)\.)\w+?$"),
    ("response_code", r"_rq(_(\d{3}))$"),
    ("response_code_class", r"_rq(_(\dxx))$"),
    (
        "http_conn_manager_prefix",
        r"^http\.((.+?);?\.)(?:downstream_|no_route$|no_cluster$|rq_|rs_too_large$|tracing\.|rbac\.|ext_authz\.|fault\.|passthrough_internal_redirect)",
    ),
    ("listener_address", r"^listener\.(([0-9a-fA-F._\[\]:]+?)\.)(?:http\.|worker_|[a-z])"),
];

/// Envoy's `stats_config`; `matcher` is Istio's `proxyStatsMatcher` and adds to the default.
pub(super) fn config(matcher: Option<&Json>) -> Json {
    let added = |key: &str| {
        let list = matcher.and_then(|matcher| matcher.get(key)).and_then(Json::as_array);
        list.cloned().unwrap_or_default()
    };
    let mut patterns = Vec::new();
    patterns.extend(PREFIXES.iter().map(|prefix| json!({"prefix": prefix})));
    patterns.extend(SUFFIXES.iter().map(|suffix| json!({"suffix": suffix})));
    patterns.extend(added("inclusionPrefixes").into_iter().map(|prefix| json!({"prefix": prefix})));
    patterns.extend(added("inclusionSuffixes").into_iter().map(|suffix| json!({"suffix": suffix})));
    patterns
        .extend(added("inclusionRegexps").into_iter().map(|regex| json!({"safe_regex": {"regex": regex}})));
    let tags: Vec<Json> =
        TAGS.iter().map(|(name, regex)| json!({"tag_name": name, "regex": regex})).collect();
    json!({
        "use_all_default_tags": false,
        "stats_tags": tags,
        "stats_matcher": {"inclusion_list": {"patterns": patterns}},
    })
}
