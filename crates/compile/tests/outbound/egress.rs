//! What Sidecar objects change, headless services, HTTP proxies, and gateways that want TLS.

use weft_compile::{Capabilities, compile};
use weft_proto::type_url;
use weft_simulate::{Call, Outcome};
use weft_types::Method;

use crate::rules::EVERYTHING;
use crate::world::{self, BOOKINFO, World, names, request, said};

/// A connection to an address that no service has.
pub(crate) fn outside() -> Call {
    Call { destination: Some(([203, 0, 113, 9], 443).into()), ..Call::tcp("virtualOutbound") }
}

fn sidecar(spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: s, namespace: default}}\nspec: {spec}\n"
    )
}

#[test]
fn a_sidecar_object_narrows_what_is_seen() {
    let object = sidecar("{egress: [{hosts: ['./ratings.default.svc.cluster.local']}]}");
    let world = World::new(&[BOOKINFO, &object], &world::sidecar(Capabilities::PLAIN));
    let clusters = names(&world.set, type_url::CLUSTER);
    let outbound: Vec<&String> = clusters.iter().filter(|name| name.starts_with("outbound|")).collect();
    assert_eq!(outbound, ["outbound|9080||ratings.default.svc.cluster.local"]);
    let verdict = world.judge(&Call::http("0.0.0.0_9080", request("reviews", "/", &[])), 1);
    assert_eq!(verdict.virtual_host.as_deref(), Some("allow_any"));
}

#[test]
fn an_egress_listener_may_have_a_socket() {
    let object = sidecar(
        "{egress: [{port: {number: 9080, protocol: HTTP, name: http}, bind: 127.0.0.1, captureMode: NONE, \
         hosts: ['./*']}, {hosts: ['*/*']}]}",
    );
    let world = World::new(&[BOOKINFO, &object], &world::sidecar(Capabilities::PLAIN));
    let listeners = names(&world.set, type_url::LISTENER);
    assert!(listeners.contains(&"127.0.0.1_9080".to_owned()), "{listeners:?}");
    assert!(!listeners.contains(&"0.0.0.0_9080".to_owned()), "{listeners:?}");
    let cluster = world.get("127.0.0.1_9080", "ratings:9080", "/", &[]);
    assert_eq!(cluster, "outbound|9080||ratings.default.svc.cluster.local");
}

#[test]
fn without_redirection_ports_are_opened_on_loopback() {
    let proxy = weft_compile::Proxy {
        interception: weft_compile::Interception::None,
        addresses: vec![[10, 0, 0, 9].into()],
        ..world::sidecar(Capabilities::PLAIN)
    };
    let world = World::new(&[BOOKINFO, EVERYTHING], &proxy);
    let cluster = world.get("127.0.0.1_9080", "ratings:9080", "/", &[]);
    assert_eq!(cluster, "outbound|9080||ratings.default.svc.cluster.local");
    assert_eq!(
        said(&world.judge(&Call::tcp("127.0.0.1_3306"), 1)),
        "outbound|3306|new|mysql.default.svc.cluster.local"
    );
    assert!(!names(&world.set, type_url::LISTENER).contains(&"virtualOutbound".to_owned()));
}

#[test]
fn calls_to_the_unknown_may_go_to_a_proxy() {
    let object = sidecar(
        "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: details.default.svc.cluster.local, port: \
         {number: 9080}}}}",
    );
    let world = World::new(&[BOOKINFO, &object], &world::sidecar(Capabilities::PLAIN));
    let cluster = "outbound|9080||details.default.svc.cluster.local";
    assert_eq!(world.get("0.0.0.0_9080", "example.com", "/", &[]), cluster);
    assert_eq!(said(&world.judge(&outside(), 1)), cluster);
}

#[test]
fn headless_services_are_called_by_the_address_of_the_pod() {
    let set = compile(&world::mesh(&[BOOKINFO, EVERYTHING]), &world::sidecar(Capabilities::PLAIN));
    let listeners = names(&set, type_url::LISTENER);
    assert!(listeners.contains(&"127.64.0.21_7001".to_owned()), "{listeners:?}");
    assert!(listeners.contains(&"0.0.0.0_7002".to_owned()), "{listeners:?}");
    let lists = names(&set, type_url::CLUSTER_LOAD_ASSIGNMENT);
    assert!(!lists.iter().any(|name| name.contains("headless")), "{lists:?}");
    // Without redirection nothing tells the address: they are looked up.
    let set = compile(&world::mesh(&[BOOKINFO, EVERYTHING]), &world::embedded());
    let lists = names(&set, type_url::CLUSTER_LOAD_ASSIGNMENT);
    assert!(lists.iter().any(|name| name.contains("headless")), "{lists:?}");
}

#[test]
fn an_http_proxy_carries_connect() {
    let world = World::new(&[BOOKINFO, EVERYTHING], &world::embedded());
    let connect = |authority: &str| {
        let mut head = request(authority, "", &[]);
        head.method = Method::parse(b"CONNECT").unwrap();
        said(&world.judge(&Call::http("http_proxy", head), 1))
    };
    assert_eq!(connect("ratings:9080"), "outbound|9080||ratings.default.svc.cluster.local");
    assert_eq!(
        connect("mysql.default.svc.cluster.local:3306"),
        "outbound|3306||mysql.default.svc.cluster.local"
    );
}

#[test]
fn ports_that_need_a_privilege_are_moved_up() {
    let set = compile(&world::mesh(&[BOOKINFO, EVERYTHING]), &world::embedded());
    let listeners = names(&set, type_url::LISTENER);
    let auto =
        weft_types::embedded::virtual_address([127, 64, 0, 1].into(), "auto.default.svc.cluster.local");
    assert!(listeners.contains(&format!("{auto}_8080")), "{listeners:?}");
    let world = World::new(&[BOOKINFO, EVERYTHING], &world::embedded());
    let cluster = "outbound|80||auto.default.svc.cluster.local";
    assert_eq!(world.get(&format!("{auto}_8080"), &format!("{auto}:8080"), "/", &[]), cluster);
    assert_eq!(world.get(&format!("{auto}_8080"), "auto", "/", &[]), cluster);
}

const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.books.example'], tls: {httpsRedirect: true}}
  - {port: {number: 80, name: more, protocol: HTTP}, hosts: [default/plain.example]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default}
spec: {hosts: ['*'], gateways: [g], http: [{route: [{destination: {host: details}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: b, namespace: default}
spec: {hosts: [plain.example], gateways: [g], http: [{match: [{uri: {prefix: /r}}], route: [{destination: {host: ratings}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: c, namespace: istio-system}
spec: {hosts: [plain.example], gateways: [default/g], http: [{match: [{uri: {prefix: /x}}], route: [{destination: {host: reviews.default.svc.cluster.local}}]}]}
";

#[test]
fn hosts_of_servers_and_rules_meet() {
    let world = World::new(&[BOOKINFO, GATEWAY], &world::gateway(Capabilities::PLAIN));
    let get = |authority: &str, path: &str| world.get("0.0.0.0_80", authority, path, &[]);
    assert_eq!(get("plain.example", "/"), "outbound|9080||details.default.svc.cluster.local");
    assert_eq!(get("plain.example:80", "/r"), "outbound|9080||ratings.default.svc.cluster.local");
    // The server takes rules of its own namespace alone.
    assert_eq!(get("plain.example", "/x"), "outbound|9080||details.default.svc.cluster.local");
    assert_eq!(get("other.example", "/"), "404 NR");
    let verdict = world.judge(&Call::http("0.0.0.0_80", request("a.books.example", "/p", &[])), 1);
    let Outcome::Response { status, headers, .. } = verdict.outcome else { panic!("{verdict:?}") };
    assert_eq!(status, 301);
    assert_eq!(headers.get("location").unwrap(), b"https://a.books.example/p");
}
