//! Small meshes, and what becomes of calls in them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use weft_compile::capabilities::Capabilities;
use weft_compile::proxy::Proxy;
use weft_compile::view::View;
use weft_compile::{gateway, inbound};
use weft_model::{MeshConfig, Snapshot};
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::envoy::config::bootstrap::v3::bootstrap::StaticResources;
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::envoy::config::listener::v3::Listener;
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{Struct, Value};
use weft_proto::resource::ResourceSet;
use weft_proto::schema::MessageType;
use weft_proto::type_url;
use weft_simulate::{Call, Simulator, Verdict};
use weft_tables::Tables;
use weft_tables::convert::{NoData, bootstrap};
use weft_types::random::SplitMix;
use weft_types::{Method, RequestHead};

/// A service `app` on ports of several protocols, and its one pod at 127.64.0.2.
pub(crate) const APP: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: app, namespace: books}
spec:
  selector: {app: app}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: tcp-raw, port: 9000}
  - {name: unnamed, port: 7000}
  - {name: grpc, port: 5000}
---
apiVersion: v1
kind: Pod
metadata: {name: app-1, namespace: books, labels: {app: app}, annotations: {weft.dev/ports: "8080=34567"}}
spec: {serviceAccountName: app}
status: {podIP: 127.64.0.2}
"#;

/// The mesh that these documents make; all of them must be good.
pub(crate) fn mesh_with(yaml: &str, config: &MeshConfig) -> Snapshot {
    let objects = weft_api::decode(yaml, "test.yaml").into_iter().map(|decoded| {
        assert!(decoded.object.is_some(), "{:?}", decoded.diagnostics);
        Arc::new(decoded.object.expect("an object"))
    });
    Snapshot::build(&objects.collect::<Vec<_>>(), config, 1)
}

pub(crate) fn mesh(yaml: &str) -> Snapshot {
    mesh_with(yaml, &MeshConfig::default())
}

/// A proxy of a pod in `books`.
pub(crate) fn proxy(role: &str, pod: &str, mode: &str, capabilities: Capabilities) -> Proxy {
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let fields = [("INTERCEPTION_MODE", text(mode))];
    let node = Node {
        id: format!("{role}~127.64.0.2~{pod}.books~books.svc.cluster.local"),
        metadata: Some(Struct { fields: fields.map(|(key, value)| (key.to_owned(), value)).into() }),
        ..Node::default()
    };
    Proxy { capabilities, ..Proxy::from_node(&node).expect("a node") }
}

/// The sidecar of `app-1` by redirection, or in the embedded mode.
pub(crate) fn redirected() -> Proxy {
    proxy("sidecar", "app-1", "REDIRECT", Capabilities::PLAIN)
}

pub(crate) fn embedded() -> Proxy {
    proxy("sidecar", "app-1", "NONE", Capabilities::PLAIN)
}

/// What the proxy gets of what this part compiles.
pub(crate) fn resources(snapshot: &Snapshot, proxy: &Proxy) -> (Vec<Listener>, Vec<Cluster>) {
    let mut set = ResourceSet::default();
    let view = View::new(snapshot, proxy);
    if proxy.is_router() {
        gateway::resources(&view, &mut set);
    } else {
        inbound::resources(&view, &mut set);
    }
    (unpack(&set, type_url::LISTENER), unpack(&set, type_url::CLUSTER))
}

fn unpack<M: prost::Message + prost::Name + Default>(set: &ResourceSet, type_url: &str) -> Vec<M> {
    let of_type = set.of(type_url).into_iter().flatten();
    of_type.map(|(_, resource)| weft_proto::any::unpack(&resource.body).expect("its type")).collect()
}

/// A bootstrap with all of it, and with what each bootstrap has.
pub(crate) fn boot(snapshot: &Snapshot, proxy: &Proxy) -> Bootstrap {
    let (listeners, mut clusters) = resources(snapshot, proxy);
    let common = "
node: {id: test, cluster: test}
dynamic_resources: {ads_config: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds-grpc}}]}}
static_resources:
  clusters:
  - {name: sds-grpc, type: STATIC, connect_timeout: 1s, http2_protocol_options: {}, load_assignment: {cluster_name: sds-grpc}}
  - {name: BlackHoleCluster, type: STATIC, connect_timeout: 1s}
";
    let mut common: Bootstrap = weft_proto::text::parse_yaml(common).accepted().expect("a bootstrap");
    let StaticResources { clusters: more, .. } = common.static_resources.take().unwrap_or_default();
    clusters.extend(more);
    let resources = StaticResources { listeners, clusters, ..StaticResources::default() };
    Bootstrap { static_resources: Some(resources), ..common }
}

/// Our tables; nothing may be refused.
pub(crate) fn tables(snapshot: &Snapshot, proxy: &Proxy) -> Arc<Tables> {
    let (tables, findings) = bootstrap(&boot(snapshot, proxy), &NoData);
    let refused = findings.iter().map(ToString::to_string).filter(|finding| finding.starts_with("refused"));
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<String>::new());
    Arc::new(tables)
}

/// Real Envoy with a bootstrap in a folder.
pub(crate) fn envoy(bootstrap: &Bootstrap, dir: &std::path::Path) -> Command {
    let path = dir.join("bootstrap.json");
    let json = as_json("envoy.config.bootstrap.v3.Bootstrap", bootstrap);
    std::fs::write(&path, format!("{json:#}")).expect("a file");
    start(&path)
}

/// Real Envoy with a file.
pub(crate) fn start(path: &std::path::Path) -> Command {
    let envoy = std::env::var_os("WEFT_ENVOY").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/envoy"),
        PathBuf::from,
    );
    let mut command = Command::new(envoy);
    command.args(["--disable-hot-restart", "--concurrency", "1", "-l", "critical", "-c"]).arg(path);
    command
}

/// A message as Envoy's files have it.
pub(crate) fn as_json<M: prost::Message>(name: &str, message: &M) -> serde_json::Value {
    let schema = MessageType::find(name).expect("a schema");
    let style = weft_proto::json::Style { redact: false, ..weft_proto::json::Style::default() };
    weft_proto::json::to_json(schema, &message.encode_to_vec(), style).expect("JSON")
}

/// Asks real Envoy whether it takes the bootstrap.
pub(crate) fn envoy_takes(snapshot: &Snapshot, proxy: &Proxy) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = envoy(&boot(snapshot, proxy), dir.path());
    let output = command.args(["--mode", "validate"]).output();
    let output = output.expect("Envoy: set WEFT_ENVOY, or `cargo xtask tools` installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Judges a call.
pub(crate) fn judge(tables: &Arc<Tables>, call: &Call) -> Verdict {
    Simulator::new(tables.clone()).judge(call, Instant::now(), &mut SplitMix::new(1))
}

/// A request, with headers.
pub(crate) fn request(method: &str, authority: &str, path: &str, headers: &[(&str, &str)]) -> RequestHead {
    let method = Method::parse(method.as_bytes()).expect("a method");
    let mut head = RequestHead { method, ..RequestHead::get(authority, path) };
    for (name, value) in headers {
        head.headers.append(name, value.as_bytes());
    }
    head
}

/// The same call over the mesh's mutual TLS, from this identity.
pub(crate) fn mutual(call: Call, identity: &str) -> Call {
    let alpn = ["istio-http/1.1", "istio", "http/1.1"].map(str::to_owned);
    Call { tls: true, protocols: alpn.to_vec(), peer_uris: vec![format!("spiffe://{identity}")], ..call }
}
