//! What VirtualServices, DestinationRules and ServiceEntries do, one by one.

use weft_compile::{Capabilities, Proxy};
use weft_simulate::{Call, Outcome};

use crate::world::{self, BOOKINFO, RULES, World, request};

/// Most fields at once: what is taken together here is taken one by one too.
pub(crate) const EVERYTHING: &str = include_str!("everything.yaml");

const LISTENER: &str = "0.0.0.0_9080";

fn rule(http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: ratings, namespace: \
         default}}\nspec:\n  hosts: [ratings]\n  http:\n{http}\n"
    )
}

fn ratings(http: &str) -> World {
    World::new(&[BOOKINFO, &rule(http)], &world::sidecar(Capabilities::PLAIN))
}

const TO_RATINGS: &str = "route: [{destination: {host: ratings}}]";
const RATINGS: &str = "outbound|9080||ratings.default.svc.cluster.local";

#[test]
fn short_and_long_names_and_addresses_are_one_host() {
    let world = World::new(&[BOOKINFO], &world::sidecar(Capabilities::PLAIN));
    for authority in [
        "ratings",
        "ratings:9080",
        "ratings.default",
        "ratings.default.svc:9080",
        "ratings.default.svc.cluster.local",
        "10.96.0.13",
        "10.96.0.13:9080",
    ] {
        assert_eq!(world.get(LISTENER, authority, "/", &[]), RATINGS, "{authority}");
    }
    let other = world.judge(&Call::http(LISTENER, request("example.com", "/", &[])), 1);
    assert_eq!(other.virtual_host.as_deref(), Some("allow_any"));
}

#[test]
fn matches_choose() {
    let world = ratings(&format!(
        "  - {{match: [{{uri: {{exact: /a}}, ignoreUriCase: true}}], directResponse: {{status: 201}}}}
  - {{match: [{{uri: {{prefix: /b}}, method: {{exact: GET}}}}, {{queryParams: {{q: {{exact: '1'}}}}}}], directResponse: {{status: 202}}}}
  - {{match: [{{headers: {{x: {{regex: 'a+'}}}}, withoutHeaders: {{y: {{}}}}}}], directResponse: {{status: 203}}}}
  - {{match: [{{withoutHeaders: {{z: {{exact: '1'}}}}, uri: {{prefix: /c}}}}], directResponse: {{status: 204}}}}
  - {{match: [{{port: 1}}], directResponse: {{status: 205}}}}
  - {{match: [{{sourceLabels: {{app: other}}}}, {{sourceNamespace: other}}, {{gateways: [some]}}], directResponse: {{status: 206}}}}
  - {{match: [{{sourceLabels: {{app: productpage}}, uri: {{exact: /d}}}}], directResponse: {{status: 207}}}}
  - {{{TO_RATINGS}}}"
    ));
    let get = |path: &str, headers: &[(&str, &str)]| world.get(LISTENER, "ratings", path, headers);
    assert_eq!(get("/A", &[]), "201 -");
    assert_eq!(get("/bc", &[]), "202 -");
    assert_eq!(get("/x?q=1", &[]), "202 -");
    assert_eq!(get("/x", &[("x", "aaa")]), "203 -");
    assert_eq!(get("/x", &[("x", "aaa"), ("y", "")]), RATINGS);
    assert_eq!(get("/c", &[]), "204 -");
    assert_eq!(get("/c", &[("z", "1")]), RATINGS);
    assert_eq!(get("/d", &[]), "207 -");
    assert_eq!(get("/e", &[]), RATINGS);
}

#[test]
fn who_asks_for_a_token_lets_nobody_through() {
    let world = ratings(&format!(
        "  - {{match: [{{headers: {{'@request.auth.claims.group': {{exact: a}}}}}}], {TO_RATINGS}}}"
    ));
    assert_eq!(world.get(LISTENER, "ratings", "/", &[]), "404 NR");
}

#[test]
fn requests_are_changed_on_their_way() {
    let world = ratings(
        "  - match: [{uri: {prefix: /old}}]
    rewrite: {uri: /new, authority: other.example}
    headers: {request: {set: {x-set: '1'}, add: {x-add: '2'}, remove: [x-gone]}}
    mirror: {host: details}
    route: [{destination: {host: ratings}, headers: {request: {set: {x-to: '3'}}}}]",
    );
    let headers = [("x-gone", "1"), ("x-add", "1")];
    let verdict = world.judge(&Call::http(LISTENER, request("ratings", "/old/page", &headers)), 1);
    let Outcome::Forwarded { head: Some(head), mirrors, .. } = &verdict.outcome else {
        panic!("{verdict:?}")
    };
    let values = |name: &str| -> Vec<String> {
        head.headers.get_all(name.as_bytes()).map(|v| String::from_utf8_lossy(v).into_owned()).collect()
    };
    assert_eq!(&*head.path, "/new/page");
    assert_eq!(&*head.authority, "other.example");
    assert_eq!(
        (values("x-set"), values("x-to"), values("x-gone")),
        (vec!["1".into()], vec!["3".into()], vec![])
    );
    assert_eq!(values("x-add"), ["1", "2"]);
    assert_eq!(
        mirrors.iter().map(|m| &**m).collect::<Vec<_>>(),
        ["outbound|9080||details.default.svc.cluster.local"]
    );
}

#[test]
fn redirects_say_where() {
    let world = ratings(
        "  - match: [{uri: {exact: /a}}]
    redirect: {uri: /b, authority: example.com, redirectCode: 307, scheme: https}
  - match: [{uri: {prefix: /c}}]
    redirect: {derivePort: FROM_REQUEST_PORT, authority: example.com}",
    );
    let location =
        |path: &str| match world.judge(&Call::http(LISTENER, request("ratings", path, &[])), 1).outcome {
            Outcome::Response { status, headers, .. } => {
                format!("{status} {}", String::from_utf8_lossy(headers.get("location").unwrap_or_default()))
            }
            other => panic!("{other:?}"),
        };
    assert_eq!(location("/a"), "307 https://example.com/b");
    assert_eq!(location("/c/d"), "301 http://example.com:9080/c/d");
}

#[test]
fn unknown_hosts_go_out_or_nowhere() {
    let sidecar = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s, namespace: \
                   default}\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n";
    let world = World::new(&[BOOKINFO, sidecar], &world::sidecar(Capabilities::PLAIN));
    assert_eq!(world.get(LISTENER, "example.com", "/", &[]), "502 -");
    let tcp = world.judge(&crate::egress::outside(), 1);
    assert!(world::said(&tcp).starts_with("closed"), "{}", world::said(&tcp));
}

#[test]
fn an_embedded_sidecar_finds_services_by_address_and_by_proxy() {
    let world = World::new(&[BOOKINFO, RULES], &world::embedded());
    let vip =
        weft_types::embedded::virtual_address([127, 64, 0, 1].into(), "ratings.default.svc.cluster.local");
    let listener = format!("{vip}_9080");
    assert_eq!(world.get(&listener, &format!("{vip}:9080"), "/", &[]), RATINGS);
    assert_eq!(world.get(&listener, "ratings:9080", "/", &[]), RATINGS);
    assert_eq!(world.get("http_proxy", "ratings:9080", "/", &[]), RATINGS);
    assert_eq!(
        world.get("http_proxy", "reviews:9080", "/", &[("end-user", "jason")]),
        "outbound|9080|v2|reviews.default.svc.cluster.local"
    );
    assert_eq!(world.get("http_proxy", "example.com", "/", &[]), "502 -");
}

#[test]
fn everything_is_taken_by_the_tables() {
    let proxies: [Proxy; 5] = [
        world::sidecar(Capabilities::PLAIN),
        world::sidecar(Capabilities::WEFT),
        world::embedded(),
        world::gateway(Capabilities::PLAIN),
        world::gateway(Capabilities::WEFT),
    ];
    for proxy in &proxies {
        _ = World::new(&[BOOKINFO, RULES, EVERYTHING], proxy);
    }
}

#[test]
fn tcp_goes_by_address_name_and_rule() {
    let world = World::new(&[BOOKINFO, EVERYTHING], &world::sidecar(Capabilities::PLAIN));
    let tcp = world.judge(&Call::tcp("10.96.0.20_3306"), 1);
    assert_eq!(world::said(&tcp), "outbound|3306|new|mysql.default.svc.cluster.local");
    let tls = |name: &str| {
        let call = Call { tls: true, server_name: Some(name.to_owned()), ..Call::tcp("0.0.0.0_443") };
        world::said(&world.judge(&call, 1))
    };
    assert_eq!(tls("api.example.com"), "outbound|443||api.example.com");
    // No protocol is named: HTTP by its routes, anything else to the service.
    let auto = "10.96.0.21_7000";
    let http = world.get(auto, "auto:7000", "/", &[]);
    assert_eq!(http, "outbound|7000||auto.default.svc.cluster.local");
    assert_eq!(world::said(&world.judge(&Call::tcp(auto), 1)), http);
}
