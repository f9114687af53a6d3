//! Gateways: ports, TLS and what is passed on (GW rows).

use weft_compile::capabilities::Capabilities;
use weft_compile::gateway::{diagnose, plan, route_tables};
use weft_compile::proxy::Proxy;
use weft_model::Snapshot;
use weft_simulate::Call;

use crate::world::{envoy_takes, judge, mesh, proxy, resources, tables};

const GATEWAY: &str = "
apiVersion: v1
kind: Service
metadata: {name: ingress, namespace: books}
spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}, {name: tcp, port: 3000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gw, namespace: books, labels: {istio: ingressgateway}, annotations: {weft.dev/ports: '3000=3999'}}
spec: {}
status: {podIP: 127.64.0.2}
";

fn gateway(name: &str, servers: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: books}}\nspec: {{selector: {{istio: ingressgateway}}, servers: [{servers}]}}\n"
    )
}

fn routes(kind: &str, rules: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: routes, namespace: books}}\nspec: {{hosts: ['*.example.com'], gateways: [g], {kind}: [{rules}]}}\n"
    )
}

fn router(mode: &str) -> Proxy {
    proxy("router", "gw", mode, Capabilities::PLAIN)
}

fn names(snapshot: &Snapshot, proxy: &Proxy) -> Vec<String> {
    resources(snapshot, proxy).0.into_iter().map(|listener| listener.name).collect()
}

fn tables_of(snapshot: &Snapshot, proxy: &Proxy) -> Vec<String> {
    let tables = route_tables(&plan(snapshot, proxy));
    tables.into_iter().map(|table| format!("{} {}", table.name, table.servers.len())).collect()
}

const HTTP: &str = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}";

#[test]
fn a_port_is_that_of_the_service_and_opens_the_pods() {
    let snapshot = mesh(&format!("{GATEWAY}{}{}", gateway("g", HTTP), gateway("h", HTTP)));
    assert_eq!(names(&snapshot, &router("REDIRECT")), ["0.0.0.0_8080"]);
    assert_eq!(tables_of(&snapshot, &router("REDIRECT")), ["http.8080 2"]);
    envoy_takes(&snapshot, &router("REDIRECT"));
    // Without such a Service the number is the pod's.
    let other = mesh(&format!("{GATEWAY}{}", gateway("g", &HTTP.replace("80", "8088"))));
    assert_eq!(names(&other, &router("REDIRECT")), ["0.0.0.0_8088"]);
}

#[test]
fn the_embedded_mode_listens_on_loopback_above_1024() {
    let snapshot = mesh(&format!("{GATEWAY}{}", gateway("g", HTTP)));
    assert_eq!(names(&snapshot, &router("NONE")), ["127.0.0.1_8080"]);
    // Port 81 is of no Service: 8000 is added.
    let plain = mesh(&format!("{GATEWAY}{}", gateway("g", &HTTP.replace("80", "81"))));
    assert_eq!(names(&plain, &router("NONE")), ["127.0.0.1_8081"]);
    let annotated = "{port: {number: 3000, name: http, protocol: HTTP}, hosts: ['*']}";
    let snapshot = mesh(&format!("{GATEWAY}{}", gateway("g", annotated)));
    assert_eq!(names(&snapshot, &router("NONE")), ["127.0.0.1_3999"]);
    envoy_takes(&snapshot, &router("NONE"));
}

#[test]
fn servers_with_tls_share_a_port_by_server_name() {
    let secure = "{port: {number: 443, name: one, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: cert}}, \
                  {port: {number: 443, name: two, protocol: HTTPS}, hosts: ['x/b.example.com'], tls: {mode: MUTUAL, credentialName: cert, subjectAltNames: [spiffe://x]}}, \
                  {port: {number: 443, name: three, protocol: HTTPS}, hosts: [c.example.com], tls: {mode: ISTIO_MUTUAL}}";
    let snapshot = mesh(&format!("{GATEWAY}{}", gateway("g", secure)));
    let (listeners, _) = resources(&snapshot, &router("REDIRECT"));
    let criteria: Vec<Vec<String>> = listeners[0]
        .filter_chains
        .iter()
        .map(|chain| chain.filter_chain_match.clone().unwrap_or_default().server_names)
        .collect();
    assert_eq!(criteria, [["a.example.com"], ["b.example.com"], ["c.example.com"]]);
    let want = ["https.443.one.g.books 1", "https.443.three.g.books 1", "https.443.two.g.books 1"];
    assert_eq!(tables_of(&snapshot, &router("REDIRECT")), want);
    envoy_takes(&snapshot, &router("REDIRECT"));
    drop(tables(&snapshot, &router("REDIRECT")));
    let said: Vec<String> =
        diagnose(&snapshot, &router("REDIRECT")).iter().map(ToString::to_string).collect();
    assert!(
        said[0].contains("Gateway books/g: spec.servers[0].tls: nothing serves the secret \"cert\" yet"),
        "{said:?}"
    );
}

#[test]
fn conflicts_leave_the_port_to_the_older_gateway() {
    let http = gateway("a", HTTP);
    let tcp = gateway("b", "{port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*']}");
    let twice =
        "{port: {number: 443, name: x, protocol: TLS}, hosts: [a.example.com], tls: {mode: PASSTHROUGH}}";
    let same = gateway("c", twice) + &gateway("d", twice);
    let snapshot = mesh(&format!("{GATEWAY}{http}{tcp}{same}"));
    assert_eq!(tables_of(&snapshot, &router("REDIRECT")), ["http.8080 1"]);
    let said: Vec<String> =
        diagnose(&snapshot, &router("REDIRECT")).iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].ends_with(
            "Gateway books/b: spec.servers[0]: not served: port 8080 is already Http by Gateway books/a"
        ),
        "{said:?}"
    );
    assert!(
        said[1].contains("server name \"a.example.com\" of port 8443 is already served by Gateway books/c"),
        "{said:?}"
    );
}

#[test]
fn tls_is_passed_on_by_server_name() {
    let server = gateway(
        "g",
        "{port: {number: 443, name: tls, protocol: TLS}, hosts: ['*.example.com'], tls: {mode: PASSTHROUGH}}",
    );
    let rules = "{match: [{sniHosts: [a.example.com], port: 443}], route: [{destination: {host: app, port: {number: 443}}}]}, \
                 {match: [{sniHosts: ['*.example.com']}], route: [{destination: {host: app, subset: v1, port: {number: 444}}, weight: 50}, {destination: {host: b, port: {number: 1}}, weight: 50}]}";
    let snapshot = mesh(&format!("{GATEWAY}{server}{}", routes("tls", rules)));
    let (listeners, _) = resources(&snapshot, &router("REDIRECT"));
    let criteria: Vec<Vec<String>> = listeners[0]
        .filter_chains
        .iter()
        .map(|chain| chain.filter_chain_match.clone().unwrap_or_default().server_names)
        .collect();
    assert_eq!(criteria, [["a.example.com"], ["*.example.com"]]);
    envoy_takes(&snapshot, &router("REDIRECT"));
}

#[test]
fn bytes_are_passed_on_by_the_first_rule_that_holds() {
    let server = gateway("g", "{port: {number: 3000, name: tcp, protocol: TCP}, hosts: ['*']}");
    let rules = "{match: [{port: 1}], route: [{destination: {host: wrong, port: {number: 1}}}]}, \
                 {match: [{port: 3000}], route: [{destination: {host: app, port: {number: 9}}}]}";
    let snapshot = mesh(&format!("{GATEWAY}{server}{}", routes("tcp", rules)));
    envoy_takes(&snapshot, &router("REDIRECT"));
    let tables = tables(&snapshot, &router("REDIRECT"));
    let verdict = judge(&tables, &Call::tcp("0.0.0.0_3000"));
    // Clusters are made elsewhere; that this one is asked for shows by the flag.
    assert!(verdict.flags.contains(weft_types::ResponseFlag::NoClusterFound), "{verdict:?}");
}

#[test]
fn a_port_that_would_serve_nothing_is_not_opened() {
    let server = gateway("g", "{port: {number: 3000, name: tcp, protocol: TCP}, hosts: ['*']}");
    assert!(names(&mesh(&format!("{GATEWAY}{server}")), &router("REDIRECT")).is_empty());
}
