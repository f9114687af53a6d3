//! All that Istio's own proxies get, as goldens: `istio/*.jsonl`, a resource a line. `weft-proxy` must take
//! every one of them (`proxy/tests/foreign.rs`). `WEFT_BLESS=1` writes the files anew.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::sync::Arc;

use weft_compile::{Flavor, Proxy, compile};
use weft_model::{MeshConfig, Snapshot};
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{Struct, Value};
use weft_proto::json::{Style, to_json};
use weft_proto::resource::ResourceSet;
use weft_proto::schema::MessageType;

/// Bookinfo's services and pods, and a gateway's pod.
const BOOKINFO: &str = include_str!("outbound/bookinfo.yaml");
/// A gateway, subsets and routes for it.
const RULES: &str = include_str!("outbound/rules.yaml");

/// Keeps what a proxy sends out of its golden, where only what it receives counts.
const NO_EGRESS: &str = "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec: {egress: [{hosts: ['istio-system/*']}]}
";

const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 8443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop}
  - port: {number: 9443, name: tls, protocol: TLS}
    hosts: [pass.example.com]
    tls: {mode: PASSTHROUGH}
  - port: {number: 8090, name: plain, protocol: HTTP}
    hosts: [shop.example.com]
    tls: {httpsRedirect: true}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec:
  hosts: [shop.example.com]
  gateways: [secure]
  http:
  - match: [{uri: {prefix: /api}, headers: {x-user: {regex: '[a-z]+'}}}]
    rewrite: {uri: /}
    timeout: 3s
    retries: {attempts: 2, perTryTimeout: 1s, retryOn: '5xx,reset'}
    corsPolicy: {allowOrigins: [{exact: 'https://a.example'}], allowMethods: [GET]}
    route: [{destination: {host: reviews, subset: v1}, weight: 90}, {destination: {host: reviews, subset: v2}, weight: 10}]
  - fault: {delay: {percentage: {value: 1}, fixedDelay: 1s}}
    mirror: {host: details}
    route: [{destination: {host: productpage}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: pass, namespace: default}
spec:
  hosts: [pass.example.com]
  gateways: [secure]
  tls: [{match: [{sniHosts: [pass.example.com]}], route: [{destination: {host: details, port: {number: 9080}}}]}]
";

const STRICT: &str = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}, selector: {matchLabels: {app: reviews}}, portLevelMtls: {9090: {mode: PERMISSIVE}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: callers, namespace: default}
spec:
  selector: {matchLabels: {app: reviews}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/bookinfo-productpage], notNamespaces: [other]}}]
    to: [{operation: {methods: [GET], paths: ['/reviews/*']}}]
    when: [{key: 'request.headers[x-from]', values: [a*]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: never, namespace: default}
spec: {action: DENY, rules: [{from: [{source: {notIpBlocks: [127.0.0.0/8]}}], to: [{operation: {ports: ['9080']}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: noted, namespace: default}
spec: {action: AUDIT, rules: [{}]}
";

const TCP: &str = "
apiVersion: v1
kind: Service
metadata: {name: ledger, namespace: default}
spec: {clusterIP: 10.96.0.20, selector: {app: details}, ports: [{name: tcp, port: 3306}, {name: tls-admin, port: 3307}]}
---
apiVersion: v1
kind: Service
metadata: {name: quorum, namespace: default}
spec: {clusterIP: None, selector: {app: details}, ports: [{name: tcp, port: 2181}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: default}
spec: {hosts: [api.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec: {egress: [{hosts: [./ledger.default.svc.cluster.local, ./quorum.default.svc.cluster.local, ./api.example.com]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ledger, namespace: default}
spec:
  host: ledger
  subsets: [{name: v1, labels: {version: v1}}]
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 10, connectTimeout: 3s, idleTimeout: 60s, tcpKeepalive: {time: 60s}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ledger, namespace: default}
spec:
  hosts: [ledger]
  tcp: [{match: [{port: 3306}], route: [{destination: {host: ledger, subset: v1}, weight: 80}, {destination: {host: ledger}, weight: 20}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ledger, namespace: default}
spec:
  selector: {matchLabels: {app: details}}
  rules: [{from: [{source: {principals: ['*/sa/bookinfo-reviews']}}], to: [{operation: {ports: ['3306']}}]}]
";

const AUTO: &str = "
apiVersion: v1
kind: Service
metadata: {name: guess, namespace: default}
spec: {clusterIP: 10.96.0.21, selector: {app: details}, ports: [{name: some, port: 7000}, {name: grpc, port: 5000}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec: {egress: [{hosts: [./guess.default.svc.cluster.local]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: guess, namespace: default}
spec:
  host: guess
  trafficPolicy:
    loadBalancer: {simple: LEAST_REQUEST, localityLbSetting: {failover: [{from: a, to: b}]}}
    outlierDetection: {consecutive5xxErrors: 3, interval: 5s, baseEjectionTime: 30s}
    connectionPool: {http: {http1MaxPendingRequests: 10, maxRequestsPerConnection: 3, idleTimeout: 5s}}
";

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

/// What a proxy of Istio's says of itself.
fn proxy(role: &str, ip: &str, pod: &str, namespace: &str, labels: &[(&str, &str)]) -> Proxy {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect();
    let labels = Value { kind: Some(Kind::StructValue(Struct { fields: labels })) };
    let fields = [("ISTIO_VERSION", text("1.27.0")), ("LABELS", labels), ("CLUSTER_ID", text("Kubernetes"))];
    let node = Node {
        id: format!("{role}~{ip}~{pod}.{namespace}~{namespace}.svc.cluster.local"),
        metadata: Some(Struct { fields: fields.map(|(key, value)| (key.to_owned(), value)).into() }),
        ..Node::default()
    };
    let proxy = Proxy::from_node(&node).unwrap();
    assert_eq!(proxy.capabilities.flavor, Flavor::Istio);
    proxy
}

fn sidecar(app: &str, ip: &str) -> Proxy {
    proxy("sidecar", ip, &format!("{app}-v1"), "default", &[("app", app), ("version", "v1")])
}

fn set(documents: &[&str], proxy: &Proxy) -> ResourceSet {
    let decoded = documents.iter().flat_map(|text| weft_api::decode(text, "test.yaml"));
    let objects = decoded.map(|one| {
        assert!(one.object.is_some(), "{:?}", one.diagnostics);
        Arc::new(one.object.unwrap())
    });
    // One golden with logs will do: their formats are long.
    let access_log = proxy.is_router().then(|| "/dev/stdout".into());
    let mesh = MeshConfig { access_log, ..MeshConfig::default() };
    compile(&Snapshot::build(&objects.collect::<Vec<_>>(), &mesh, 1), proxy)
}

/// Compares a set with its golden.
fn golden(name: &str, set: &ResourceSet) {
    let any = MessageType::find("google.protobuf.Any").unwrap();
    let style = Style { redact: false, ..Style::default() };
    let resources = set.by_type.values().flat_map(|of_type| of_type.values());
    let lines = resources.map(|resource| {
        let wire = prost::Message::encode_to_vec(&resource.body);
        format!("{}\n", to_json(any, &wire, style).unwrap())
    });
    let text: String = lines.collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/istio").join(name);
    if std::env::var_os("WEFT_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (known, new)) in known.lines().zip(text.lines()).enumerate() {
        assert_eq!(known, new, "{}:{} differs; WEFT_BLESS=1 accepts it", path.display(), line + 1);
    }
    assert_eq!(known.lines().count(), text.lines().count(), "{}; WEFT_BLESS=1 accepts it", path.display());
}

#[test]
fn a_captured_sidecar() {
    golden("sidecar.jsonl", &set(&[BOOKINFO, RULES], &sidecar("productpage", "127.64.0.1")));
}

#[test]
fn a_gateway() {
    let gateway = proxy("router", "127.64.0.9", "gateway", "istio-system", &[("istio", "ingressgateway")]);
    golden("gateway.jsonl", &set(&[BOOKINFO, RULES, GATEWAY], &gateway));
}

#[test]
fn a_workload_that_takes_mutual_tls_alone_from_callers_that_policies_name() {
    golden("strict.jsonl", &set(&[BOOKINFO, NO_EGRESS, STRICT], &sidecar("reviews", "127.64.0.3")));
}

#[test]
fn opaque_connections() {
    golden("tcp.jsonl", &set(&[BOOKINFO, TCP], &sidecar("details", "127.64.0.2")));
}

#[test]
fn ports_whose_protocol_is_detected() {
    golden("auto.jsonl", &set(&[BOOKINFO, AUTO], &sidecar("details", "127.64.0.2")));
}
