//! A small mesh in which everything may come, change and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_api::Object;
use weft_compile::{Capabilities, Proxy};
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{Struct, Value};

/// Objects by their places, and how many versions each has.
pub(crate) const PLACES: &[(&str, usize, usize)] = &[
    ("service", 7, 3),
    ("pod", 12, 5),
    ("slice", 4, 4),
    ("entry", 3, 3),
    ("workload", 2, 2),
    ("rule", 4, 4),
    ("route", 4, 3),
    ("peers", 3, 2),
    ("sidecar", 2, 2),
    ("policy", 2, 2),
    ("gateway", 1, 2),
    ("node", 2, 2),
];

/// The objects that are there: place, number → version.
pub(crate) type State = BTreeMap<(&'static str, usize), usize>;

fn namespace(number: usize) -> &'static str {
    ["a", "b"][number % 2]
}

/// The object of a place, in one of its versions.
pub(crate) fn object(place: &str, number: usize, version: usize) -> Arc<Object> {
    let text = text(place, number, version);
    let decoded = weft_api::decode(&text, "mesh.yaml").pop().unwrap();
    assert!(decoded.object.is_some(), "{text}: {:?}", decoded.diagnostics);
    Arc::new(decoded.object.unwrap())
}

fn text(place: &str, n: usize, v: usize) -> String {
    let ns = namespace(n);
    let other = namespace(n + 1);
    match place {
        "service" => {
            let spec = match (n, v) {
                (6, 0) => format!("{{type: ExternalName, externalName: s0.{other}.svc.cluster.local, ports: [{{name: http, port: 80}}]}}"),
                (6, _) => "{type: ExternalName, externalName: s1.b.svc.cluster.local, ports: [{name: tcp, port: 3306}]}".to_owned(),
                (5, _) => format!("{{clusterIP: None, selector: {{app: s5}}, ports: [{{name: tcp-a, port: 900{v}}}]}}"),
                (_, 0) => format!("{{clusterIP: 10.96.0.{n}, selector: {{app: s{n}}}, ports: [{{name: http, port: 80}}, {{name: tcp, port: 3306}}]}}"),
                (_, 1) => format!("{{clusterIP: 10.96.0.{n}, selector: {{app: s{n}, version: v1}}, ports: [{{name: http, port: 80, targetPort: web}}]}}"),
                (_, _) => format!("{{clusterIP: 10.96.1.{n}, ports: [{{name: any, port: 8080}}], publishNotReadyAddresses: true}}"),
            };
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: s{n}, namespace: {ns}}}\nspec: {spec}\n"
            )
        }
        "pod" => {
            let app = n % 6;
            let (status, node) = match v {
                0 => (format!("{{podIP: 10.1.0.{n}, conditions: [{{type: Ready, status: 'True'}}]}}"), "n0"),
                1 => (format!("{{podIP: 10.1.0.{n}, conditions: [{{type: Ready, status: 'False'}}]}}"), "n0"),
                2 => (format!("{{podIP: 10.1.1.{n}, conditions: [{{type: Ready, status: 'True'}}]}}"), "n1"),
                // Several at one address, as pods of the node's network are.
                3 => ("{podIP: 10.9.9.9, phase: Running}".to_owned(), "n1"),
                _ => (format!("{{podIP: 10.1.0.{n}, phase: Succeeded}}"), "n0"),
            };
            let mode = if n.is_multiple_of(3) { "" } else { ", security.istio.io/tlsMode: istio" };
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{n}, namespace: {ns}, labels: {{app: s{app}, version: v{}, team: t{}{mode}}}}}\nspec: {{nodeName: {node}, serviceAccountName: sa{app}, containers: [{{name: c, image: c, ports: [{{name: web, containerPort: 8080}}]}}]}}\nstatus: {status}\n",
                1 + v % 2,
                n % 3,
            )
        }
        "slice" => {
            let reference = |pod: usize| format!("targetRef: {{kind: Pod, name: p{pod}, namespace: {ns}}}");
            let endpoints = match v {
                0 => format!("[{{addresses: [10.1.0.{n}], conditions: {{ready: true}}, {}}}]", reference(n)),
                1 => format!(
                    "[{{addresses: [10.1.0.{n}], conditions: {{ready: false}}, {}}}, {{addresses: [10.1.0.{}]}}]",
                    reference(n),
                    n + 2
                ),
                2 => "[{addresses: [10.9.9.9]}, {addresses: [10.77.0.1], zone: z9}]".to_owned(),
                _ => format!("[{{addresses: [10.1.1.{}], {}}}]", n + 4, reference(n + 4)),
            };
            let service = n % 3;
            format!(
                "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: e{n}, namespace: {ns}, labels: {{kubernetes.io/service-name: s{service}}}}}\naddressType: IPv4\nports: [{{name: http, port: 8080, protocol: TCP}}, {{name: tcp, port: 3306, protocol: TCP}}]\nendpoints: {endpoints}\n"
            )
        }
        "entry" => {
            let rest = match v {
                0 => "location: MESH_EXTERNAL\n  resolution: DNS".to_owned(),
                1 => "location: MESH_INTERNAL\n  resolution: STATIC\n  workloadSelector: {labels: {app: s1}}"
                    .to_owned(),
                _ => format!(
                    "resolution: STATIC\n  endpoints: [{{address: 192.0.2.{n}, labels: {{version: v1}}}}]"
                ),
            };
            let number = if v == 2 { 81 } else { 80 };
            format!(
                "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: x{n}, namespace: {ns}}}\nspec:\n  hosts: [x{}.example.com]\n  ports: [{{number: {number}, name: http, protocol: HTTP}}]\n  {rest}\n",
                n / 2,
            )
        }
        "workload" => format!(
            "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: w{n}, namespace: {ns}}}\nspec: {{address: 192.0.3.{v}, labels: {{app: s{n}}}, serviceAccount: outside}}\n"
        ),
        "rule" => {
            let policy = match v {
                0 => "trafficPolicy: {loadBalancer: {simple: RANDOM}}",
                1 => {
                    "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}, loadBalancer: {localityLbSetting: {failoverPriority: [team, topology.kubernetes.io/region]}}}"
                }
                2 => {
                    "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}\n  workloadSelector: {matchLabels: {team: t1}}"
                }
                _ => "trafficPolicy: {tls: {mode: DISABLE}}",
            };
            format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: d{n}, namespace: {ns}}}\nspec:\n  host: s{n}.{ns}.svc.cluster.local\n  {policy}\n  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]\n"
            )
        }
        "route" => {
            let matches = match v {
                0 => "",
                1 => "match: [{sourceLabels: {team: t2}}]\n    ",
                _ => "timeout: 3s\n    ",
            };
            let export = if v == 2 { "exportTo: ['.']" } else { "exportTo: ['*']" };
            format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v{n}, namespace: {ns}}}\nspec:\n  {export}\n  hosts: [s{n}.{ns}.svc.cluster.local]\n  gateways: [mesh, a/gw]\n  http:\n  - {matches}route: [{{destination: {{host: s{n}.{ns}.svc.cluster.local, subset: v1}}}}]\n"
            )
        }
        "peers" => {
            let mode = ["DISABLE", "STRICT"][v];
            let selector = if n == 2 { "" } else { "selector: {matchLabels: {app: s2}}\n  " };
            format!(
                "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: m{n}, namespace: {ns}}}\nspec:\n  {selector}mtls: {{mode: {mode}}}\n"
            )
        }
        "sidecar" => {
            let selector = if v == 0 { "workloadSelector: {labels: {team: t0}}\n  " } else { "" };
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: c{n}, namespace: {ns}}}\nspec:\n  {selector}egress: [{{hosts: ['./*', 'b/s1.b.svc.cluster.local']}}]\n"
            )
        }
        "policy" => format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: q{n}, namespace: {ns}}}\nspec: {{selector: {{matchLabels: {{version: v{}}}}}, rules: [{{from: [{{source: {{namespaces: [a]}}}}]}}]}}\n",
            v + 1,
        ),
        "gateway" => {
            let port = 8080 + v;
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gw, namespace: a}}\nspec:\n  selector: {{istio: gateway}}\n  servers: [{{port: {{number: {port}, name: http, protocol: HTTP}}, hosts: ['*']}}]\n"
            )
        }
        "node" => format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: n{n}, labels: {{topology.kubernetes.io/region: r{n}, topology.kubernetes.io/zone: z{v}}}}}\n"
        ),
        other => panic!("{other}"),
    }
}

/// A proxy beside a pod of the mesh, or elsewhere.
pub(crate) fn proxy(
    role: &str,
    ip: &str,
    pod: &str,
    team: &str,
    mode: &str,
    capabilities: Capabilities,
) -> Arc<Proxy> {
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let labels = Struct {
        fields: [("team", team), ("istio", if role == "router" { "gateway" } else { "none" })]
            .map(|(key, value)| (key.to_owned(), text(value)))
            .into(),
    };
    let fields = [
        ("INTERCEPTION_MODE".to_owned(), text(mode)),
        ("LABELS".to_owned(), Value { kind: Some(Kind::StructValue(labels)) }),
    ];
    let node = Node {
        id: format!("{role}~{ip}~{pod}~cluster.local"),
        metadata: Some(Struct { fields: fields.into() }),
        ..Node::default()
    };
    Arc::new(Proxy { capabilities, ..Proxy::from_node(&node).unwrap() })
}

/// Proxies of all sorts.
pub(crate) fn proxies() -> Vec<Arc<Proxy>> {
    let mut all = Vec::new();
    for (number, capabilities) in
        [Capabilities::ISTIO, Capabilities::WEFT, Capabilities::PLAIN].into_iter().enumerate()
    {
        for pod in [number, number + 3, number + 6] {
            let (name, team) = (format!("p{pod}.{}", namespace(pod)), format!("t{}", pod % 3));
            all.push(proxy("sidecar", &format!("10.1.0.{pod}"), &name, &team, "REDIRECT", capabilities));
        }
        all.push(proxy("router", "10.1.0.99", "gw.a", "t0", "REDIRECT", capabilities));
    }
    all.push(proxy("sidecar", "10.9.9.9", "unknown.b", "t2", "REDIRECT", Capabilities::WEFT));
    all.push(proxy("sidecar", "127.64.0.1", "p1.b", "t1", "NONE", Capabilities::WEFT));
    all
}
