//! The table of rules once more, in real Envoy: the calls in plaintext, each row at an address of its
//! own, all in one process.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use weft_compile::proxy::Proxy;
use weft_model::Snapshot;
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;

use crate::policies::ROWS;
use crate::world::{boot, embedded, envoy, mesh};

/// Longest wait for Envoy, and for an answer of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each row's own workload: its pod, its service, its policy.
fn workload(index: usize, address: IpAddr, application: u16) -> String {
    let row = &ROWS[index];
    let app = format!("row-{index}");
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{name: {app}, namespace: books}}
spec: {{selector: {{app: {app}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: {app}, namespace: books, labels: {{app: {app}}}, annotations: {{weft.dev/ports: '8080={application}'}}}}
spec: {{}}
status: {{podIP: {address}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {app}, namespace: books}}
spec: {{selector: {{matchLabels: {{app: {app}}}}}, action: {}, rules: {}}}
",
        row.action, row.rules
    )
}

/// An address of the embedded mode that no other test of this machine uses at the same time.
pub(crate) fn address(index: usize) -> IpAddr {
    let [_, high, low, _] = (std::process::id() & 0x0f_ffff).to_be_bytes();
    let row = u8::try_from(index + 1).expect("few rows");
    IpAddr::V4(Ipv4Addr::new(127, 64 | (high & 0x0f), low, row))
}

/// One bootstrap with the listeners of all.
fn together(snapshot: &Snapshot) -> Bootstrap {
    let mut all = Bootstrap::default();
    for index in 0..ROWS.len() {
        let name = format!("row-{index}").into();
        let proxy = Proxy { name, addresses: vec![address(index)], ..embedded() };
        let one = boot(snapshot, &proxy);
        let Some(resources) = &mut all.static_resources else {
            all = one;
            continue;
        };
        // The clusters are the same: one application answers for all.
        resources.listeners.extend(one.static_resources.unwrap_or_default().listeners);
    }
    all
}

/// Answers 200 to whatever comes, one connection after the other.
fn application() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    port
}

/// The status of a call `- METHOD HOST PATH [HEADER=VALUE]`.
fn ask(address: SocketAddr, text: &str) -> u16 {
    let words: Vec<&str> = text.split(' ').collect();
    let &[_, method, host, path, ref headers @ ..] = words.as_slice() else { panic!("{text}: not a call") };
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers.iter().filter_map(|pair| pair.split_once('=')) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let answer = exchange(address, &format!("{request}\r\n"));
    let status: u16 = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
    if status == 403 {
        assert!(answer.ends_with("RBAC: access denied"), "{answer}");
    }
    status
}

/// Sends a request, and reads its answer.
pub(crate) fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a listener");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("a request");
    read(&mut stream)
}

/// Reads one answer; Envoy closes a second after a reply of its own, which is not waited for.
fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut fields = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
            let length = fields.next().and_then(|length| length.parse::<usize>().ok()).unwrap_or_default();
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut buffer).expect("an answer") {
            0 => return text,
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn real_envoy_agrees_about_every_call_in_plaintext() {
    let application = application();
    let plaintext = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: plaintext, namespace: books}\nspec: {mtls: {mode: DISABLE}}\n";
    let rows = (0..ROWS.len()).map(|index| workload(index, address(index), application));
    let snapshot = mesh(&format!("{plaintext}{}", rows.collect::<String>()));
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = envoy(&together(&snapshot), dir.path());
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    let mut running = Running(command.spawn().expect("Envoy: set WEFT_ENVOY"));

    let last = SocketAddr::new(address(ROWS.len() - 1), 8080);
    let begun = Instant::now();
    while TcpStream::connect(last).is_err() {
        assert!(
            begun.elapsed() < PATIENCE && matches!(running.0.try_wait(), Ok(None)),
            "Envoy does not listen"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut calls = 0;
    for (index, row) in ROWS.iter().enumerate() {
        for (list, want) in [(row.allowed, 200), (row.denied, 403)] {
            for text in list.iter().filter(|text| text.starts_with("- ")) {
                let status = ask(SocketAddr::new(address(index), 8080), text);
                assert_eq!(status, want, "{}: {text}", row.what);
                calls += 1;
            }
        }
    }
    assert!(calls > 40, "{calls}");
}
