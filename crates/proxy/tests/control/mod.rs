//! An ADS server in the test's process, and resources for it.

// Each test file uses its part, and a test's helper may unwrap as the test itself.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::envoy::config::listener::v3::Listener;
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::Secret;
use weft_proto::resource::{Resource, ResourceSet};
use weft_proto::text::parse_yaml;
use weft_xds::server::{Ads, Limits, Provider, StreamStatus, Streams};

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

/// A server that can be killed and started again.
pub(crate) struct Control {
    sets: watch::Sender<Arc<ResourceSet>>,
    running: Option<(Runtime, watch::Sender<bool>)>,
    streams: Streams,
    pub(crate) port: u16,
}

impl Control {
    pub(crate) fn start(set: ResourceSet) -> Self {
        let (sets, _) = watch::channel(Arc::new(set));
        let mut control = Self { sets, running: None, streams: Streams::default(), port: 0 };
        control.run();
        control
    }

    /// Starts it (again), on the same port.
    pub(crate) fn run(&mut self) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (stop, stopped) = watch::channel(false);
        self.streams = Streams::default();
        let provider = Arc::new(One(self.sets.subscribe()));
        let ads = Ads::new(provider, self.streams.clone(), Limits::default(), stopped);
        let address = format!("127.0.0.1:{}", self.port);
        let listener = runtime.block_on(async { tokio::net::TcpListener::bind(address).await.unwrap() });
        self.port = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            tonic::transport::Server::builder()
                .serve_with_incoming(ads.into_server(), incoming)
                .await
                .unwrap();
        });
        self.running = Some((runtime, stop));
    }

    /// Ends it with all its connections.
    pub(crate) fn kill(&mut self) {
        let (runtime, _stop) = self.running.take().unwrap();
        runtime.shutdown_timeout(Duration::from_secs(1));
    }

    /// Changes what the proxy shall have.
    pub(crate) fn change(&self, change: impl FnOnce(&mut ResourceSet)) {
        let mut set = ResourceSet::clone(&self.sets.borrow());
        set.generation += 1;
        change(&mut set);
        self.sets.send_replace(Arc::new(set));
    }

    /// The stream of the proxy, once it has answered all of the last set.
    pub(crate) fn answered(&self) -> StreamStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        let generation = self.sets.borrow().generation;
        loop {
            let stream = self.streams.all().pop();
            if let Some(stream) = &stream
                && stream.session.generation == generation
                && stream.session.types.len() >= 2
                && stream.session.types.values().all(|t| t.in_sync)
            {
                return stream.clone();
            }
            assert!(Instant::now() < deadline, "not in sync: {stream:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Changes, and waits until the proxy has accepted.
    pub(crate) fn accepted(&self, change: impl FnOnce(&mut ResourceSet)) {
        let refused = |stream: &StreamStatus| stream.session.nacks.len();
        let before = self.streams.all().last().map_or(0, refused);
        self.change(change);
        let stream = self.answered();
        assert_eq!(refused(&stream), before, "{:?}", stream.session.nacks);
    }
}

/// Packs a resource that is written in YAML.
macro_rules! pack {
    ($message:ty, $name:expr, $yaml:expr $(,)?) => {
        Resource::pack($name, &parse_yaml::<$message>($yaml).accepted().unwrap())
    };
}

/// A cluster whose endpoints come by EDS; `more` is further YAML of it.
pub(crate) fn cluster(name: &str, more: &str) -> Resource {
    pack!(
        Cluster,
        name,
        &format!(
            "{{name: {name}, type: EDS, connect_timeout: 2s, \
             eds_cluster_config: {{eds_config: {{ads: {{}}, resource_api_version: V3}}}} {more}}}"
        ),
    )
}

/// Its endpoints.
pub(crate) fn endpoints(name: &str, ports: &[u16]) -> Resource {
    let list: Vec<String> = ports
        .iter()
        .map(|port| {
            format!(
                "{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}"
            )
        })
        .collect();
    let list = list.join(", ");
    pack!(
        ClusterLoadAssignment,
        name,
        &format!("{{cluster_name: {name}, endpoints: [{{lb_endpoints: [{list}]}}]}}")
    )
}

/// A listener for HTTP with routes by RDS; `chain` is further YAML of its one chain.
pub(crate) fn listener(name: &str, port: u16, routes: &str, chain: &str) -> Resource {
    pack!(
        Listener,
        name,
        &format!(
            "{{name: {name}, address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}, \
             filter_chains: [{{name: {name}, filters: [{}] {chain}}}]}}",
            manager(routes)
        ),
    )
}

/// A connection manager.
pub(crate) fn manager(routes: &str) -> String {
    format!(
        "{{name: hcm, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.network.\
         http_connection_manager.v3.HttpConnectionManager, stat_prefix: in, \
         upgrade_configs: [{{upgrade_type: websocket}}], \
         rds: {{route_config_name: {routes}, config_source: {{ads: {{}}, resource_api_version: V3}}}}, \
         http_filters: [{{name: router, typed_config: \
         {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]}}}}"
    )
}

/// Routes all requests to clusters by weight.
pub(crate) fn routes(name: &str, clusters: &[(&str, u32)]) -> Resource {
    let weighted: Vec<String> =
        clusters.iter().map(|(name, weight)| format!("{{name: {name}, weight: {weight}}}")).collect();
    let weighted = weighted.join(", ");
    pack!(
        RouteConfiguration,
        name,
        &format!(
            "{{name: {name}, virtual_hosts: [{{name: v, domains: ['*'], routes: \
             [{{match: {{prefix: /}}, route: {{weighted_clusters: {{clusters: [{weighted}]}}}}}}]}}]}}"
        ),
    )
}

/// A resource of any kind from YAML.
pub(crate) fn listener_yaml(name: &str, yaml: &str) -> Resource {
    pack!(Listener, name, yaml)
}

/// A chain and its key.
pub(crate) fn certificate(name: &str, chain: &str, key: &str) -> Resource {
    let text = |pem: &str| pem.replace('\n', "\\n");
    pack!(
        Secret,
        name,
        &format!(
            "{{name: '{name}', tls_certificate: {{certificate_chain: {{inline_string: \"{}\"}}, \
             private_key: {{inline_string: \"{}\"}}}}}}",
            text(chain),
            text(key)
        ),
    )
}

/// Roots.
pub(crate) fn roots(name: &str, pem: &str) -> Resource {
    let pem = pem.replace('\n', "\\n");
    pack!(
        Secret,
        name,
        &format!("{{name: '{name}', validation_context: {{trusted_ca: {{inline_string: \"{pem}\"}}}}}}"),
    )
}

/// YAML of a transport socket whose secrets come by SDS; `side` is `Downstream` or `Upstream`.
pub(crate) fn tls(side: &str, certificate: &str, roots: &str) -> String {
    let sds = "sds_config: {ads: {}, resource_api_version: V3}";
    let demand = if side == "Downstream" { "require_client_certificate: true, " } else { "" };
    format!(
        ", transport_socket: {{name: tls, typed_config: {{'@type': type.googleapis.com/\
         envoy.extensions.transport_sockets.tls.v3.{side}TlsContext, {demand}common_tls_context: {{\
         tls_params: {{tls_maximum_protocol_version: TLSv1_3}}, \
         tls_certificate_sds_secret_configs: [{{name: '{certificate}', {sds}}}], \
         validation_context_sds_secret_config: {{name: '{roots}', {sds}}}}}}}}}"
    )
}

/// Removes a resource.
pub(crate) fn remove(set: &mut ResourceSet, type_url: &str, name: &str) {
    let removed = set.by_type.get_mut(type_url).and_then(|all| all.remove(name));
    assert!(removed.is_some(), "{type_url} {name}");
}

/// A set of these.
pub(crate) fn set(resources: impl IntoIterator<Item = Resource>) -> ResourceSet {
    let mut set = ResourceSet { generation: 1, ..ResourceSet::default() };
    resources.into_iter().for_each(|resource| set.insert(resource));
    set
}

/// A bootstrap that takes everything from the server.
pub(crate) fn bootstrap(admin: u16, server: u16, api: &str) -> String {
    format!(
        "
node: {{ id: test, cluster: test }}
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {admin} }} }} }}
dynamic_resources:
  ads_config: {{ api_type: {api}, transport_api_version: V3, grpc_services: [{{ envoy_grpc: {{ cluster_name: xds }} }}] }}
  cds_config: {{ ads: {{}}, resource_api_version: V3 }}
  lds_config: {{ ads: {{}}, resource_api_version: V3 }}
static_resources:
  clusters:
  - name: xds
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: xds
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {server} }} }} }} }}] }}]
"
    )
}
