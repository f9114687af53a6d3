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
/// A cluster's name in Istio's form ends with its host, which has dots itself: known suffixes end it.
const TAGS: &[(&str, &str)] = &[
    ("cluster_name", r"^cluster\.((([^.|]*\|[^.;]*?[^;]*?(\.svc\.cluster\.local|;|\|\|))|[^.]+?)\.)"),
    ("tcp_prefix", r"^tcp\.((.*?)\.)\w+?$"),
    ("response_code", r"_rq(_(\d{3}))$"),
    ("response_code_class", r"_rq(_(\dxx))$"),
    (
        "http_conn_manager_prefix",
        r"^http\.((((outbound|inbound)_[0-9a-fA-F.:\[\]]+_{1,2}[0-9]*)|[^.]+?)[.;])",
    ),
    ("listener_address", r"^listener\.(([0-9a-fA-F._\[\]:]+?)\.)"),
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
