//! What is wrong with a text is told completely, with path, line and column.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::core::v3::transport_socket::ConfigType;
use weft_proto::text::{self, Problem, ProblemKind, Severity};

fn told(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn cluster(yaml: &str) -> Vec<String> {
    told(&text::parse_yaml::<Cluster>(yaml).problems)
}

#[test]
fn all_problems_of_a_bootstrap_are_told_and_the_rest_is_kept() {
    let yaml = r#"
static_resources:
  listeners:
  - name: one
    adress: {}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: 15
          route_config:
            virtual_hosts:
            - domains: ["*"]
              routes:
              - match: { prefix: /, path: /x }
                route: { clustre: a, timeout: 5 }
  clusters:
  - name: a
    connect_timeout: 1 minute
    lb_policy: LEAST_REQUESTS
    type: STATIC
    metadata: { filter_metadata: { a.b: [] } }
"#;
    let parsed = text::parse_yaml::<Bootstrap>(yaml);
    assert_eq!(
        told(&parsed.problems),
        [
            "line 5, column 5: static_resources.listeners[0].adress: unknown field of \
             envoy.config.listener.v3.Listener; did you mean address?",
            "line 11, column 24: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.stat_prefix: \
             expected text, found number 15 (quote it if text is meant)",
            "line 16, column 37: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config\
             .virtual_hosts[0].routes[0].match.path: cannot be set together with prefix",
            "line 17, column 26: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config\
             .virtual_hosts[0].routes[0].route.clustre: unknown field of envoy.config.route.v3.RouteAction; \
             did you mean cluster?",
            "line 17, column 47: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config\
             .virtual_hosts[0].routes[0].route.timeout: expected duration such as 1.5s, \
             found number 5 (quote it if text is meant)",
            "line 20, column 22: static_resources.clusters[0].connect_timeout: \
             not a valid duration such as 1.5s: \"1 minute\"",
            "line 21, column 16: static_resources.clusters[0].lb_policy: unknown value \"LEAST_REQUESTS\" of \
             envoy.config.cluster.v3.Cluster.LbPolicy; did you mean LEAST_REQUEST?",
            "line 23, column 41: static_resources.clusters[0].metadata.filter_metadata[\"a.b\"]: \
             expected an object, found a list",
        ]
    );
    let resources = parsed.message.static_resources.clone().unwrap();
    assert_eq!((resources.listeners[0].name.as_str(), resources.clusters[0].name.as_str()), ("one", "a"));
    assert_eq!(parsed.accepted().unwrap_err().0.len(), 8);
}

#[test]
fn values_that_envoy_refuses_are_refused() {
    for (yaml, problem) in [
        (
            "per_connection_buffer_limit_bytes: -1",
            "not a valid uint32: number -1 (quote it if text is meant)",
        ),
        (
            "per_connection_buffer_limit_bytes: 4294967296",
            "not a valid uint32: number 4294967296 (quote it if text is meant)",
        ),
        ("per_connection_buffer_limit_bytes: 1.5", "expected uint32, found \"1.5\""),
        ("per_connection_buffer_limit_bytes: 1_000", "expected uint32, found \"1_000\""),
        (
            "per_connection_buffer_limit_bytes: 99999999999999999999999",
            "not a valid uint32: \"99999999999999999999999\"",
        ),
        ("per_connection_buffer_limit_bytes: 1e999999999", "expected uint32, found \"1e999999999\""),
        (
            "per_connection_buffer_limit_bytes: true",
            "expected uint32, found bool true (quote it if text is meant)",
        ),
        ("ignore_health_on_host_removal: 1", "expected bool, found number 1 (quote it if text is meant)"),
        ("ignore_health_on_host_removal: [true]", "expected bool, found a list"),
        ("alt_stat_name: no", "expected text, found bool false (quote it if text is meant)"),
        ("lb_policy: true", "expected an enum value, found bool true (quote it if text is meant)"),
        ("circuit_breakers: []", "expected an object, found a list"),
        ("circuit_breakers: x", "expected an object, found \"x\""),
        ("typed_extension_protocol_options: []", "expected a map, found a list"),
        ("connect_timeout: 315576000001s", "not a valid duration such as 1.5s: \"315576000001s\""),
    ] {
        let [told] = cluster(yaml).try_into().unwrap();
        assert!(told.ends_with(problem), "{yaml}: {told}");
    }
}

#[test]
fn bytes_must_be_base64() {
    let yaml = "health_checks: [{tcp_health_check: {receive: [{binary: 'a!'}]}}]";
    assert_eq!(
        cluster(yaml),
        [
            "line 1, column 56: health_checks[0].tcp_health_check.receive[0].binary: not a valid base64 text: \"a!\""
        ]
    );
}

#[test]
fn a_key_that_stands_twice_is_a_warning_and_the_last_one_counts() {
    let parsed = text::parse_yaml::<Cluster>("name: a\nname: b\nconnectTimeout: 1s\nconnect_timeout: 2s");
    assert_eq!(
        told(&parsed.problems),
        [
            "line 1, column 1: name: duplicate key; the last one is used",
            "line 4, column 1: connect_timeout: duplicate key; the last one is used",
        ]
    );
    assert!(parsed.problems.iter().all(|problem| problem.severity() == Severity::Warning));
    let message = parsed.accepted().unwrap();
    assert_eq!(
        (message.name.as_str(), message.connect_timeout.map(|timeout| timeout.seconds)),
        ("b", Some(2))
    );
}

#[test]
fn an_unknown_type_is_told_and_kept_with_its_text() {
    let parsed = text::parse_yaml::<Cluster>(
        "transport_socket: {name: t, typed_config: {'@type': type.googleapis.com/foo.Bar, a: [1, yes], b: {}}}",
    );
    assert_eq!(
        parsed.problems[0].kind,
        ProblemKind::UnknownType { type_url: "type.googleapis.com/foo.Bar".to_owned() }
    );
    assert_eq!(
        (parsed.problems.len(), parsed.problems[0].path.as_str()),
        (1, "transport_socket.typed_config")
    );
    let Some(ConfigType::TypedConfig(any)) =
        parsed.message.transport_socket.and_then(|socket| socket.config_type)
    else {
        panic!("no typed_config")
    };
    assert_eq!(any.type_url, "type.googleapis.com/foo.Bar");
    assert_eq!(String::from_utf8(any.value).unwrap(), r#"{"a":[1,true],"b":{}}"#);
}

#[test]
fn an_any_without_a_type_url_is_told() {
    for config in ["{a: 1}", "{'@type': 5}", "{'@type': foo.Bar}", "{'@type': /foo.Bar}", "{'@type': }"] {
        let told = cluster(&format!("transport_socket: {{name: t, typed_config: {config}}}"));
        assert_eq!(told.len(), 1, "{config}");
        assert!(told[0].contains("expected \"@type\""), "{told:?}");
    }
    assert_eq!(cluster("transport_socket: {name: t, typed_config: {}}"), [""; 0]);
}

#[test]
fn syntax_errors_have_a_place() {
    let told_yaml = cluster("name: [a\nb: }");
    assert_eq!(told_yaml.len(), 1);
    assert!(told_yaml[0].starts_with("line 2, column "), "{told_yaml:?}");
    assert!(cluster("name: *missing")[0].starts_with("line 1, column 7"));
    assert!(cluster("? [a]\n: b")[0].contains("cannot be a key"));
    assert!(cluster("a: &a {b: *a}")[0].starts_with("line 1, column 11"));
    let told_json = told(&text::parse_json::<Cluster>("{\"name\": a}").problems);
    assert!(told_json[0].starts_with("line 1, column 10"), "{told_json:?}");
}

#[test]
fn a_text_without_a_message_is_no_message() {
    for yaml in ["", "# only a comment", "null", "[]", "text"] {
        let told = cluster(yaml);
        assert!(told.len() == 1 && told[0].contains("expected an object"), "{yaml}: {told:?}");
    }
    assert_eq!(cluster("{}"), [""; 0]);
}

#[test]
fn a_field_that_only_envoy_has_and_that_has_no_effect_is_a_warning() {
    let parsed = text::parse_yaml::<Cluster>("health_checks: [{name: one, timeout: 1s}]");
    assert_eq!(told(&parsed.problems), ["line 1, column 18: health_checks[0].name: has no effect"]);
    assert!(parsed.accepted().is_ok());
}
