//! Real Envoy as the client: `WEFT_ENVOY`, else `target/tools/venv/bin/envoy`.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

mod envoy;

use std::sync::Arc;
use std::time::Duration;

use envoy::{Envoy, backend, call};
use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use weft_proto::any::pack;
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::envoy::config::listener::v3::Listener;
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::resource::{Resource, ResourceSet};
use weft_proto::text::parse_yaml;
use weft_proto::type_url::CLUSTER;
use weft_xds::server::{Ads, Limits, Provider, Streams};

/// The same set for everybody.
struct One(watch::Receiver<Arc<ResourceSet>>);

impl Provider for One {
    type Caller = String;

    async fn authenticate(&self, _: &MetadataMap, _: &Extensions) -> Result<String, Status> {
        Ok("anybody".to_owned())
    }

    async fn open(&self, _: &Node, _: &String) -> Result<watch::Receiver<Arc<ResourceSet>>, Status> {
        Ok(self.0.clone())
    }
}

/// Clusters with the ports of their endpoints, the cluster of the one route, and the time-out of all
/// connections: what changes it changes the clusters, and Envoy warms them anew.
fn set(generation: u64, port: u16, clusters: &[(&str, u16)], to: &str, timeout: u32) -> Arc<ResourceSet> {
    let mut set = ResourceSet { generation, ..ResourceSet::default() };
    for (name, port) in clusters {
        let cluster: Cluster = parse_yaml(&format!(
            "{{name: {name}, type: EDS, connect_timeout: {timeout}s, \
             eds_cluster_config: {{eds_config: {{ads: {{}}, resource_api_version: V3}}}}}}"
        ))
        .accepted()
        .unwrap();
        set.insert(Resource::pack(*name, &cluster));
        let endpoints: ClusterLoadAssignment = parse_yaml(&format!(
            "{{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
             {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}"
        ))
        .accepted()
        .unwrap();
        set.insert(Resource::pack(*name, &endpoints));
    }
    let manager = weft_proto::text::parse_yaml::<
        weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager,
    >(
        "{stat_prefix: in, rds: {route_config_name: web, config_source: {ads: {}, resource_api_version: V3}}, \
         http_filters: [{name: router, typed_config: \
         {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}",
    )
    .accepted()
    .unwrap();
    let mut listener: Listener = parse_yaml(&format!(
        "{{name: in, address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}, \
         filter_chains: [{{filters: [{{name: h}}]}}]}}"
    ))
    .accepted()
    .unwrap();
    listener.filter_chains[0].filters[0].config_type =
        Some(weft_proto::envoy::config::listener::v3::filter::ConfigType::TypedConfig(pack(&manager)));
    set.insert(Resource::pack("in", &listener));
    let route: RouteConfiguration = parse_yaml(&format!(
        "{{name: web, virtual_hosts: [{{name: v, domains: ['*'], routes: \
         [{{match: {{prefix: /}}, route: {{cluster: {to}}}}}]}}]}}"
    ))
    .accepted()
    .unwrap();
    set.insert(Resource::pack("web", &route));
    Arc::new(set)
}

struct Served {
    sets: watch::Sender<Arc<ResourceSet>>,
    streams: Streams,
    _stop: watch::Sender<bool>,
    port: u16,
}

async fn serve(first: Arc<ResourceSet>) -> Served {
    let (sets, receiver) = watch::channel(first);
    let (stop, stopped) = watch::channel(false);
    let streams = Streams::default();
    let ads = Ads::new(Arc::new(One(receiver)), streams.clone(), Limits::default(), stopped);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(tonic::transport::Server::builder().serve_with_incoming(ads.into_server(), incoming));
    Served { sets, streams, _stop: stop, port }
}

/// Waits until the client has all of the last set, and says what it refused.
async fn in_sync(served: &Served) -> Vec<String> {
    let generation = served.sets.borrow().generation;
    for _ in 0..400 {
        tokio::time::sleep(Duration::from_millis(25)).await;
        let streams = served.streams.all();
        let Some(stream) = streams.last() else { continue };
        let session = &stream.session;
        if session.generation == generation
            && session.types.len() == 4
            && session.types.values().all(|status| status.in_sync && status.sent.nonce == status.acked.nonce)
        {
            return session.nacks.iter().map(|nack| nack.message.clone()).collect();
        }
    }
    panic!("not in sync: {:#?}", served.streams.all());
}

async fn requests_follow_sets(api_type: &str) {
    let one = backend("one").await;
    let two = backend("two").await;
    let three = backend("three").await;
    let port = envoy::free_port();
    let served = serve(set(1, port, &[("a", one)], "a", 1)).await;
    let envoy = Envoy::start(api_type, served.port);
    let none: [String; 0] = [];
    assert_eq!(in_sync(&served).await, none, "{}", envoy.said());
    assert_eq!(call(port).await, "200 one");

    // A new cluster and a route to it; the old cluster goes away. No request may meet a gap.
    let calls = tokio::spawn(async move {
        let mut answers = std::collections::BTreeMap::<String, u32>::new();
        for _ in 0..300 {
            *answers.entry(call(port).await).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        answers
    });
    let mut generation = 1;
    for round in 0..6 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        generation += 1;
        let (name, backend) = if round % 2 == 0 { ("b", two) } else { ("a", one) };
        served.sets.send_replace(set(generation, port, &[(name, backend)], name, 1));
        assert_eq!(in_sync(&served).await, none, "{}", envoy.said());
    }
    let answers = calls.await.unwrap();
    assert_eq!(answers.keys().map(String::as_str).collect::<Vec<_>>(), ["200 one", "200 two"], "{answers:?}");

    // An endpoint moves: nothing but endpoints travels.
    let sent = |served: &Served| served.streams.all()[0].session.types[CLUSTER].responses;
    let before = sent(&served);
    served.sets.send_replace(set(generation + 1, port, &[("a", three)], "a", 1));
    assert_eq!(in_sync(&served).await, none);
    assert_eq!((call(port).await.as_str(), sent(&served)), ("200 three", before));

    // A cluster changes and its endpoints do not: Envoy waits for them all the same. It would give up
    // only after 15 s, and count that.
    served.sets.send_replace(set(generation + 2, port, &[("a", three)], "a", 2));
    assert_eq!(in_sync(&served).await, none);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stats = envoy.stats().await;
    let value =
        |name: &str| stats.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or("0");
    assert_eq!(value("cluster_manager.warming_clusters"), "0", "{stats}");
    assert_eq!((value("cluster.a.init_fetch_timeout"), call(port).await.as_str()), ("0", "200 three"));

    // A refused set is recorded, and not sent again and again.
    let mut bad = ResourceSet::clone(&set(generation + 3, port, &[("a", three)], "a", 2));
    let broken = Cluster { name: "a".to_owned(), connect_timeout: None, ..Cluster::default() };
    let broken = Cluster { lb_policy: 77, ..broken };
    bad.insert(Resource::pack("a", &broken));
    served.sets.send_replace(Arc::new(bad));
    tokio::time::sleep(Duration::from_millis(700)).await;
    let session = served.streams.all()[0].session.clone();
    assert_eq!(session.nacks.len(), 1, "{:?}", session.nacks);
    assert!(!session.nacks[0].message.is_empty() && &*session.nacks[0].names[0] == "a");
    assert_eq!(call(port).await, "200 three");
    served.sets.send_replace(set(generation + 4, port, &[("a", one)], "a", 3));
    assert_eq!(in_sync(&served).await.len(), 1);
    assert_eq!(call(port).await, "200 one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_follows_by_delta() {
    requests_follow_sets("DELTA_GRPC").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_follows_by_state_of_the_world() {
    requests_follow_sets("GRPC").await;
}
