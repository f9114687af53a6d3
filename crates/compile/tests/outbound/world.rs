//! Meshes from text, what their proxies get, and what becomes of calls there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use weft_api::Object;
use weft_compile::{Capabilities, Proxy, compile};
use weft_model::{MeshConfig, Snapshot};
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{Struct, Value};
use weft_proto::resource::ResourceSet;
use weft_proto::type_url;
use weft_simulate::{Call, Outcome, Simulator, Verdict};
use weft_tables::Tables;
use weft_tables::cluster::Discovery;
use weft_tables::convert::{self, Context, Conversion, KnownNames, NoData};
use weft_types::random::SplitMix;
use weft_types::{Method, Name, RequestHead};

/// Bookinfo's services and pods, and a gateway's pod.
pub(crate) const BOOKINFO: &str = include_str!("bookinfo.yaml");
/// A gateway, subsets and routes for it.
pub(crate) const RULES: &str = include_str!("rules.yaml");

pub(crate) fn objects(texts: &[&str]) -> Vec<Arc<Object>> {
    let decoded = texts.iter().flat_map(|text| weft_api::decode(text, "test.yaml"));
    decoded
        .map(|one| {
            assert!(one.object.is_some(), "{:?}", one.diagnostics);
            Arc::new(one.object.unwrap())
        })
        .collect()
}

pub(crate) fn mesh(texts: &[&str]) -> Snapshot {
    Snapshot::build(&objects(texts), &MeshConfig::default(), 1)
}

fn proxy(role: &str, ip: &str, pod: &str, mode: &str, capabilities: Capabilities) -> Proxy {
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let (app, version) = pod.split_once('.').unwrap().0.rsplit_once('-').unwrap_or((pod, "v1"));
    let labels =
        Struct { fields: [("app".to_owned(), text(app)), ("version".to_owned(), text(version))].into() };
    let labels = match role {
        "router" => Struct { fields: [("istio".to_owned(), text("ingressgateway"))].into() },
        _ => labels,
    };
    let fields = [
        ("INTERCEPTION_MODE".to_owned(), text(mode)),
        ("LABELS".to_owned(), Value { kind: Some(Kind::StructValue(labels)) }),
    ];
    let namespace = pod.split_once('.').unwrap().1;
    let node = Node {
        id: format!("{role}~{ip}~{pod}~{namespace}.svc.cluster.local"),
        metadata: Some(Struct { fields: fields.into() }),
        ..Node::default()
    };
    Proxy { capabilities, ..Proxy::from_node(&node).unwrap() }
}

/// The sidecar of productpage, with redirection.
pub(crate) fn sidecar(capabilities: Capabilities) -> Proxy {
    proxy("sidecar", "127.64.0.1", "productpage-v1.default", "REDIRECT", capabilities)
}

/// The sidecar of productpage in the embedded mode.
pub(crate) fn embedded() -> Proxy {
    proxy("sidecar", "127.64.0.1", "productpage-v1.default", "NONE", Capabilities::WEFT)
}

/// The gateway.
pub(crate) fn gateway(capabilities: Capabilities) -> Proxy {
    proxy("router", "127.64.0.9", "gateway.istio-system", "REDIRECT", capabilities)
}

pub(crate) fn unpack<M: prost::Message + prost::Name + Default>(set: &ResourceSet, type_url: &str) -> Vec<M> {
    let of_type = set.of(type_url).into_iter().flatten();
    of_type.map(|(_, resource)| weft_proto::any::unpack(&resource.body).unwrap()).collect()
}

pub(crate) fn names(set: &ResourceSet, type_url: &str) -> Vec<String> {
    set.of(type_url).into_iter().flatten().map(|(name, _)| name.to_string()).collect()
}

/// Files of the authorities of public servers are not opened.
struct AnyFile;

impl convert::DataSource for AnyFile {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(include_bytes!("roots.pem").to_vec())
    }
    fn variable(&self, name: &str) -> Option<String> {
        NoData.variable(name)
    }
}

/// Our tables of all resources; nothing may be refused.
pub(crate) fn tables(set: &ResourceSet) -> Arc<Tables> {
    let (clusters, secrets) = (KnownNames::Any, KnownNames::Any);
    let context = Context { files: &AnyFile, clusters: &clusters, secrets: &secrets };
    let mut tables = Tables { generation: 1, ..Tables::default() };
    for proto in unpack(set, type_url::LISTENER) {
        let listener = taken(convert::listener(&proto, &context));
        Arc::make_mut(&mut tables.listeners).insert(listener.name.clone(), Arc::new(listener));
    }
    for proto in unpack(set, type_url::ROUTE_CONFIGURATION) {
        let routes = taken(convert::route_config(&proto, &context));
        Arc::make_mut(&mut tables.routes).insert(routes.name.clone(), Arc::new(routes));
    }
    let mut endpoints = HashMap::new();
    for proto in unpack::<ClusterLoadAssignment>(set, type_url::CLUSTER_LOAD_ASSIGNMENT) {
        let name = Name::from(proto.cluster_name.as_str());
        endpoints.insert(name, Arc::new(taken(convert::endpoints(&proto, &context))));
    }
    for proto in unpack(set, type_url::CLUSTER) {
        let mut cluster = taken(convert::cluster(&proto, &context));
        // The simulator knows lists that stand in the cluster.
        if let Discovery::Eds(name) = &cluster.discovery {
            cluster.discovery = Discovery::Static(endpoints[&**name].clone());
        }
        Arc::make_mut(&mut tables.clusters).insert(cluster.name.clone(), Arc::new(cluster));
    }
    tables.endpoints = Arc::new(endpoints);
    Arc::new(tables)
}

fn taken<T>(conversion: Conversion<T>) -> T {
    match conversion {
        Ok((value, _)) => value,
        Err(findings) => {
            let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
            panic!("refused: {said:#?}")
        }
    }
}

/// A mesh, a proxy's part of it, and calls there.
pub(crate) struct World {
    pub(crate) set: ResourceSet,
    tables: Arc<Tables>,
}

impl World {
    pub(crate) fn new(texts: &[&str], proxy: &Proxy) -> Self {
        let set = compile(&mesh(texts), proxy);
        let tables = tables(&set);
        Self { set, tables }
    }

    pub(crate) fn judge(&self, call: &Call, seed: u64) -> Verdict {
        Simulator::new(self.tables.clone()).judge(call, Instant::now(), &mut SplitMix::new(seed))
    }

    /// What becomes of a request, in a word or two: the cluster, or the status and flags.
    pub(crate) fn get(
        &self,
        listener: &str,
        authority: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> String {
        said(&self.judge(&Call::http(listener, request(authority, path, headers)), 1))
    }
}

pub(crate) fn request(authority: &str, path: &str, headers: &[(&str, &str)]) -> RequestHead {
    let method = Method::parse(b"GET").unwrap();
    let mut head = RequestHead { method, ..RequestHead::get(authority, path) };
    for (name, value) in headers {
        head.headers.append(name, value.as_bytes());
    }
    head
}

/// A verdict in a word or two.
pub(crate) fn said(verdict: &Verdict) -> String {
    match &verdict.outcome {
        Outcome::Forwarded { cluster, .. } => cluster.to_string(),
        Outcome::Response { status, .. } => format!("{status} {}", verdict.flags),
        Outcome::Closed(why) => format!("closed: {why}"),
    }
}

/// Names of the route configurations that a listener asks for.
pub(crate) fn route_names(listener: &weft_tables::listener::Listener) -> Vec<Name> {
    use weft_tables::chain::Terminal;
    use weft_tables::hcm::RouteSource;
    let chains = listener.chains.chains.iter().map(|(_, chain)| chain).chain(&listener.chains.default);
    let named = chains.filter_map(|chain| match &chain.terminal {
        Terminal::Http(manager) => match &manager.routes {
            RouteSource::Named(name) => Some(name.clone()),
            RouteSource::Inline(_) => None,
        },
        _ => None,
    });
    named.collect()
}
