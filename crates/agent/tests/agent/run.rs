//! The whole agent: real Envoy under it, real ADS above it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use weft_agent::call::call as http_call;
use weft_agent::envoy::Orders;
use weft_agent::identity::obtain;
use weft_agent::node::Role;
use weft_agent::probes::VARIABLE;
use weft_agent::run::{AgentConfig, AgentError, run};
use weft_agent::settings::{Flags, Settings};
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::listener::v3::Listener;
use weft_proto::resource::{Resource, ResourceSet};
use weft_proto::text;

use crate::envoy;
use crate::identity::PATIENCE;
use crate::plane::{NAME, Plane, id};
use crate::secrets::{call, client, connect, connect_patiently, listener, shown};

/// A loopback address of this test alone: its ports are Istio's fixed ones.
fn own_address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 80 + (high % 32), low, NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

struct Agent {
    ip: IpAddr,
    stop: mpsc::Sender<()>,
    task: JoinHandle<Result<u8, AgentError>>,
}

impl Agent {
    fn start(plane: &Plane, ip: IpAddr, environment: &[(&str, &str)], workload_socket: PathBuf) -> Self {
        let config = plane.config(600);
        let flags = Flags {
            discovery: Some(plane.address.to_string()),
            discovery_name: Some(NAME.to_owned()),
            root_cert: Some(config.server.roots),
            token: Some(config.token),
            pod_name: Some("reviews-1".to_owned()),
            namespace: Some("default".to_owned()),
            service_account: Some("reviews".to_owned()),
            ip: Some(ip.to_string()),
            bind: Some(ip),
            admin: Some(SocketAddr::new(ip, 15000)),
            concurrency: Some(1),
            ..Flags::default()
        };
        let environment: BTreeMap<String, String> =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let settings = Settings::resolve(flags, Role::Sidecar, &environment, None).unwrap();
        let config = AgentConfig {
            settings,
            envoy: envoy::binary(),
            launcher: Vec::new(),
            workload_socket,
            environment,
            seed: 7,
        };
        let orders = Orders::new();
        let stop = orders.giver();
        let task = tokio::spawn(run(config, orders));
        Self { ip, stop, task }
    }

    async fn get(&self, port: u16, path: &str) -> Result<String, String> {
        let answer = http_call(Method::GET, SocketAddr::new(self.ip, port), path).await;
        answer.map(|body| String::from_utf8_lossy(&body).into_owned()).map_err(|error| error.to_string())
    }

    async fn ready(&self) {
        let begun = Instant::now();
        // By way of Envoy's own port, which asks the agent's.
        while let Err(reason) = self.get(15021, "/healthz/ready").await {
            let agent = self.get(15020, "/healthz/ready").await;
            assert!(begun.elapsed() < PATIENCE, "{reason}; agent: {agent:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Process id of its Envoy: the child of ours whose bootstrap has this agent's address.
    fn envoy(&self) -> Option<Pid> {
        let children = std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok());
        let pids: Vec<i32> = children
            .flat_map(|text| text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
            .collect();
        pids.into_iter().find_map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let arguments: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
            let file = arguments.iter().find(|argument| argument.ends_with("envoy-bootstrap.json"))?;
            let text = std::fs::read_to_string(file.as_ref()).ok()?;
            text.contains(&format!("\"{}\"", self.ip)).then(|| Pid::from_raw(pid))
        })
    }
}

const CLUSTER: &str = "outbound|9080|v1|reviews.default.svc.cluster.local";

fn resources(address: SocketAddr, word: &str) -> Arc<ResourceSet> {
    let json = listener(address, "default", "ROOTCA", "DELTA_GRPC", word).to_string();
    let listener: Listener = text::parse_json(&json).accepted().unwrap();
    let cluster: Cluster =
        text::parse_json(&format!(r#"{{"name": "{CLUSTER}", "connect_timeout": "1s"}}"#)).accepted().unwrap();
    let mut set = ResourceSet::default();
    set.insert(Resource::pack(CLUSTER, &cluster));
    set.insert(Resource::pack("mtls", &listener));
    Arc::new(set)
}

/// Until the listener says this word.
async fn says(plane: &Plane, address: SocketAddr, word: &str) {
    let mine = obtain(&plane.config(600), None).await.unwrap();
    let begun = Instant::now();
    loop {
        // `connect` waits for the word "here" at the end of the answer.
        let outcome = timeout(Duration::from_secs(1), connect(&client(&mine), address)).await;
        if matches!(outcome, Ok(Ok(_))) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "no {word:?} from {address}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn envoy_under_the_agent_serves_what_the_control_plane_says() {
    let mut plane = Plane::start().await;
    let ip = own_address();
    let address = SocketAddr::new(ip, 9080);
    plane.resources.send_replace(resources(address, "first: here"));
    let nowhere = plane.folder.path().join("none");
    let probers = json!({
        "/app-health/web/livez": {"tcpSocket": {"port": 15000}},
        "/app-health/web/readyz": {"httpGet": {"port": 15000, "path": "/ready"}},
        "/app-lifecycle/web/prestopz": {"tcpSocket": {"port": 9}},
    });
    let variables = [("TERMINATION_DRAIN_DURATION_SECONDS", "2"), (VARIABLE, &probers.to_string())];
    let agent = Agent::start(&plane, ip, &variables, nowhere);
    agent.ready().await;
    // Envoy's own admin page is the application that is probed.
    assert_eq!(agent.get(15020, "/app-health/web/livez").await.as_deref(), Ok(""));
    assert_eq!(agent.get(15020, "/app-health/web/readyz").await.as_deref(), Ok("LIVE\n"));
    assert!(agent.get(15020, "/app-lifecycle/web/prestopz").await.unwrap_err().contains("500"));
    let mine = obtain(&plane.config(600), None).await.unwrap();
    let mut open = connect_patiently(&client(&mine), address).await;
    assert_eq!(shown(&open).identity(), Some(id("reviews")));

    let metrics = agent.get(15020, "/stats/prometheus").await.unwrap();
    assert!(metrics.contains("envoy_server_live"), "{metrics}");
    assert!(metrics.contains("istio_agent_cert_expiry_seconds{resource_name=\"default\"} 35"), "{metrics}");
    assert!(agent.get(15090, "/stats/prometheus").await.unwrap().contains("envoy_server_live"));

    // The control plane goes away: Envoy keeps what it has, and gets what is new when it is back.
    plane.go_away().await;
    call(&mut open).await.unwrap();
    let other = SocketAddr::new(ip, 9081);
    plane.resources.send_replace(resources(other, "second: here"));
    sleep(Duration::from_millis(500)).await;
    call(&mut open).await.unwrap();
    agent.ready().await;
    plane.come_back().await;
    says(&plane, other, "second").await;

    // The end: what is open is served while it drains, then Envoy ends in order.
    let mut open = connect_patiently(&client(&mine), other).await;
    let begun = Instant::now();
    agent.stop.send(()).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    call(&mut open).await.unwrap();
    let waiting = agent.get(15020, "/healthz/ready").await.unwrap_err();
    assert!(waiting.contains("503"), "{waiting}");
    let code = timeout(PATIENCE, agent.task).await.unwrap().unwrap().unwrap();
    assert_eq!(code, 0);
    assert!(begun.elapsed() >= Duration::from_secs(2), "it waited for {:?}", begun.elapsed());
}

#[tokio::test]
async fn an_envoy_that_dies_is_started_again_and_a_second_order_ends_at_once() {
    let plane = Plane::start().await;
    let ip = own_address();
    let address = SocketAddr::new(ip, 9080);
    plane.resources.send_replace(resources(address, "here"));
    let nowhere = plane.folder.path().join("none");
    let matcher =
        r#"{"proxyStatsMatcher": {"inclusionPrefixes": ["cluster.outbound", "http.", "listener."]}}"#;
    let environment = [("TERMINATION_DRAIN_DURATION_SECONDS", "600"), ("PROXY_CONFIG", matcher)];
    let agent = Agent::start(&plane, ip, &environment, nowhere);
    agent.ready().await;
    let metrics = agent.get(15020, "/stats/prometheus").await.unwrap();
    let listener = format!("{{listener_address=\"{ip}_9080\"}}");
    for line in [
        format!("envoy_cluster_upstream_cx_total{{cluster_name=\"{CLUSTER}\"}}"),
        format!("envoy_cluster_circuit_breakers_default_cx_open{{cluster_name=\"{CLUSTER}\"}}"),
        "envoy_http_downstream_rq{response_code_class=\"2xx\",http_conn_manager_prefix=\"agent\"}".to_owned(),
        format!("envoy_listener_downstream_cx_active{listener}"),
    ] {
        assert!(metrics.contains(&line), "no {line} in\n{metrics}");
    }
    let first = agent.envoy().unwrap();
    kill(first, Signal::SIGKILL).unwrap();
    let begun = Instant::now();
    while agent.envoy().is_none_or(|pid| pid == first) {
        assert!(begun.elapsed() < PATIENCE, "Envoy does not come back");
        sleep(Duration::from_millis(20)).await;
    }
    agent.ready().await;
    says(&plane, address, "here").await;
    agent.stop.send(()).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    assert!(!agent.task.is_finished());
    agent.stop.send(()).await.unwrap();
    assert_eq!(timeout(PATIENCE, agent.task).await.unwrap().unwrap().unwrap(), 0);
}

#[tokio::test]
async fn without_a_control_plane_it_waits_and_says_so() {
    let mut plane = Plane::start().await;
    plane.go_away().await;
    let ip = own_address();
    let address = SocketAddr::new(ip, 9080);
    plane.resources.send_replace(resources(address, "here"));
    let nowhere = plane.folder.path().join("none");
    let agent = Agent::start(&plane, ip, &[], nowhere);
    let begun = Instant::now();
    let reason = loop {
        // The agent's own port tells the reason in its body, which the small client does not keep.
        let page = page(SocketAddr::new(ip, 15020)).await.unwrap_or_default();
        if page.contains("no certificate: ") {
            break page;
        }
        assert!(begun.elapsed() < PATIENCE, "{page}");
        sleep(Duration::from_millis(50)).await;
    };
    assert!(reason.contains(&format!("cannot connect to {}", plane.address)), "{reason}");
    plane.come_back().await;
    agent.ready().await;
    says(&plane, address, "here").await;
    agent.task.abort();
}

/// The readiness page as it is, whatever its status.
async fn page(address: SocketAddr) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(b"GET /healthz/ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn an_agent_of_spire_that_is_there_wins() {
    let plane = Plane::start().await;
    let ip = own_address();
    let address = SocketAddr::new(ip, 9080);
    plane.resources.send_replace(resources(address, "here"));
    // Another agent of secrets, with a certificate of its own.
    let other = Arc::new(obtain(&plane.config(600), None).await.unwrap());
    let (_sender, certificates) = tokio::sync::watch::channel(Some(other.clone()));
    let socket = plane.folder.path().join("socket");
    let bound = weft_agent::socket::BoundSocket::bind(&socket).unwrap();
    let _secrets = weft_agent::sds::SecretServer::start(bound, certificates).unwrap();
    let agent = Agent::start(&plane, ip, &[], socket);
    agent.ready().await;
    let mine = obtain(&plane.config(600), None).await.unwrap();
    let open = connect_patiently(&client(&mine), address).await;
    use rustls::pki_types::pem::PemObject as _;
    let leaf = rustls::pki_types::CertificateDer::from_pem_slice(other.chain.as_bytes()).unwrap();
    let leaf = weft_tls::Certificate::of_chain(&[leaf]).unwrap();
    assert_eq!(shown(&open).fingerprint(), leaf.fingerprint());
    agent.task.abort();
}

#[tokio::test]
async fn what_hinders_the_start_is_said() {
    let plane = Plane::start().await;
    let ip = own_address();
    let nowhere = plane.folder.path().join("none");
    let taken = std::net::TcpListener::bind(SocketAddr::new(ip, 15020)).unwrap();
    let agent = Agent::start(&plane, ip, &[], nowhere.clone());
    let refused = agent.task.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains(&format!("cannot listen on {ip}:15020")), "{refused}");
    drop(taken);
    for variable in ["ISTIO_PROMETHEUS_ANNOTATIONS", "ISTIO_KUBE_APP_PROBERS"] {
        let agent = Agent::start(&plane, ip, &[(variable, "{")], nowhere.clone());
        let refused = agent.task.await.unwrap().unwrap_err().to_string();
        assert!(refused.contains(variable), "{refused}");
    }
}
