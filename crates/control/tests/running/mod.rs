//! `weftd` as a child process, and a client of its port.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use weft_agent::channel::Server;
use weft_agent::identity::{self, IdentityConfig};
use weft_agent::node::NodeArgs;
use weft_ca::WorkloadCertificate;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use weft_proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use weft_types::SpiffeId;

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(10);

const MESH: &str = "\
apiVersion: v1
kind: Service
metadata: {name: ratings, namespace: default}
spec: {clusterIP: 10.1.0.1, selector: {app: ratings}, ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ratings-1, namespace: default, labels: {app: ratings}}
spec: {serviceAccountName: ratings, containers: [{name: a, image: a, ports: [{containerPort: 9080}]}]}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {clusterIP: 10.1.0.2, selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: reviews-1, namespace: default, labels: {app: reviews}}
spec: {serviceAccountName: reviews, containers: [{name: a, image: a, ports: [{containerPort: 9080}]}]}
status: {podIP: 10.0.0.2}
";

/// A running control plane in folders of its own.
pub(crate) struct Weftd {
    child: Child,
    dir: tempfile::TempDir,
    pub(crate) grpc: String,
    http: String,
    said: Arc<Mutex<String>>,
}

impl Weftd {
    pub(crate) fn start(words: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("mesh")).unwrap();
        std::fs::write(dir.path().join("mesh/mesh.yaml"), MESH).unwrap();
        std::fs::write(dir.path().join("token"), "").unwrap();
        let tokens = "token-of-reviews,system:serviceaccount:default:reviews,1\n";
        std::fs::write(dir.path().join("tokens.csv"), tokens).unwrap();
        Self::start_in(dir, words)
    }

    fn start_in(dir: tempfile::TempDir, words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_weftd"))
            .args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .arg("--config-dir")
            .arg(dir.path().join("mesh"))
            .arg("--state-dir")
            .arg(dir.path().join("state"))
            .arg("--token-auth-file")
            .arg(dir.path().join("tokens.csv"))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (ready, listens) = std::sync::mpsc::channel();
        let (errors, theirs) = (child.stderr.take().unwrap(), said.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if let Some(addresses) = line.strip_prefix("weftd: ready, grpc ") {
                    let (grpc, http) = addresses.split_once(", http ").unwrap();
                    ready.send((grpc.to_owned(), http.to_owned())).unwrap();
                }
                let mut said = theirs.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let Ok((grpc, http)) = listens.recv_timeout(LIMIT) else {
            let _ = child.kill();
            panic!("not ready: {}", said.lock().unwrap());
        };
        Self { child, dir, grpc, http, said }
    }

    /// What it wrote to standard error.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Writes a file into its folder of objects.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join("mesh").join(name), text).unwrap();
    }

    pub(crate) fn write_tokens(&self, text: &str) {
        std::fs::write(self.dir.path().join("tokens.csv"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A page.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.http);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until a page holds a text.
    pub(crate) async fn until(&self, path: &str, text: &str) {
        for _ in 0..100 {
            if self.get(path).contains(text) {
                return;
            }
            tokio::time::sleep(LIMIT / 100).await;
        }
        panic!("{path} never holds {text:?}: {}", self.get(path));
    }

    /// Waits until a page holds a text no more.
    pub(crate) async fn until_gone(&self, path: &str, text: &str) {
        for _ in 0..100 {
            if !self.get(path).contains(text) {
                return;
            }
            tokio::time::sleep(LIMIT / 100).await;
        }
        panic!("{path} still holds {text:?}: {}", self.get(path));
    }

    /// Waits until it has said something.
    pub(crate) async fn until_said(&self, text: &str) {
        for _ in 0..100 {
            if self.said().contains(text) {
                return;
            }
            tokio::time::sleep(LIMIT / 100).await;
        }
        panic!("it never says {text:?}: {}", self.said());
    }

    /// Asks it to end; its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// Kills it, and starts another one on the same folders.
    pub(crate) fn restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        drop(self);
        Self::start_in(dir, &[])
    }
}

impl Drop for Weftd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How clients know it.
pub(crate) fn server(weftd: &Weftd) -> Server {
    Server {
        address: weftd.grpc.clone(),
        name: "istiod.istio-system.svc".to_owned(),
        roots: weftd.path("state/root-cert.pem"),
    }
}

/// Gets a certificate by a token.
pub(crate) async fn obtain(weftd: &Weftd, token: &str, id: &str) -> Result<WorkloadCertificate, String> {
    let path: &Path = &weftd.path("token");
    std::fs::write(path, token).unwrap();
    let config = IdentityConfig {
        server: server(weftd),
        token: path.to_owned(),
        id: SpiffeId::parse(id).unwrap(),
        cluster_id: "Kubernetes".to_owned(),
        validity: None,
    };
    identity::obtain(&config, None).await.map_err(|error| error.to_string())
}

/// A sidecar's node.
pub(crate) fn node(pod: &str, namespace: &str, service_account: &str) -> Node {
    let text = str::to_owned;
    weft_agent::node::node(&NodeArgs {
        ips: vec![text("10.0.0.2")],
        pod: text(pod),
        namespace: text(namespace),
        service_account: text(service_account),
        labels: [(text("app"), text("reviews"))].into(),
        domain: text("cluster.local"),
        interception_mode: text("REDIRECT"),
        ..NodeArgs::default()
    })
}

/// Names of the resources in a response.
pub(crate) fn names(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    response.resources.iter().map(|resource| resource.name.as_str()).collect()
}

/// A delta stream that acknowledges what it gets.
#[derive(Debug)]
pub(crate) struct Stream {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Stream {
    pub(crate) async fn open(channel: Channel, token: Option<&str>, node: Node) -> Result<Self, Status> {
        let (requests, outgoing) = mpsc::channel(16);
        // Nothing is subscribed to yet, but some type must be named.
        let first = DeltaDiscoveryRequest {
            node: Some(node),
            type_url: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".to_owned(),
            ..Default::default()
        };
        requests.send(first).await.unwrap();
        let mut request = Request::new(ReceiverStream::new(outgoing));
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        let mut client = AggregatedDiscoveryServiceClient::new(channel);
        let responses = client.delta_aggregated_resources(request).await?.into_inner();
        Ok(Self { requests, responses })
    }

    async fn receive(&mut self) -> Result<DeltaDiscoveryResponse, Status> {
        let next = tokio::time::timeout(LIMIT, self.responses.message()).await;
        let next = next.map_err(|_| Status::deadline_exceeded("no response"))??;
        next.ok_or_else(|| Status::cancelled("the stream has ended"))
    }

    async fn answer(&self, response: &DeltaDiscoveryResponse, refusal: Option<&str>) {
        let error_detail = refusal.map(|message| weft_proto::google::rpc::Status {
            code: 13,
            message: message.to_owned(),
            ..Default::default()
        });
        let answer = DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            error_detail,
            ..Default::default()
        };
        self.requests.send(answer).await.unwrap();
    }

    /// The next response, acknowledged.
    pub(crate) async fn next(&mut self) -> Result<DeltaDiscoveryResponse, Status> {
        let response = self.receive().await?;
        self.answer(&response, None).await;
        Ok(response)
    }

    /// Refuses the next response.
    pub(crate) async fn refuse_next(&mut self, message: &str) {
        let response = self.receive().await.unwrap();
        self.answer(&response, Some(message)).await;
    }

    /// Asks for names of a type; the response to that.
    pub(crate) async fn subscribe(
        &mut self,
        type_url: &str,
        names: &[&str],
    ) -> Result<DeltaDiscoveryResponse, Status> {
        let request = DeltaDiscoveryRequest {
            type_url: type_url.to_owned(),
            resource_names_subscribe: names.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        // If the stream is over, the response says why.
        let _ = self.requests.send(request).await;
        loop {
            let response = self.next().await?;
            if response.type_url == type_url {
                return Ok(response);
            }
        }
    }
}
