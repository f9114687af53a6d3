//! Route configurations.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::time::Duration;

use support::{context, paths, proto};
use weft_proto::envoy::config::route::v3::RouteConfiguration as Proto;
use weft_tables::convert::{self, Conversion};
use weft_tables::filter::{HttpFilterConfig, PerRoute};
use weft_tables::route::{Action, Forward, HostRewrite, PathRewrite, RouteConfig, Target, TemplatePart};

fn config(yaml: &str) -> Conversion<RouteConfig> {
    convert::route_config(&proto::<Proto>(yaml), &context())
}

/// A configuration with one route of that action.
fn action(yaml: &str) -> Conversion<RouteConfig> {
    config(&format!(
        "{{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {yaml}}}]}}]}}"
    ))
}

fn forward(config: &RouteConfig) -> &Forward {
    match &config.virtual_hosts[0].routes[0].action {
        Action::Forward(forward) => forward,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_route_has_the_defaults_of_envoy() {
    let (config, findings) = action("{cluster: anything}").unwrap();
    assert_eq!(findings, [], "RDS does not ask whether clusters exist");
    let forward = forward(&config);
    assert!(matches!(&forward.target, Target::Cluster(name) if &**name == "anything"));
    assert_eq!(forward.timeout, Some(Duration::from_secs(15)));
    assert_eq!(forward.idle_timeout, None);
    assert_eq!(forward.cluster_not_found, 503);
    assert!(forward.retry.is_none() && !forward.high_priority && forward.path_rewrite.is_none());
    assert!(config.virtual_hosts[0].routes[0].matches.case_sensitive);
}

#[test]
fn clusters_are_looked_for_where_that_is_asked() {
    let yaml = |validate| {
        format!(
            "{{name: r, validate_clusters: {validate}, virtual_hosts: [{{name: v, domains: ['*'], routes: \
             [{{match: {{prefix: /}}, route: {{cluster: missing}}}}]}}]}}"
        )
    };
    assert!(config(&yaml(false)).is_ok());
    let findings = config(&yaml(true)).unwrap_err();
    assert_eq!(paths(&findings), ["virtual_hosts[0].routes[0].route.cluster"]);
    assert_eq!(
        findings[0].to_string(),
        "refused: RouteConfiguration \"r\" at virtual_hosts[0].routes[0].route.cluster: \
         there is no cluster \"missing\""
    );
}

#[test]
fn zero_takes_a_timeout_away() {
    let (config, _) = action(
        "{cluster: a, timeout: 0s, retry_policy: {retry_on: '5xx, connect-failure', per_try_timeout: 0s}}",
    )
    .unwrap();
    assert_eq!(forward(&config).timeout, None);
    let retry = forward(&config).retry.as_deref().unwrap();
    assert!(retry.on.any_5xx && retry.on.connect_failure && !retry.on.gateway_error);
    assert_eq!((retry.attempts, retry.per_try_timeout), (1, None));
    assert_eq!(retry.back_off_base, Duration::from_millis(25));
    assert_eq!(retry.back_off_max, Duration::from_millis(250));
}

#[test]
fn actions_are_read_in_full() {
    let (config, findings) = action(
        "
        {weighted_clusters: {clusters: [{name: a, weight: 90}, {cluster_header: X-Cluster, weight: 10, host_rewrite_literal: h}]},
        regex_rewrite: {pattern: {regex: '^/a/(.*)'}, substitution: '/b/\\1'},
        host_rewrite_header: X-Host,
        priority: HIGH,
        max_grpc_timeout: 3s,
        request_mirror_policies: [{cluster: b, runtime_fraction: {default_value: {numerator: 5, denominator: TEN_THOUSAND}}}],
        hash_policy: [{header: {header_name: X-Key}, terminal: true}, {connection_properties: {source_ip: false}}],
        upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}],
        internal_redirect_policy: {redirect_response_codes: [200, 307]},
        metadata_match: {filter_metadata: {envoy.lb: {version: v2}}}}
        ",
    )
    .unwrap();
    assert_eq!(findings, []);
    let forward = forward(&config);
    let Target::Weighted { clusters, total, .. } = &forward.target else { panic!() };
    assert_eq!((*total, clusters[1].header.as_deref()), (100, Some("x-cluster")));
    assert!(matches!(&forward.path_rewrite, Some(PathRewrite::Regex(_, to)) if &**to == "/b/\\1"));
    assert!(matches!(&forward.host_rewrite, Some(HostRewrite::Header(name)) if &**name == "x-host"));
    assert_eq!(forward.max_grpc_timeout, Some(Duration::from_secs(3)));
    assert_eq!((forward.mirrors[0].fraction.numerator, forward.mirrors[0].fraction.denominator), (5, 10_000));
    assert_eq!(forward.hash_policies.len(), 1, "one that asks for nothing is left out");
    assert!(forward.upgrades[0].terminate_connect && forward.upgrades[0].enabled);
    assert_eq!(forward.internal_redirects.as_ref().unwrap().statuses, [307]);
    assert!(forward.subset.contains_key("version") && forward.high_priority);
}

#[test]
fn domains_are_indexed_by_kind_in_lower_case() {
    let (config, _) = config(
        "{name: r, virtual_hosts: [
           {name: a, domains: [A.com, '*.B.com', '*.c.b.com', 'd.*', 'd.e.*']},
           {name: b, domains: ['*']}]}",
    )
    .unwrap();
    let domains = &config.domains;
    assert_eq!(domains.exact.get("a.com"), Some(&0));
    assert_eq!(domains.suffixes.entries(), [(".c.b.com", 0), (".b.com", 0)], "longest first");
    assert_eq!(domains.prefixes.entries(), [("d.e.", 0), ("d.", 0)]);
    assert_eq!(domains.any, Some(1));
}

#[test]
fn settings_of_filters_say_what_a_route_wants() {
    let (config, findings) = config(
        "
name: r
virtual_hosts:
- name: v
  domains: ['*']
  cors: {allow_methods: GET}
  typed_per_filter_config:
    d: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}
    e: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}
    f: {'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 503, percentage: {numerator: 100}}}
    r: {'@type': type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute}
",
    )
    .unwrap();
    assert_eq!(findings, []);
    let found = &config.virtual_hosts[0].per_filter;
    let names: Vec<&str> = found.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["d", "e", "f", "r", "envoy.filters.http.cors"], "the old cors field joins them");
    assert!(matches!(found[0].1, PerRoute::Disabled));
    assert!(matches!(found[1].1, PerRoute::Enabled));
    assert!(matches!(found[2].1, PerRoute::Config(HttpFilterConfig::Fault(_))));
    assert!(matches!(found[3].1, PerRoute::Disabled), "no rules of its own: free of those of the chain");
}

#[test]
fn header_values_are_parsed_once() {
    let (config, _) = config(
        "{name: r, request_headers_to_add: [{header: {key: X-A, value: '%REQ(x?y):5% %%'}, append_action: ADD_IF_ABSENT}]}",
    )
    .unwrap();
    let mutation = &config.headers.request[0];
    assert_eq!(&*mutation.name, "x-a");
    assert_eq!(
        mutation.value.0,
        [
            TemplatePart::Operator { name: "REQ".into(), argument: "x?y".into(), limit: Some(5) },
            TemplatePart::Text(" %".into()),
        ]
    );
}

#[test]
fn the_object_behind_a_route_is_known() {
    let (config, findings) = config(
        "
name: r
virtual_hosts:
- name: v
  domains: ['*']
  routes:
  - match: {prefix: /}
    direct_response: {status: 204}
    metadata: {filter_metadata: {weft.dev: {kind: VirtualService, namespace: default, name: reviews, field: 'spec.http[0]', generation: 7}, istio: {config: x}}}
",
    )
    .unwrap();
    assert_eq!(findings, []);
    let route = &config.virtual_hosts[0].routes[0];
    let object = route.provenance.as_deref().unwrap();
    assert_eq!(object.to_string(), "VirtualService/default/reviews:spec.http[0]");
    assert_eq!(object.generation, 7);
    assert_eq!(route.metadata.keys().map(|k| &**k).collect::<Vec<_>>(), ["istio"]);
}
