//! How long a resource waits for what it refers to, seen from outside: a server that does not give all
//! that it is asked for.

#![allow(clippy::unwrap_used)] // functions that tests share

mod control;
mod running;

use std::pin::Pin;
use std::time::{Duration, Instant};

use control::bootstrap;
use running::{Proxy, free_port};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::listener::v3::Listener;
use weft_proto::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use weft_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
    ResourceError, ResourceName,
};
use weft_proto::google::rpc;
use weft_proto::text::parse_yaml;
use weft_proto::type_url;

/// Gives one cluster and one listener, but not the cluster's endpoints.
#[derive(Clone)]
struct Silent {
    /// YAML of the wait that the cluster's source says.
    wait: String,
    /// Says that the endpoints cannot be given, instead of saying nothing.
    says_so: bool,
    port: u16,
}

impl Silent {
    fn answer(&self, request: &DeltaDiscoveryRequest) -> Option<DeltaDiscoveryResponse> {
        if !request.response_nonce.is_empty() {
            assert_eq!(request.error_detail, None);
            return None;
        }
        let mut response = DeltaDiscoveryResponse {
            type_url: request.type_url.clone(),
            nonce: "1".to_owned(),
            ..DeltaDiscoveryResponse::default()
        };
        match request.type_url.as_str() {
            type_url::CLUSTER => response.resources.push(self.cluster()),
            type_url::LISTENER => response.resources.push(self.listener()),
            type_url::CLUSTER_LOAD_ASSIGNMENT if self.says_so => {
                let name = ResourceName { name: "late".to_owned(), ..ResourceName::default() };
                let error =
                    rpc::Status { code: 5, message: "no such service".to_owned(), ..Default::default() };
                let error = ResourceError { resource_name: Some(name), error_detail: Some(error) };
                response.resource_errors.push(error);
            }
            _ => return None,
        }
        Some(response)
    }

    fn cluster(&self) -> Resource {
        let cluster: Cluster = parse_yaml(&format!(
            "{{name: late, type: EDS, eds_cluster_config: {{eds_config: \
             {{ads: {{}}, resource_api_version: V3 {}}}}}}}",
            self.wait
        ))
        .accepted()
        .unwrap();
        resource("late", weft_proto::any::pack(&cluster))
    }

    fn listener(&self) -> Resource {
        let listener: Listener = parse_yaml(&format!(
            "{{name: in, address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}, \
             filter_chains: [{{filters: [{{name: tcp, typed_config: {{'@type': type.googleapis.com/\
             envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: late}}}}]}}]}}",
            self.port
        ))
        .accepted()
        .unwrap();
        resource("in", weft_proto::any::pack(&listener))
    }

    /// Starts to serve; its port.
    fn start(self) -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                tonic::transport::Server::builder()
                    .serve_with_incoming(AggregatedDiscoveryServiceServer::new(self), incoming)
                    .await
                    .unwrap();
            });
        });
        port
    }
}

fn resource(name: &str, body: weft_proto::google::protobuf::Any) -> Resource {
    Resource { name: name.to_owned(), version: "1".to_owned(), resource: Some(body), ..Resource::default() }
}

type Responses<R> = Pin<Box<dyn Stream<Item = Result<R, Status>> + Send>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for Silent {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("changes only"))
    }

    async fn delta_aggregated_resources(
        &self,
        requests: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let this = self.clone();
        let answers = requests.into_inner().filter_map(move |request| this.answer(&request.ok()?).map(Ok));
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Starts a proxy under such a server, and waits until it is ready; how long that took.
fn ready_after(wait: &str, says_so: bool) -> (Proxy, Duration) {
    let silent = Silent { wait: wait.to_owned(), says_so, port: free_port() };
    let server = silent.start();
    let began = Instant::now();
    let proxy = Proxy::start(move |_, admin| bootstrap(admin, server, "DELTA_GRPC"), &[]);
    (proxy, began.elapsed())
}

fn stat(proxy: &Proxy, name: &str) -> Option<u64> {
    let stats = proxy.admin_get(&format!("/stats?filter=^{name}$")).unwrap();
    stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.trim().parse().ok())
}

#[test]
fn endpoints_are_waited_for_as_long_as_their_source_says() {
    let (proxy, took) = ready_after(", initial_fetch_timeout: 1.5s", false);
    assert!((Duration::from_millis(1500)..Duration::from_secs(8)).contains(&took), "{took:?}");
    // What no delivery brought is shown all the same.
    assert_eq!(stat(&proxy, "cluster_manager.warming_clusters"), Some(0));
    assert_eq!(stat(&proxy, "cluster_manager.active_clusters"), Some(1));
    assert_eq!(stat(&proxy, "listener_manager.total_listeners_active"), Some(1));
}

#[test]
fn what_the_server_says_it_cannot_give_is_not_waited_for() {
    // Without a limit.
    let (proxy, took) = ready_after(", initial_fetch_timeout: 0s", true);
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(stat(&proxy, "cluster_manager.active_clusters"), Some(1));
}
