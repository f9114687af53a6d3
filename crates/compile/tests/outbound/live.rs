//! Real Envoy serves calls by what is compiled: by virtual address, through the HTTP proxy, and by
//! CONNECT. Addresses are loopback and belong to this test alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use weft_compile::{Capabilities, Proxy, compile};
use weft_proto::any::{pack, unpack};
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::envoy::config::bootstrap::v3::bootstrap::StaticResources;
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::envoy::config::listener::v3::filter::ConfigType;
use weft_proto::envoy::config::listener::v3::{FilterChain, Listener};
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use weft_proto::resource::ResourceSet;
use weft_proto::type_url;

use crate::envoy::{executable, json};
use crate::world::{self, BOOKINFO};

const PLAINTEXT: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings, namespace: default}
spec: {host: ratings, trafficPolicy: {tls: {mode: DISABLE}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details, namespace: default}
spec: {hosts: [details], http: [{directResponse: {status: 299, body: {string: ruled}}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: none}}]}]}
";

/// What the discovery service would serve, in the resources themselves.
fn served(set: &ResourceSet) -> StaticResources {
    let routes: Vec<RouteConfiguration> = world::unpack(set, type_url::ROUTE_CONFIGURATION);
    let lists: Vec<ClusterLoadAssignment> = world::unpack(set, type_url::CLUSTER_LOAD_ASSIGNMENT);
    let inline = |chain: &mut FilterChain| {
        for filter in &mut chain.filters {
            let Some(ConfigType::TypedConfig(any)) = &mut filter.config_type else { continue };
            let Ok(mut manager) = unpack::<HttpConnectionManager>(any) else { continue };
            if let Some(RouteSpecifier::Rds(rds)) = &manager.route_specifier {
                let config = routes.iter().find(|config| config.name == rds.route_config_name).unwrap();
                manager.route_specifier = Some(RouteSpecifier::RouteConfig(config.clone()));
            }
            *any = pack(&manager);
        }
    };
    let mut listeners: Vec<Listener> = world::unpack(set, type_url::LISTENER);
    // The pod's own ports want certificates.
    listeners.retain(|listener| !listener.name.starts_with("127.77."));
    for listener in &mut listeners {
        listener.filter_chains.iter_mut().chain(&mut listener.default_filter_chain).for_each(inline);
    }
    let mut clusters: Vec<Cluster> = world::unpack(set, type_url::CLUSTER);
    clusters.retain(|cluster| cluster.name.starts_with("outbound|"));
    for cluster in &mut clusters {
        cluster.transport_socket_matches.clear();
        cluster.load_assignment = lists.iter().find(|list| list.cluster_name == cluster.name).cloned();
        cluster.eds_cluster_config = None;
        cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into()));
    }
    StaticResources { listeners, clusters, ..Default::default() }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if answer.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn envoy_serves_an_embedded_sidecars_calls() {
    let own = |text: &str| text.replace("127.64.0.", "127.77.13.");
    let mesh = world::mesh(&[&own(BOOKINFO), PLAINTEXT]);
    let pod: std::net::Ipv4Addr = [127, 77, 13, 1].into();
    let proxy = Proxy { capabilities: Capabilities::PLAIN, addresses: vec![pod.into()], ..world::embedded() };
    let boot = Bootstrap {
        static_resources: Some(served(&compile(&mesh, &proxy))),
        node: Some(weft_proto::text::parse_yaml("{id: test, cluster: test}").accepted().unwrap()),
        ..Default::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bootstrap.json");
    std::fs::write(&path, json(&boot)).unwrap();
    // The one endpoint of ratings: answers each connection once, and says what it saw.
    let backend = TcpListener::bind("127.77.13.6:9080").unwrap();
    std::thread::spawn(move || {
        for stream in backend.incoming().take(20) {
            let Ok(mut stream) = stream else { continue };
            std::thread::spawn(move || {
                let mut head = [0; 8192];
                let count = stream.read(&mut head).unwrap_or(0);
                let line =
                    String::from_utf8_lossy(&head[..count]).lines().next().unwrap_or_default().to_owned();
                let body = format!("saw {line}");
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
                _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    let mut command = Command::new(executable());
    command.args(["-l", "critical", "--use-dynamic-base-id", "--concurrency", "1", "-c"]).arg(&path);
    let _envoy = Running(command.stdout(Stdio::null()).spawn().unwrap());
    let at = |host: &str| -> SocketAddr {
        let host = format!("{host}.default.svc.cluster.local");
        (weft_types::embedded::virtual_address(pod, &host), 9080).into()
    };
    let begun = Instant::now();
    while TcpStream::connect(at("ratings")).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "Envoy does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    let get = |to: SocketAddr, target: &str, host: &str| {
        exchange(to, &format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).unwrap()
    };
    let http_proxy: SocketAddr = (pod, 15_007).into();
    // By address, with that address as host and with the service's name.
    let vip = at("ratings");
    assert!(get(vip, "/a", &vip.to_string()).ends_with("saw GET /a HTTP/1.1"));
    assert!(get(vip, "/b", "ratings:9080").ends_with("saw GET /b HTTP/1.1"));
    // Through the HTTP proxy, in absolute form and by CONNECT.
    let absolute = get(http_proxy, "http://ratings:9080/c", "ratings:9080");
    assert!(absolute.ends_with("saw GET /c HTTP/1.1"), "{absolute}");
    let connected = exchange(
        http_proxy,
        "CONNECT ratings:9080 HTTP/1.1\r\nhost: ratings:9080\r\n\r\nGET /d HTTP/1.1\r\n\r\n",
    );
    let connected = connected.unwrap();
    assert!(connected.starts_with("HTTP/1.1 200"), "{connected}");
    assert!(connected.ends_with("saw GET /d HTTP/1.1"), "{connected}");
    // Rules hold on both ways; a subset that nobody defines is no cluster; strangers are turned away.
    assert!(get(at("details"), "/", "details:9080").starts_with("HTTP/1.1 299"));
    assert!(get(http_proxy, "http://details:9080/", "details:9080").ends_with("ruled"));
    assert!(get(at("reviews"), "/", "reviews").starts_with("HTTP/1.1 503"));
    assert!(get(http_proxy, "http://example.com/", "example.com").starts_with("HTTP/1.1 502"));
}
