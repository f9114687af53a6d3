//! Requests through connection managers, routes and clusters.

use crate::world::{World, cluster, field, filter, get, http, routes, seen, tables};
use proptest::prelude::*;
use weft_simulate::{Call, Outcome, simulate};
use weft_types::random::SplitMix;
use weft_types::{Method, RequestHead, ResponseHead};

#[test]
fn a_table_of_routes() {
    let list = "{name: redirect, match: {prefix: /r}, redirect: {https_redirect: true}},
        {name: direct, match: {prefix: /d}, direct_response: {status: 418, body: {inline_string: short and stout}}},
        {name: gone, match: {prefix: /gone}, route: {cluster: nowhere}},
        {name: gone-404, match: {prefix: /hidden}, route: {cluster: nowhere, cluster_not_found_response_code: NOT_FOUND}},
        {name: empty, match: {prefix: /empty}, route: {cluster: empty}},
        {name: header, match: {prefix: /by-header}, route: {cluster_header: x-to}},
        {name: post, match: {prefix: /post, headers: [{name: ':method', string_match: {exact: POST}}]}, route: {cluster: a}},
        {name: nothing, match: {prefix: /nothing}, non_forwarding_action: {}},
        {name: a, match: {prefix: /a}, route: {cluster: a}}";
    let clusters = [cluster("a", &[1], ""), cluster("empty", &[], "")];
    let tables = tables(&format!("filter_chains: [{{{}}}]", http(&routes(list))), &clusters);
    // Path, status, route, flags, detail.
    let rows = [
        ("/a/x", 200, Some("a"), "-", "via_upstream"),
        ("/r", 301, Some("redirect"), "-", "direct_response"),
        ("/d", 418, Some("direct"), "-", "direct_response"),
        ("/gone", 503, Some("gone"), "NC", "cluster_not_found"),
        ("/hidden", 404, Some("gone-404"), "NC", "cluster_not_found"),
        ("/empty", 503, Some("empty"), "UH", "no_healthy_upstream"),
        ("/by-header", 503, Some("header"), "NC", "cluster_not_found"),
        ("/post", 404, None, "NR", "route_not_found"),
        ("/nothing", 503, Some("nothing"), "NC", "cluster_not_found"),
        ("/", 404, None, "NR", "route_not_found"),
        ("/a#b", 400, None, "-", "path_normalization_failed"),
        ("*", 404, None, "-", "absolute_path_rejected"),
    ];
    for (path, status, route, flags, word) in rows {
        let verdict = simulate(&tables, &get(path, &[]), std::time::Instant::now(), &mut SplitMix::new(1));
        let got = (verdict.status(), verdict.route.as_deref(), verdict.flags.to_string(), verdict.word());
        assert_eq!(got, (Some(status), route, flags.to_owned(), Some(word)), "{path}");
        assert_eq!(verdict.seen().is_some(), word == "via_upstream", "{path}");
    }
}

#[test]
fn redirects_and_answers_carry_the_headers_of_the_route() {
    let add = "response_headers_to_add: [{header: {key: x-r, value: '%ROUTE_NAME% %RESPONSE_CODE%'}}]";
    let mut world = World::of(&routes(&format!(
        "{{name: red, match: {{prefix: /r}}, redirect: {{path_redirect: /n}}, {add}}},
         {{name: dir, match: {{prefix: /d}}, direct_response: {{status: 200, body: {{inline_string: hi}}}}, {add}}},
         {{name: fwd, match: {{prefix: /}}, route: {{cluster: a}}, {add}}}"
    )));
    let verdict = world.get("/r?q", &[]);
    assert_eq!(
        (field(&verdict, "location"), field(&verdict, "x-r")),
        (Some("http://x.test/n?q"), Some("red 301"))
    );
    let verdict = world.get("/d", &[]);
    assert_eq!((field(&verdict, "content-length"), field(&verdict, "x-r")), (Some("2"), Some("dir 200")));
    let Outcome::Response { body, .. } = &verdict.outcome else { panic!("{verdict:?}") };
    assert_eq!(&**body, b"hi");
    let mut call = get("/x", &[]);
    call.answer = ResponseHead::new(404);
    call.answer.headers = [("server", "mine"), ("connection", "close"), ("x-up", "1")].into_iter().collect();
    let verdict = world.call(&call);
    assert_eq!(verdict.status(), Some(404));
    assert_eq!(
        ["server", "connection", "x-up", "x-r"].map(|n| field(&verdict, n)),
        [Some("envoy"), None, Some("1"), Some("fwd 404")]
    );
}

#[test]
fn the_host_sees_what_became_of_the_request() {
    let mut world = World::of(&format!(
        "normalize_path: true, {}",
        routes(
            "{match: {prefix: /api/}, route: {cluster: a, prefix_rewrite: /, host_rewrite_literal: api.test, timeout: 3s},
              request_headers_to_add: [{header: {key: x-from, value: '%REQ(:path)% to %UPSTREAM_CLUSTER%'}}],
              request_headers_to_remove: [x-secret]}"
        )
    ));
    let verdict = world.get(
        "/x/../api/v1?q",
        &[("x-secret", "1"), ("x-envoy-retry-on", "5xx"), ("connection", "x-hop"), ("x-hop", "1")],
    );
    let head = verdict.seen().unwrap();
    assert_eq!((&*head.path, &*head.authority), ("/v1?q", "api.test"));
    for (name, want) in [
        ("x-from", Some("/api/v1?q to a")),
        ("x-secret", None),
        ("x-hop", None),
        ("x-envoy-retry-on", None),
        ("x-forwarded-proto", Some("http")),
        ("x-envoy-original-path", Some("/api/v1?q")),
        ("x-envoy-original-host", Some("x.test")),
        ("x-envoy-expected-rq-timeout-ms", Some("3000")),
    ] {
        assert_eq!(seen(&verdict, name), want, "{name}");
    }
    assert!(seen(&verdict, "x-request-id").is_some());
}

#[test]
fn calls_take_turns_among_hosts() {
    let mut world = World::of(&routes("{match: {prefix: /}, route: {cluster: b}}"));
    let mut hosts: Vec<String> = (0..4).map(|_| world.get("/", &[]).host().unwrap().to_string()).collect();
    assert_ne!(hosts[0], hosts[1]);
    hosts.sort();
    assert_eq!(hosts, ["127.0.0.1:2", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:3"]);
}

#[test]
fn a_hash_keeps_a_client_with_its_host() {
    let ring = cluster("r", &[1, 2, 3, 4], "lb_policy: RING_HASH,");
    let list = "{match: {prefix: /}, route: {cluster: r, hash_policy: [{header: {header_name: x-user}}]}}";
    let mut world = World::new(&tables(&format!("filter_chains: [{{{}}}]", http(&routes(list))), &[ring]));
    let mut host = |user: &str| world.get("/", &[("x-user", user)]).host().unwrap().to_string();
    let users: Vec<String> = (0..20).map(|user| format!("user-{user}")).collect();
    let first: Vec<String> = users.iter().map(|user| host(user)).collect();
    let second: Vec<String> = users.iter().map(|user| host(user)).collect();
    assert_eq!(first, second);
    assert!(first.iter().any(|host| *host != first[0]));
}

#[test]
fn weights_and_mirrors_are_drawn() {
    let mut world = World::of(&routes(
        "{match: {prefix: /w}, route: {weighted_clusters: {clusters: [{name: a, weight: 90}, {name: b, weight: 10}]}}},
         {match: {prefix: /m}, route: {cluster: a, request_mirror_policies: [
            {cluster: b, runtime_fraction: {default_value: {numerator: 50}, runtime_key: k}}]}}",
    ));
    let to_a = (0..1000).filter(|_| world.get("/w", &[]).cluster() == Some("a")).count();
    assert!((850..950).contains(&to_a), "{to_a}");
    let mirrored = (0..1000).filter(|_| {
        let verdict = world.get("/m", &[]);
        matches!(&verdict.outcome, Outcome::Forwarded { mirrors, .. } if mirrors.len() == 1)
    });
    assert!((400..600).contains(&mirrored.count()));
}

#[test]
fn filters_delay_refuse_and_limit() {
    let filters = [
        filter(
            "fault",
            "fault.v3.HTTPFault",
            "delay: {fixed_delay: 2s, percentage: {numerator: 100}}, headers: [{name: x-slow, present_match: true}]",
        ),
        filter(
            "rbac",
            "rbac.v3.RBAC",
            "rules: {action: DENY, policies: {no-bob: {permissions: [{any: true}], principals: [
               {header: {name: x-user, string_match: {exact: bob}}}]}}}",
        ),
        filter(
            "limit",
            "local_ratelimit.v3.LocalRateLimit",
            "stat_prefix: l, token_bucket: {max_tokens: 2, fill_interval: 60s},
             filter_enabled: {default_value: {numerator: 100}, runtime_key: e},
             filter_enforced: {default_value: {numerator: 100}, runtime_key: f}",
        ),
    ];
    let mut world = World::of(&format!(
        "http_filters: [{}, ROUTER], {}",
        filters.join(", "),
        routes("{match: {prefix: /}, route: {cluster: a}}")
    ));
    let verdict = world.get("/", &[("x-user", "bob")]);
    assert_eq!(
        (verdict.status(), verdict.word()),
        (Some(403), Some("rbac_access_denied_matched_policy[no-bob]"))
    );
    let verdict = world.get("/", &[("x-slow", "1")]);
    assert_eq!(
        (verdict.status(), verdict.flags.to_string(), verdict.delay.as_secs()),
        (Some(200), "DI".to_owned(), 2)
    );
    world.now += verdict.delay;
    assert_eq!(world.get("/", &[]).status(), Some(200));
    let verdict = world.get("/", &[]);
    assert_eq!((verdict.status(), verdict.flags.to_string()), (Some(429), "RL".to_owned()));
    world.now += std::time::Duration::from_secs(60);
    assert_eq!(world.get("/", &[]).status(), Some(200));
}

#[test]
fn grpc_clients_and_head_requests_are_answered_in_their_form() {
    let mut world = World::of(&routes(
        "{match: {prefix: /d}, direct_response: {status: 403, body: {inline_string: denied}}}",
    ));
    let verdict = world.get("/d", &[("content-type", "application/grpc")]);
    assert_eq!(
        (verdict.status(), field(&verdict, "grpc-status"), field(&verdict, "grpc-message")),
        (Some(200), Some("7"), Some("denied"))
    );
    let mut call = get("/d", &[]);
    call.head.as_mut().unwrap().method = Method::Head;
    let verdict = world.call(&call);
    let Outcome::Response { status, body, .. } = &verdict.outcome else { panic!("{verdict:?}") };
    assert_eq!((*status, body.len(), field(&verdict, "content-length")), (403, 0, Some("6")));
}

#[test]
fn upgrades_and_tunnels_must_be_allowed() {
    let list =
        "{match: {connect_matcher: {}}, route: {cluster: a, upgrade_configs: [{upgrade_type: CONNECT}]}},
                {match: {prefix: /ws}, route: {cluster: a, upgrade_configs: [{upgrade_type: websocket}]}},
                {match: {prefix: /}, route: {cluster: a}}";
    let mut world = World::of(&format!("strip_any_host_port: true, {}", routes(list)));
    let asked = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let verdict = world.get("/ws", &asked);
    assert_eq!((verdict.status(), seen(&verdict, "upgrade")), (Some(200), Some("websocket")));
    let verdict = world.get("/", &asked);
    assert_eq!((verdict.status(), verdict.word()), (Some(403), Some("upgrade_failed")));
    let connect =
        RequestHead { method: Method::Connect, path: "".into(), ..RequestHead::get("db.test:5432", "/") };
    let verdict = world.call(&Call::http("main", connect));
    assert_eq!(&*verdict.seen().unwrap().authority, "db.test:5432");
}

#[test]
fn redirects_that_the_proxy_may_follow_are_not_the_end() {
    let mut world = World::of(&routes(
        "{match: {prefix: /in}, route: {cluster: a, internal_redirect_policy: {}}}, {match: {prefix: /}, route: {cluster: a}}",
    ));
    let mut ends = |path: &str, status: u16, location: &str| {
        let mut call = get(path, &[]);
        call.answer = ResponseHead::new(status);
        call.answer.headers.append("location", location);
        world.call(&call).unfinished.is_none()
    };
    assert!(!ends("/in", 302, "http://x.test/to"));
    assert!(ends("/in", 302, "/to") && ends("/in", 302, "https://x.test/to"));
    assert!(ends("/in", 301, "http://x.test/to") && ends("/out", 302, "http://x.test/to"));
}

#[test]
fn hosts_that_want_tls_redirect_after_the_filters() {
    let hosts = "route_config: {name: rc, virtual_hosts: [{name: secure, domains: ['*'], require_tls: ALL, routes: []}]}";
    let verdict = World::of(hosts).get("/a?b", &[]);
    assert_eq!((verdict.status(), field(&verdict, "location")), (Some(301), Some("https://x.test/a?b")));
    assert_eq!(verdict.virtual_host.as_deref(), Some("secure"));
}

proptest! {
    /// The same tables, call and dice give the same verdict; no head makes the simulation fail.
    #[test]
    fn verdicts_are_determined(path in "[/a-d.%2#?*;]{0,8}", host in ".{0,6}", name in "[a-z-]{1,4}", value in ".{0,4}", seed: u64) {
        let list = "{match: {prefix: /a}, route: {weighted_clusters: {clusters: [{name: a, weight: 1}, {name: b, weight: 1}]}}},
                    {match: {prefix: /b}, redirect: {prefix_rewrite: /x}},
                    {match: {safe_regex: {regex: '/c.*'}}, route: {cluster: b, regex_rewrite: {pattern: {regex: 'c(.)'}, substitution: '\\1'}}}";
        let clusters = [cluster("a", &[1], ""), cluster("b", &[2, 3], "")];
        let manager = format!("normalize_path: true, merge_slashes: true, {}", routes(list));
        let tables = tables(&format!("filter_chains: [{{{}}}]", http(&manager)), &clusters);
        let mut head = RequestHead::get(&host, &path);
        head.headers.append(&name, &value);
        let call = Call::http("main", head);
        let now = std::time::Instant::now();
        let one = simulate(&tables, &call, now, &mut SplitMix::new(seed));
        let two = simulate(&tables, &call, now, &mut SplitMix::new(seed));
        prop_assert_eq!(format!("{one:?}"), format!("{two:?}"));
        prop_assert!(one.status().is_some());
    }
}
