//! Redirection as in a pod: a client that knows nothing of the proxy calls a real and a virtual
//! address, and the proxy under uid 1337 takes both.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use weft_lab::netns::{Host, OUTBOUND_PORT, PROXY_UID, pair};
use weft_lab::process::{Process, binary};

/// An address that no host has; a listener of the proxy stands for it.
const VIRTUAL: &str = "10.99.0.1:80";

#[test]
fn envoy_takes_redirected_connections() {
    let path = std::env::var("WEFT_ENVOY").unwrap_or_else(|_| at_root("target/tools/venv/bin/envoy"));
    let arguments = ["-c", "CONFIG", "--concurrency", "1", "--disable-hot-restart", "-l", "error"];
    redirected(&binary(Path::new(&path)), &arguments).expect("Envoy");
}

#[test]
fn weft_proxy_takes_redirected_connections() {
    let path = std::env::var("WEFT_PROXY").unwrap_or_else(|_| at_root("target/debug/weft-proxy"));
    redirected(Path::new(&path), &["--config", "CONFIG", "--concurrency", "1"]).expect("weft-proxy");
}

#[test]
fn without_a_proxy_redirected_connections_are_refused() {
    let (client, server) = pair().expect("two hosts");
    let target = serve(&server).expect("server");
    assert!(call(&client, target).expect("before redirection").contains("seen GET /"));
    client.redirect().expect("rules");
    assert!(call(&client, target).is_err(), "the rules did not take the connection away");
}

fn redirected(program: &Path, arguments: &[&str]) -> Result<()> {
    let (client, server) = pair()?;
    let target = serve(&server)?;
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777))?;
    // The checkout may lie in a folder that uid 1337 cannot look into.
    let copy = dir.path().join("proxy");
    std::fs::copy(program, &copy).with_context(|| format!("{} is needed", program.display()))?;
    let config = dir.path().join("envoy.json");
    std::fs::write(&config, bootstrap(target).to_string())?;

    client.redirect()?;
    let mut command = client.command(&copy.display().to_string(), Some(PROXY_UID));
    let config = config.display().to_string();
    command.args(arguments.iter().map(|word| if *word == "CONFIG" { config.as_str() } else { word }));
    let mut process = Process::start(command, dir.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ready = || async {
        let admin: SocketAddr = ([127, 0, 0, 1], 15000).into();
        request(&client, admin, "/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    };
    runtime.block_on(process.until_ready(ready))?;

    let passed = call(&client, target)?;
    expect(&passed, "seen GET / by none", "a real address passes through to itself")?;
    let taken = call(&client, VIRTUAL.parse()?)?;
    expect(&taken, "seen GET / by listener", "a virtual address has its own listener")?;
    let refused = call(&client, "10.77.0.2:9".parse()?);
    if refused.is_ok() {
        bail!("a port at which nobody listens gave an answer");
    }
    runtime.block_on(process.stop());
    Ok(())
}

fn expect(answer: &str, part: &str, what: &str) -> Result<()> {
    if answer.contains(part) { Ok(()) } else { bail!("{what}: {answer:?}") }
}

/// Istio's shape: one bound listener that hands connections to unbound ones by their original
/// destination, and passes on what none of them takes.
fn bootstrap(target: SocketAddr) -> Value {
    let address = |ip: &str, port: u16| json!({"socket_address": {"address": ip, "port_value": port}});
    let typed = |name: &str, message: &str, mut config: Value| {
        config["@type"] = format!("type.googleapis.com/{message}").into();
        json!({"name": name, "typed_config": config})
    };
    let router =
        typed("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", json!({}));
    let passthrough = typed(
        "envoy.filters.network.tcp_proxy",
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        json!({"stat_prefix": "passthrough", "cluster": "PassthroughCluster"}),
    );
    let manager = typed(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": "outbound",
            "http_filters": [router],
            "route_config": {"name": "80", "virtual_hosts": [{"name": "all", "domains": ["*"],
                "request_headers_to_add": [{"header": {"key": "x-taken-by", "value": "listener"}}],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "server"}}]}]},
        }),
    );
    let virtual_address: SocketAddr = VIRTUAL.parse().expect("a fixed address");
    json!({
        "node": {"id": "lab", "cluster": "lab"},
        "admin": {"address": address("127.0.0.1", 15000)},
        "static_resources": {
            "listeners": [
                {"name": "virtualOutbound", "address": address("0.0.0.0", OUTBOUND_PORT), "use_original_dst": true,
                 "filter_chains": [{"filters": [passthrough]}]},
                // Found only if the listener that takes the connection over looks at it itself.
                {"name": VIRTUAL, "bind_to_port": false,
                 "listener_filters": [typed("envoy.filters.listener.http_inspector",
                     "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector", json!({}))],
                 "filter_chains": [{"filters": [manager],
                     "filter_chain_match": {"application_protocols": ["http/1.1"]}}],
                 "address": address(&virtual_address.ip().to_string(), virtual_address.port())},
            ],
            "clusters": [
                {"name": "PassthroughCluster", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED",
                 "connect_timeout": "2s"},
                {"name": "server", "type": "STATIC", "connect_timeout": "2s",
                 "load_assignment": {"cluster_name": "server", "endpoints": [{"lb_endpoints": [
                     {"endpoint": {"address": address(&target.ip().to_string(), target.port())}}]}]}},
            ],
        },
    })
}

/// A server on a host that tells what it saw; it ends with the test.
fn serve(host: &Host) -> Result<SocketAddr> {
    let at = SocketAddr::new(host.address, 0);
    let listener = host.enter(|| Ok(TcpListener::bind(at)?))?;
    let at = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(at)
}

fn answer(mut stream: TcpStream) -> Result<()> {
    let head = read_head(&mut stream)?;
    let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let taken = head.lines().find_map(|line| line.strip_prefix("x-taken-by: ")).unwrap_or("none");
    let body = format!("seen {line} by {taken}");
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())?;
    Ok(())
}

fn call(from: &Host, to: SocketAddr) -> Result<String> {
    request(from, to, "/")
}

fn request(from: &Host, to: SocketAddr, path: &str) -> Result<String> {
    let mut stream = from.enter(|| Ok(TcpStream::connect_timeout(&to, Duration::from_secs(3))?))?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: server.test\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.is_empty() {
        bail!("closed without an answer");
    }
    Ok(answer)
}

fn read_head(stream: &mut TcpStream) -> Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn at_root(path: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

#[test]
fn hosts_of_a_network_reach_each_other_and_the_hub_sees_it() {
    let network = weft_lab::netns::Network::make().expect("a bridge");
    let (one, other) = (network.host().expect("a host"), network.host().expect("a host"));
    let target = serve(&other).expect("server");
    let capture = weft_lab::mesh::capture::Capture::begin(network.hub()).expect("a packet socket");
    assert!(call(&one, target).expect("an answer").contains("seen GET /"));
    let segments = capture.end().expect("segments");
    assert!(segments.iter().any(|s| s.holds("server.test") && s.to.1 == target.port()), "{segments:?}");
}
