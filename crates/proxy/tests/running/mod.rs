//! A running `weft-proxy` and a backend, for tests from outside.

// Each test file uses its part, and a test's helper may unwrap as the test itself.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program under test, ended when dropped.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    _dir: tempfile::TempDir,
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Proxy {
    /// Starts the program with a bootstrap made for a listener port and an admin port, and waits until
    /// it is ready.
    pub(crate) fn start(bootstrap: impl Fn(u16, u16) -> String, arguments: &[&str]) -> Self {
        let (port, admin) = (free_port(), free_port());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("envoy.yaml");
        std::fs::write(&path, bootstrap(port, admin)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_weft-proxy"))
            .arg("--config")
            .arg(&path)
            .args(if arguments.contains(&"--concurrency") { &[][..] } else { &["--concurrency", "1"] })
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut proxy = Self { child, port, admin, _dir: dir };
        let deadline = Instant::now() + Duration::from_secs(10);
        while proxy.admin_get("/ready").is_none_or(|text| !text.contains("LIVE")) {
            assert!(Instant::now() < deadline, "not ready in time");
            assert!(proxy.child.try_wait().unwrap().is_none(), "ended at start");
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Asks it to end, as an operator would; its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.pid().cast_signed()),
            nix::sys::signal::SIGTERM,
        )
        .unwrap();
        self.child.wait().unwrap().code()
    }

    /// A page of the admin listener, head included.
    pub(crate) fn admin_get(&self, path: &str) -> Option<String> {
        exchange(self.admin, &format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")).ok()
    }

    /// Gives the admin listener an order; its answer, head included.
    pub(crate) fn admin_post(&self, path: &str) -> String {
        let request =
            format!("POST {path} HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        exchange(self.admin, &request).unwrap()
    }

    /// Sends raw bytes to the listener and reads to the end.
    pub(crate) fn send(&self, request: &str) -> String {
        exchange(self.port, request).unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn exchange(port: u16, request: &str) -> std::io::Result<String> {
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(_) if !answer.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A server that answers each connection's first request with what `answer` makes of it, then closes.
pub(crate) fn backend(answer: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let request = read_request(&mut stream);
            let _ = stream.write_all(answer(&request).as_bytes());
        }
    });
    port
}

/// A head and as much body as it announces (chunked bodies until their last chunk).
fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length =
                lower.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let chunked = lower.contains("transfer-encoding: chunked");
            if (chunked && body.ends_with("0\r\n\r\n")) || (!chunked && body.len() >= length.unwrap_or(0)) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
            _ => return text,
        }
    }
}

/// A bootstrap with one listener, one backend and these HTTP filters (YAML lines of the list).
pub(crate) fn bootstrap(port: u16, admin: u16, backend: u16, filters: &str) -> String {
    format!(
        r#"
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {admin} }} }} }}
static_resources:
  listeners:
  - name: main
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: backend }} }}] }}
          http_filters:
{filters}
          - name: router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: backend
    load_assignment:
      cluster_name: backend
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {backend} }} }} }} }}] }}]
"#
    )
}
