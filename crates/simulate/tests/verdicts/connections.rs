//! Chains, network filters and opaque connections.

use crate::world::{World, cluster, get, http, network, routes, tables};
use weft_simulate::{Call, Outcome, Verdict};
use weft_types::RequestHead;

const TLS_INSPECTOR: &str = "listener_filters: [{name: t, typed_config: {
    '@type': type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}],";

fn tcp(target: &str) -> String {
    network(&format!(
        "'@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, {target}"
    ))
}

fn why(verdict: &Verdict) -> &str {
    match &verdict.outcome {
        Outcome::Closed(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_listeners_and_unmatched_chains_close() {
    let chains = format!(
        "filter_chains: [{{name: far, filter_chain_match: {{source_prefix_ranges: [{{address_prefix: 10.0.0.0, prefix_len: 8}}]}}, {}}}]",
        http(&routes("{match: {prefix: /}, route: {cluster: a}}"))
    );
    let mut world = World::new(&tables(&chains, &[cluster("a", &[1], "")]));
    let verdict = world.get("/", &[]);
    assert_eq!(
        (why(&verdict), verdict.flags.to_string(), verdict.chain.is_none()),
        ("filter_chain_not_found", "NR".to_owned(), true)
    );
    let mut call = get("/", &[]);
    call.source = "10.1.2.3:9".parse().ok();
    let verdict = world.call(&call);
    assert_eq!((verdict.chain.as_deref(), verdict.status()), (Some("far"), Some(200)));
    call.listener = "other".to_owned();
    assert_eq!(why(&world.call(&call)), "no listener of that name");
}

#[test]
fn server_names_choose_only_where_they_are_looked_at() {
    let chain = |name: &str, matcher: &str, cluster: &str| {
        format!(
            "{{name: {name}, filter_chain_match: {{{matcher}}}, {}}}",
            tcp(&format!("cluster: {cluster}"))
        )
    };
    let chains = format!(
        "filter_chains: [{}, {}, {}]",
        chain("exact", "server_names: [a.test]", "a"),
        chain("suffix", "server_names: ['*.test']", "b"),
        chain("plain", "", "c"),
    );
    let clusters = ["a", "b", "c"].map(|name| cluster(name, &[1], ""));
    let to = |listener: &str, name: &str| {
        let call = Call { tls: true, server_name: Some(name.to_owned()), ..Call::tcp("main") };
        World::new(&tables(listener, &clusters)).call(&call).cluster().map(str::to_owned)
    };
    let looking = format!("{TLS_INSPECTOR} {chains}");
    assert_eq!(to(&looking, "a.test").as_deref(), Some("a"));
    assert_eq!(to(&looking, "A.Test").as_deref(), Some("a"));
    assert_eq!(to(&looking, "b.test").as_deref(), Some("b"));
    assert_eq!(to(&looking, "other").as_deref(), Some("c"));
}

#[test]
fn opaque_bytes_go_by_weight() {
    let weighted = "weighted_clusters: {clusters: [{name: a, weight: 3}, {name: b, weight: 1}]}";
    let listener = format!("filter_chains: [{{{}}}]", tcp(weighted));
    let mut world = World::new(&tables(&listener, &[cluster("a", &[1], ""), cluster("b", &[2], "")]));
    let to_a = (0..1000).filter(|_| world.call(&Call::tcp("main")).cluster() == Some("a")).count();
    assert!((700..800).contains(&to_a), "{to_a}");
    let verdict = world.call(&Call::tcp("main"));
    assert!(verdict.seen().is_none() && verdict.status().is_none() && verdict.host().is_some());
}

#[test]
fn opaque_bytes_without_a_host_are_closed() {
    let close = |target: &str| {
        let listener = format!("filter_chains: [{{{}}}]", tcp(target));
        let verdict = World::new(&tables(&listener, &[cluster("empty", &[], "")])).call(&Call::tcp("main"));
        (why(&verdict).to_owned(), verdict.flags.to_string())
    };
    assert_eq!(close("cluster: empty"), ("no healthy upstream".to_owned(), "UH".to_owned()));
    assert_eq!(close("cluster: nowhere"), ("cluster_not_found".to_owned(), "NC".to_owned()));
}

#[test]
fn network_policies_judge_the_connection() {
    let rbac = "{name: r, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC, stat_prefix: r,
        rules: {action: ALLOW, policies: {friends: {permissions: [{destination_port: 8080}], principals: [
           {authenticated: {principal_name: {exact: 'spiffe://td/ns/a/sa/b'}}}, {source_ip: {address_prefix: 10.0.0.0, prefix_len: 8}}]}}}}}";
    let chain = tcp("cluster: a").replacen("filters: [", &format!("filters: [{rbac}, "), 1);
    let mut world = World::new(&tables(&format!("filter_chains: [{{{chain}}}]"), &[cluster("a", &[1], "")]));
    let mut call = Call::tcp("main");
    assert_eq!(why(&world.call(&call)), "rbac_access_denied");
    call.source = "10.0.0.9:1".parse().ok();
    assert_eq!(world.call(&call).cluster(), Some("a"));
    call.destination = "192.0.2.1:9".parse().ok();
    assert_eq!(why(&world.call(&call)), "rbac_access_denied");
    let friend = Call { tls: true, peer_uris: vec!["spiffe://td/ns/a/sa/b".to_owned()], ..Call::tcp("main") };
    assert_eq!(world.call(&friend).cluster(), Some("a"));
}

#[test]
fn transports_must_agree() {
    let mut world = World::of(&routes("{match: {prefix: /}, route: {cluster: a}}"));
    let call = Call::https("main", "x.test", RequestHead::get("x.test", "/"));
    assert_eq!(why(&world.call(&call)), "TLS to a chain of plaintext");
    assert_eq!(why(&world.call(&Call::tcp("main"))), "not HTTP");
}
