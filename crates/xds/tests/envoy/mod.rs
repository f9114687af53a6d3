//! Envoy as a child process, backends and calls.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A port that was free just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that answers everything with its name.
pub(crate) async fn backend(name: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    seen.extend_from_slice(&buffer[..read]);
                    if seen.ends_with(b"\r\n\r\n") {
                        seen.clear();
                        let length = name.len();
                        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}");
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    port
}

/// One request on a connection of its own: status and body.
pub(crate) async fn call(port: u16) -> String {
    get(port, "/").await.unwrap_or_else(|error| format!("no answer: {error}"))
}

async fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok(format!("{} {body}", head.split(' ').nth(1).unwrap_or_default()))
}

/// A running Envoy.
pub(crate) struct Envoy {
    child: Child,
    dir: tempfile::TempDir,
    admin: u16,
}

/// The binary in the Python package: its console script would start Python first.
fn binary() -> PathBuf {
    let script = std::env::var_os("WEFT_ENVOY").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/envoy"),
        PathBuf::from,
    );
    assert!(script.exists(), "{}: set WEFT_ENVOY, or `cargo xtask` installs it", script.display());
    script
}

impl Envoy {
    /// An Envoy that takes everything by ADS.
    pub(crate) fn start(api_type: &str, ads: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let admin = free_port();
        let config = format!(
            "node: {{id: 'sidecar~127.0.0.1~a.default~default.svc.cluster.local', cluster: a}}\n\
             admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}\n\
             dynamic_resources:\n\
             \x20 ads_config: {{api_type: {api_type}, transport_api_version: V3, grpc_services: \
             [{{envoy_grpc: {{cluster_name: xds}}}}]}}\n\
             \x20 cds_config: {{ads: {{}}, resource_api_version: V3}}\n\
             \x20 lds_config: {{ads: {{}}, resource_api_version: V3}}\n\
             static_resources:\n\
             \x20 clusters:\n\
             \x20 - name: xds\n\
             \x20   connect_timeout: 1s\n\
             \x20   typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: \
             {{'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, \
             explicit_http_config: {{http2_protocol_options: {{}}}}}}}}\n\
             \x20   load_assignment: {{cluster_name: xds, endpoints: [{{lb_endpoints: [{{endpoint: {{address: \
             {{socket_address: {{address: 127.0.0.1, port_value: {ads}}}}}}}}}]}}]}}\n"
        );
        let path = dir.path().join("envoy.yaml");
        std::fs::File::create(&path).unwrap().write_all(config.as_bytes()).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new(binary())
            .arg("-c")
            .arg(&path)
            .args(["--disable-hot-restart", "--concurrency", "1", "-l", "warning", "--drain-time-s", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, dir, admin }
    }

    /// What it complained about.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Its counters.
    pub(crate) async fn stats(&self) -> String {
        get(self.admin, "/stats").await.unwrap()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
