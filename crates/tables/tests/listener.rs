//! Listeners from YAML, as a user writes them.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::net::IpAddr;

use support::{paths, proto};
use weft_proto::envoy::config::listener::v3::Listener as Proto;
use weft_tables::chain::{ConnectionFacts, Terminal};
use weft_tables::convert::{self, Conversion};
use weft_tables::listener::{Listener, ListenerFilter};

const ROUTER: &str = "{name: router, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}";

fn listener(yaml: &str) -> Conversion<Listener> {
    convert::listener(&proto::<Proto>(yaml), &support::context())
}

/// A listener whose chains end in `direct_response` filters that answer the chain's name.
fn chains(chains: &[(&str, &str)]) -> Conversion<Listener> {
    let mut yaml = String::from(
        "{name: l, address: {socket_address: {address: 0.0.0.0, port_value: 1}}, filter_chains: [",
    );
    for (name, criteria) in chains {
        yaml.push_str(&format!(
            "{{name: {name}, filter_chain_match: {criteria}, filters: [{{name: d, typed_config: {{'@type': \
             type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config}}}}]}},"
        ));
    }
    listener(&(yaml + "]}"))
}

/// The name of the chain that a connection gets.
fn found(listener: &Listener, facts: &ConnectionFacts<'_>) -> String {
    listener.chains.find(facts).map(|chain| chain.name.to_string()).unwrap_or_default()
}

fn facts<'a>(destination: &str, server_name: &'a str, protocols: &'a [&'a str]) -> ConnectionFacts<'a> {
    let source: IpAddr = "192.0.2.9".parse().unwrap();
    ConnectionFacts {
        destination: Some((destination.parse().unwrap(), 443)),
        source: Some((source, 5000)),
        direct_source: Some(source),
        server_name,
        transport_protocol: if server_name.is_empty() { "raw_buffer" } else { "tls" },
        application_protocols: protocols,
    }
}

#[test]
fn defaults_are_those_of_envoy() {
    let (listener, findings) = listener(&format!(
        "
name: web
address: {{socket_address: {{address: 127.0.0.1, port_value: 8080}}}}
filter_chains:
- filters:
  - name: hcm
    typed_config:
      '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: ingress
      http_filters: [{ROUTER}]
      rds: {{route_config_name: r, config_source: {{ads: {{}}}}}}
"
    ))
    .unwrap();
    assert_eq!(findings, []);
    assert_eq!(&*listener.stat_prefix, "127.0.0.1:8080");
    assert_eq!(listener.buffer_limit, 1024 * 1024);
    assert_eq!(listener.filters_timeout.unwrap().as_secs(), 15);
    assert!(listener.bind_to_port && listener.reuse_port && !listener.use_original_dst);
    let chain = &listener.chains.chains[0].1;
    let Terminal::Http(manager) = &chain.terminal else { panic!("{chain:?}") };
    assert_eq!(&*manager.server_name, "envoy");
    assert_eq!(manager.stream_idle_timeout.unwrap().as_secs(), 300);
    assert_eq!(manager.idle_timeout.unwrap().as_secs(), 3600);
    assert_eq!(manager.request_timeout, None);
    assert_eq!(manager.drain_timeout.as_secs(), 5);
    assert!(manager.generate_request_id && !manager.normalize_path && !manager.use_remote_address);
    assert_eq!(manager.options.max_headers_kb, 60);
    assert!(manager.router.dynamic_stats);
}

#[test]
fn every_fault_of_a_listener_is_reported_with_its_path() {
    let findings = listener("{name: web, address: {socket_address: {address: localhost, port_value: 8080}}}")
        .unwrap_err();
    assert_eq!(paths(&findings), ["address.socket_address.address"]);

    let findings = listener(&format!(
        "
name: web
freebind: true
drain_type: MODIFY_ONLY
address: {{socket_address: {{address: 127.0.0.1, port_value: 8080}}}}
filter_chains:
- filters:
  - name: hcm
    typed_config:
      '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: ingress
      http_filters: [{{name: lua, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}}}}, {ROUTER}]
      route_config:
        virtual_hosts:
        - name: a
          domains: ['*', 'A.b']
          routes:
          - match: {{prefix: /}}
            route: {{cluster: missing}}
          - match: {{safe_regex: {{regex: '('}}}}
            direct_response: {{status: 99}}
        - name: b
          domains: ['a.B']
"
    ))
    .unwrap_err();
    let hcm = "filter_chains[0].filters[0].typed_config";
    let mut refused: Vec<&str> =
        findings.iter().filter(|f| f.is_refused()).map(|f| f.path.as_str()).collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            format!("{hcm}.http_filters[0].typed_config").as_str(),
            &format!("{hcm}.route_config.virtual_hosts[0].routes[0].route.cluster"),
            &format!("{hcm}.route_config.virtual_hosts[0].routes[1].direct_response.status"),
            &format!("{hcm}.route_config.virtual_hosts[0].routes[1].match.safe_regex.regex"),
            &format!("{hcm}.route_config.virtual_hosts[1].domains[0]"),
            "freebind",
        ]
    );
    let ignored: Vec<&str> = findings.iter().filter(|f| !f.is_refused()).map(|f| f.path.as_str()).collect();
    assert_eq!(ignored, ["drain_type"]);
}

#[test]
fn server_names_go_from_exact_over_the_longest_wildcard_to_none() {
    let (l, _) = chains(&[
        ("exact", "{server_names: [www.example.com]}"),
        ("near", "{server_names: ['*.example.com']}"),
        ("far", "{server_names: ['*.com', '*.org']}"),
        ("none", "{}"),
    ])
    .unwrap();
    assert_eq!(l.filters, [ListenerFilter::TlsInspector], "added, since server names are asked for");
    for (name, want) in [
        ("www.example.com", "exact"),
        ("api.example.com", "near"),
        ("a.b.example.com", "near"),
        ("example.com", "far"),
        ("x.org", "far"),
        ("com", "none"),
        ("", "none"),
    ] {
        assert_eq!(found(&l, &facts("10.0.0.1", name, &[])), want, "{name}");
    }
}

#[test]
fn there_is_no_way_back_from_a_more_specific_criterion() {
    // The longer destination prefix wins first; its chain then asks for an ALPN value that the
    // connection has not, and the shorter one is not tried.
    let (l, _) = chains(&[
        (
            "narrow",
            "{prefix_ranges: [{address_prefix: 10.1.0.0, prefix_len: 16}], application_protocols: [h2]}",
        ),
        ("wide", "{prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}"),
    ])
    .unwrap();
    assert_eq!(found(&l, &facts("10.1.2.3", "a.b", &["h2"])), "narrow");
    assert_eq!(found(&l, &facts("10.1.2.3", "a.b", &["http/1.1"])), "");
    assert_eq!(found(&l, &facts("10.2.2.3", "a.b", &["http/1.1"])), "wide");
    assert_eq!(found(&l, &facts("11.2.2.3", "a.b", &["http/1.1"])), "");
}

#[test]
fn ports_protocols_and_sources_decide() {
    let (l, _) = chains(&[
        ("port", "{destination_port: 443, source_ports: [5000]}"),
        ("port-any", "{destination_port: 443}"),
        ("other", "{destination_port: 80}"),
    ])
    .unwrap();
    assert_eq!(found(&l, &facts("10.0.0.1", "", &[])), "port");
    let from = |source: &str, port| ConnectionFacts {
        source: Some((source.parse().unwrap(), port)),
        ..facts("10.0.0.1", "", &[])
    };
    assert_eq!(found(&l, &from("192.0.2.9", 1)), "port-any");

    let (l, _) = chains(&[
        ("h2", "{application_protocols: [h2]}"),
        ("http", "{application_protocols: [http/1.1, istio]}"),
        ("tls", "{transport_protocol: tls}"),
        ("local", "{transport_protocol: raw_buffer, source_type: SAME_IP_OR_LOOPBACK}"),
        ("external", "{transport_protocol: raw_buffer, source_type: EXTERNAL}"),
    ])
    .unwrap();
    assert_eq!(found(&l, &facts("10.0.0.1", "", &[])), "external");
    assert_eq!(found(&l, &from("127.0.0.1", 1)), "local");
    assert_eq!(found(&l, &from("10.0.0.1", 1)), "local");
    assert_eq!(found(&l, &facts("10.0.0.1", "a.b", &["x"])), "tls");
}

#[test]
fn the_clients_first_protocol_decides() {
    let (l, _) =
        chains(&[("h2", "{application_protocols: [h2]}"), ("http", "{application_protocols: [http/1.1]}")])
            .unwrap();
    assert_eq!(found(&l, &facts("10.0.0.1", "a.b", &["http/1.1", "h2"])), "http");
    assert_eq!(found(&l, &facts("10.0.0.1", "a.b", &["x", "h2", "http/1.1"])), "h2");
}

#[test]
fn chains_that_one_connection_could_match_alike_are_refused() {
    for (a, b) in [
        ("{}", "{}"),
        ("{server_names: [a.b, c.d]}", "{server_names: [c.d]}"),
        ("{server_names: [A.b]}", "{server_names: [a.B]}"),
        (
            "{prefix_ranges: [{address_prefix: 10.9.0.0, prefix_len: 8}]}",
            "{prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}",
        ),
    ] {
        assert_eq!(paths(&chains(&[("a", a), ("b", b)]).unwrap_err()), ["filter_chains[1]"], "{a} {b}");
    }
    for (a, b) in [
        ("{server_names: [a.b]}", "{server_names: ['*.b']}"),
        ("{destination_port: 80}", "{}"),
        ("{source_ports: [1]}", "{source_ports: [2]}"),
    ] {
        assert!(chains(&[("a", a), ("b", b)]).is_ok(), "{a} {b}");
    }
}

#[test]
fn criteria_that_envoy_refuses_are_refused() {
    for (criteria, path) in [
        ("{server_names: ['*']}", "server_names[0]"),
        ("{server_names: [a, 'x.*.com']}", "server_names[1]"),
        ("{destination_port: 70000}", "destination_port"),
        ("{source_ports: [0]}", "source_ports[0]"),
        ("{prefix_ranges: [{address_prefix: a, prefix_len: 8}]}", "prefix_ranges[0].address_prefix"),
        ("{prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 129}]}", "prefix_ranges[0].prefix_len"),
        ("{address_suffix: x}", "address_suffix"),
    ] {
        let findings = chains(&[("a", criteria)]).unwrap_err();
        assert_eq!(paths(&findings), [format!("filter_chains[0].filter_chain_match.{path}")], "{criteria}");
    }
}

#[test]
fn a_filter_is_passed_over_for_some_ports() {
    let filter = |test: &str| {
        format!(
            "name: l\naddress: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}\nfilter_chains: [{{}}]\n\
             listener_filters: [{{name: t, filter_disabled: {test}, typed_config: \
             {{'@type': type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}}}]"
        )
    };
    let one = "destination_port_range: {start: 80, end: 81}";
    let two = "destination_port_range: {start: 90, end: 100}";
    for (test, looked_at) in [
        (format!("{{{one}}}"), vec![79, 81, 90]),
        (format!("{{or_match: {{rules: [{{{one}}}, {{{two}}}]}}}}"), vec![79, 81]),
        (format!("{{not_match: {{{one}}}}}"), vec![80]),
        ("{any_match: true}".to_owned(), vec![]),
    ] {
        let (l, _) = listener(&filter(&test)).unwrap();
        let at = |port: u16| Some(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        let runs = |port: &u16| l.runs(&ListenerFilter::TlsInspector, at(*port));
        assert_eq!([79, 80, 81, 90].into_iter().filter(runs).collect::<Vec<u16>>(), looked_at, "{test}");
    }
    for (test, path) in [
        ("{}", ""),
        ("{any_match: false}", ".any_match"),
        ("{destination_port_range: {start: 2, end: 2}}", ".destination_port_range"),
        ("{or_match: {rules: [{any_match: true}]}}", ".or_match"),
    ] {
        let findings = listener(&filter(test)).unwrap_err();
        assert_eq!(paths(&findings), [format!("listener_filters[0].filter_disabled{path}")], "{test}");
    }
}
