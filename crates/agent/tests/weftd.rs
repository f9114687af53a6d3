//! The programs as users run them: `weftd`, real Envoys under `weft-proxy agent`, and our own proxy calling them.
//!
//! Wants `weftd` and `weft-proxy` beside the tests (`cargo build -p weft-control -p weft-proxy`).
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use weft_agent::call::call;
use weft_types::embedded::virtual_address;

const PATIENCE: Duration = Duration::from_secs(30);

/// A program that was built along with this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "no {}: cargo build -p weft-control -p weft-proxy", path.display());
    path
}

fn envoy() -> PathBuf {
    let path = std::env::var_os("WEFT_ENVOY").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/envoy"),
        PathBuf::from,
    );
    assert!(path.exists(), "no Envoy at {}: set WEFT_ENVOY, or run `cargo xtask tools`", path.display());
    path
}

fn free_address() -> SocketAddr {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A pod address of this run alone.
fn pod(last: u8) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + (high & 15), low, last)
}

fn objects(server: Ipv4Addr, clients: [Ipv4Addr; 2], application: u16) -> String {
    let client = |name: &str, ip: Ipv4Addr| {
        format!(
            r#"
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}-1, namespace: default, labels: {{app: {name}}}}}
spec: {{serviceAccountName: {name}, containers: [{{name: app, image: x}}]}}
status: {{podIP: {ip}, phase: Running, conditions: [{{type: Ready, status: "True"}}]}}"#
        )
    };
    let [one, other] = clients;
    format!(
        r#"
apiVersion: v1
kind: Service
metadata: {{name: reviews, namespace: default}}
spec:
  clusterIP: 10.96.0.10
  selector: {{app: reviews}}
  ports: [{{name: http, port: 9080, targetPort: 9080}}]
---
apiVersion: v1
kind: Pod
metadata:
  name: reviews-1
  namespace: default
  labels: {{app: reviews}}
  annotations: {{weft.dev/ports: "9080={application}"}}
spec: {{serviceAccountName: reviews, containers: [{{name: app, image: x, ports: [{{containerPort: 9080}}]}}]}}
status: {{podIP: {server}, phase: Running, conditions: [{{type: Ready, status: "True"}}]}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: istio-system}}
spec: {{mtls: {{mode: STRICT}}}}{}{}
"#,
        client("one", one),
        client("other", other)
    )
}

struct Mesh {
    folder: tempfile::TempDir,
    grpc: SocketAddr,
    _weftd: Child,
}

impl Mesh {
    async fn start(objects: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("objects")).unwrap();
        fs::write(at("objects/all.yaml"), objects).unwrap();
        let mut tokens = String::new();
        for account in ["reviews", "one", "other"] {
            fs::write(at(&format!("{account}.token")), format!("token-{account}")).unwrap();
            tokens += &format!("token-{account},system:serviceaccount:default:{account},{account}\n");
        }
        fs::write(at("tokens.csv"), tokens).unwrap();
        let (grpc, http) = (free_address(), free_address());
        let weftd = Command::new(program("weftd"))
            .arg("--config-dir")
            .arg(at("objects"))
            .arg("--state-dir")
            .arg(at("state"))
            .arg("--token-auth-file")
            .arg(at("tokens.csv"))
            .args(["--grpc", &grpc.to_string(), "--http", &http.to_string()])
            .stderr(File::create(at("weftd.log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mesh = Self { folder, grpc, _weftd: weftd };
        mesh.until("weftd is ready", async || call(Method::GET, http, "/ready").await.is_ok()).await;
        mesh
    }

    fn proxy(&self, kind: &str, account: &str, ip: Ipv4Addr) -> Child {
        let at = |name: String| self.folder.path().join(name);
        let mut command = Command::new(program("weft-proxy"));
        command.arg(kind);
        if kind == "agent" {
            command.arg("--envoy").arg(envoy());
        }
        command
            .args(["--discovery", &self.grpc.to_string(), "--root-cert"])
            .arg(at("state/root-cert.pem".to_owned()))
            .arg("--token")
            .arg(at(format!("{account}.token")))
            .args(["--pod-name", &format!("{account}-1"), "--namespace", "default"])
            .args(["--service-account", account, "--ip", &ip.to_string()])
            .args(["--labels", &format!("app={account}"), "--interception-mode", "NONE"])
            .args(["--bind", &ip.to_string(), "--admin", &format!("{ip}:15000")])
            .args(["--concurrency", "1", "--drain-time-s", "2"])
            .env("TERMINATION_DRAIN_DURATION_SECONDS", "2")
            // An agent that is killed leaves its folder: it goes with ours.
            .env("TMPDIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(at(format!("{account}.log"))).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Until a condition holds; else all logs are shown.
    async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !condition().await {
            if begun.elapsed() > PATIENCE {
                let logs: String = ["weftd", "reviews", "one", "other"]
                    .iter()
                    .filter_map(|name| {
                        fs::read_to_string(self.folder.path().join(format!("{name}.log"))).ok()
                    })
                    .collect();
                panic!("not within {PATIENCE:?}: {what}\n{logs}");
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// An application that answers every request with one word.
async fn application() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 8192];
                while matches!(stream.read(&mut buffer).await, Ok(read) if read > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

async fn get(ip: impl Into<IpAddr>, port: u16, path: &str) -> Result<String, String> {
    let body = call(Method::GET, SocketAddr::new(ip.into(), port), path).await;
    body.map(|body| String::from_utf8_lossy(&body).into_owned()).map_err(|error| error.to_string())
}

async fn terminate(mut proxy: Child) -> i32 {
    kill(Pid::from_raw(proxy.id().unwrap().cast_signed()), Signal::SIGTERM).unwrap();
    timeout(PATIENCE, proxy.wait()).await.unwrap().unwrap().code().unwrap()
}

#[tokio::test]
async fn envoys_and_our_proxy_speak_mutual_tls_under_weftd() {
    let (server, one, other) = (pod(1), pod(2), pod(3));
    let mesh = Mesh::start(&objects(server, [one, other], application().await)).await;
    let reviews = mesh.proxy("agent", "reviews", server);
    let caller = mesh.proxy("agent", "one", one);
    let own = mesh.proxy("sidecar", "other", other);
    for ip in [server, one, other] {
        mesh.until(&format!("{ip} is ready"), async || get(ip, 15021, "/healthz/ready").await.is_ok()).await;
    }
    // Each caller has the service at an address of its own.
    for ip in [one, other] {
        let address = virtual_address(ip, "reviews.default.svc.cluster.local");
        mesh.until(&format!("{ip} calls reviews"), async || {
            get(address, 9080, "/").await.as_deref() == Ok("hello")
        })
        .await;
    }
    // Who comes without a certificate gets nothing: it was mutual TLS.
    assert!(get(server, 9080, "/").await.is_err());
    let metrics = get(one, 15020, "/stats/prometheus").await.unwrap();
    assert!(metrics.contains("envoy_server_live") && metrics.contains("istio_agent_cert_expiry_seconds"));

    // A server that ends serves while it drains.
    let address = virtual_address(one, "reviews.default.svc.cluster.local");
    let ending = tokio::spawn(terminate(reviews));
    sleep(Duration::from_millis(700)).await;
    assert_eq!(get(address, 9080, "/").await.as_deref(), Ok("hello"));
    assert_eq!(ending.await.unwrap(), 0);
    assert_eq!(terminate(own).await, 0);

    // An agent that is killed takes its Envoy along.
    assert!(get(one, 15000, "/ready").await.is_ok());
    let mut caller = caller;
    caller.kill().await.unwrap();
    mesh.until("Envoy has ended", async || get(one, 15000, "/ready").await.is_err()).await;
}
