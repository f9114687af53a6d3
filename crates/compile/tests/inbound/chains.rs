//! Which chain takes a connection (SD-07, SD-09, SD-12; PA rows).

use std::net::SocketAddr;

use weft_simulate::{Call, Outcome};
use weft_tables::listener::ListenerFilter;

use crate::world::{APP, embedded, envoy_takes, judge, mesh, mutual, redirected, request, resources, tables};

const IDENTITY: &str = "cluster.local/ns/books/sa/client";

fn peer_authentication(spec: &str) -> String {
    format!(
        "{APP}---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: pa, namespace: books}}\nspec: {spec}\n"
    )
}

fn to(call: Call, port: u16) -> Call {
    Call { destination: Some(SocketAddr::from(([127, 64, 0, 2], port))), ..call }
}

/// Name of the chain that takes a call to a port, and whether it speaks HTTP; `-` for none.
fn chain(yaml: &str, port: u16, call: Call) -> String {
    let tables = tables(&mesh(yaml), &redirected());
    let verdict = judge(&tables, &to(call, port));
    let http = verdict.virtual_host.is_some();
    match verdict.chain {
        None => "-".to_owned(),
        Some(name) => format!("{name} {}", if http { "http" } else { "tcp" }),
    }
}

fn http() -> Call {
    Call::http("virtualInbound", request("GET", "app.books", "/", &[]))
}

fn opaque() -> Call {
    Call::tcp("virtualInbound")
}

fn foreign_tls() -> Call {
    Call { tls: true, protocols: vec!["http/1.1".to_owned()], ..opaque() }
}

fn mesh_opaque() -> Call {
    Call { protocols: vec!["istio".to_owned()], ..mutual(opaque(), IDENTITY) }
}

#[test]
fn permissive_ports_take_both() {
    assert_eq!(chain(APP, 8080, http()), "0.0.0.0_8080 http");
    assert_eq!(chain(APP, 8080, mutual(http(), IDENTITY)), "0.0.0.0_8080 http");
    assert_eq!(chain(APP, 9000, opaque()), "0.0.0.0_9000 tcp");
    assert_eq!(chain(APP, 9000, mesh_opaque()), "0.0.0.0_9000 tcp");
    // TLS that is not the mesh's is the application's.
    assert_eq!(chain(APP, 9000, foreign_tls()), "0.0.0.0_9000 tcp");
    assert_eq!(chain(APP, 8080, foreign_tls()), "-");
}

#[test]
fn a_port_without_protocol_is_looked_at() {
    assert_eq!(chain(APP, 7000, http()), "0.0.0.0_7000 http");
    assert_eq!(chain(APP, 7000, opaque()), "0.0.0.0_7000 tcp");
    assert_eq!(chain(APP, 7000, mutual(http(), IDENTITY)), "0.0.0.0_7000 http");
    assert_eq!(chain(APP, 7000, mesh_opaque()), "0.0.0.0_7000 tcp");
    assert_eq!(chain(APP, 7000, foreign_tls()), "0.0.0.0_7000 tcp");
}

#[test]
fn other_ports_pass_and_the_own_port_leads_nowhere() {
    assert_eq!(chain(APP, 6000, http()), "virtualInbound-catchall-http http");
    assert_eq!(chain(APP, 6000, opaque()), "virtualInbound tcp");
    assert_eq!(chain(APP, 15_006, opaque()), "virtualInbound-blackhole tcp");
}

#[test]
fn strict_ports_take_no_plaintext() {
    let strict = peer_authentication("{mtls: {mode: STRICT}}");
    for port in [8080, 9000, 7000, 6000] {
        assert_eq!(chain(&strict, port, http()), "-", "{port}");
        assert_eq!(chain(&strict, port, opaque()), "-", "{port}");
        assert_ne!(chain(&strict, port, mutual(http(), IDENTITY)), "-", "{port}");
    }
    let tables = tables(&mesh(&strict), &redirected());
    let plain = judge(&tables, &to(http(), 8080));
    assert!(matches!(plain.outcome, Outcome::Closed("filter_chain_not_found")), "{plain:?}");
}

#[test]
fn a_port_may_have_a_mode_of_its_own_whether_a_service_has_it_or_not() {
    let ports = "{selector: {matchLabels: {app: app}}, mtls: {mode: STRICT}, \
                 portLevelMtls: {8080: {mode: DISABLE}, 6000: {mode: PERMISSIVE}}}";
    let yaml = peer_authentication(ports);
    assert_eq!(chain(&yaml, 8080, http()), "0.0.0.0_8080 http");
    assert_eq!(chain(&yaml, 6000, http()), "virtualInbound-catchall-http http");
    assert_eq!(chain(&yaml, 6001, http()), "-");
    assert_eq!(chain(&yaml, 9000, opaque()), "-");
}

/// A server that speaks first would wait for its client's first bytes for ever.
#[test]
fn nobody_looks_at_ports_whose_chains_do_not_need_it() {
    let looks = |yaml: &str, port: u16| {
        let tables = tables(&mesh(yaml), &redirected());
        let listener = &tables.listeners["virtualInbound"];
        let local = Some(SocketAddr::from(([127, 64, 0, 2], port)));
        let runs = |filter| listener.filters.contains(&filter) && listener.runs(&filter, local);
        (runs(ListenerFilter::TlsInspector), runs(ListenerFilter::HttpInspector))
    };
    let permissive = |port| looks(APP, port);
    assert_eq!(
        [permissive(9000), permissive(7000), permissive(6000)],
        [(true, false), (true, true), (true, true)]
    );
    let off = peer_authentication("{mtls: {mode: DISABLE}}");
    assert_eq!(
        [looks(&off, 9000), looks(&off, 8080), looks(&off, 7000)],
        [(false, false), (false, false), (false, true)]
    );
    let strict = peer_authentication(
        "{selector: {matchLabels: {app: app}}, mtls: {mode: STRICT}, portLevelMtls: {9000: {mode: DISABLE}, 6000: {mode: DISABLE}}}",
    );
    assert_eq!([looks(&strict, 9000), looks(&strict, 8080)], [(false, false), (true, false)]);
    assert_eq!([looks(&strict, 6000), looks(&strict, 6001)], [(false, true), (true, true)]);
    for yaml in [APP, &off, &strict] {
        envoy_takes(&mesh(yaml), &redirected());
    }
}

#[test]
fn without_redirection_each_port_has_a_listener_on_the_pods_address() {
    let snapshot = mesh(APP);
    let (listeners, clusters) = resources(&snapshot, &embedded());
    let names: Vec<&str> = listeners.iter().map(|listener| listener.name.as_str()).collect();
    let want = ["127.64.0.2_5000", "127.64.0.2_7000", "127.64.0.2_8080", "127.64.0.2_9000"];
    assert_eq!(names, want);
    let names: Vec<&str> = clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    assert_eq!(names, ["inbound|5000||", "inbound|7000||", "inbound|8080||", "inbound|9000||"]);

    let tables = tables(&snapshot, &embedded());
    let at = |listener: &str, call: Call| {
        let verdict = judge(&tables, &Call { listener: listener.to_owned(), ..call });
        verdict.host().map_or_else(|| format!("{:?}", verdict.outcome), ToString::to_string)
    };
    // The annotation says where the application really listens.
    assert_eq!(at("127.64.0.2_8080", http()), "127.0.0.1:34567");
    assert_eq!(at("127.64.0.2_8080", mutual(http(), IDENTITY)), "127.0.0.1:34567");
    assert_eq!(at("127.64.0.2_9000", opaque()), "127.0.0.1:9000");
}

#[test]
fn a_sidecar_says_which_ports_are_open_and_where_the_application_listens() {
    let sidecar = format!(
        "{APP}---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: s, namespace: books}}
spec:
  workloadSelector: {{labels: {{app: app}}}}
  ingress:
  - {{port: {{number: 8080, protocol: HTTP, name: http}}, defaultEndpoint: '127.0.0.1:1234'}}
  - {{port: {{number: 9000, protocol: TCP, name: tcp}}, bind: 192.0.2.1, captureMode: NONE, defaultEndpoint: 'unix:///run/app.sock'}}
"
    );
    let snapshot = mesh(&sidecar);
    let (listeners, clusters) = resources(&snapshot, &redirected());
    let names: Vec<&str> = listeners.iter().map(|listener| listener.name.as_str()).collect();
    assert_eq!(names, ["192.0.2.1_9000", "virtualInbound"]);
    let names: Vec<&str> = clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    assert_eq!(names, ["InboundPassthroughCluster", "inbound|8080||", "inbound|9000||"]);
    let tables = tables(&snapshot, &redirected());
    let host = |call: &Call| judge(&tables, call).host().map(ToString::to_string);
    assert_eq!(host(&to(http(), 8080)).as_deref(), Some("127.0.0.1:1234"));
    let own = Call { listener: "192.0.2.1_9000".to_owned(), ..opaque() };
    assert_eq!(host(&own).as_deref(), Some("/run/app.sock"));
    // A port that the Sidecar does not name passes as any other.
    assert_eq!(judge(&tables, &to(opaque(), 5000)).chain.as_deref(), Some("virtualInbound"));
}
