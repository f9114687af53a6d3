//! Envoy as a peer: `WEFT_ENVOY`, else `target/tools/venv/bin/envoy`, which `cargo xtask tools` installs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use weft_tables::hcm::Xfcc;
use weft_tls::{ConnectOptions, xfcc};

use crate::pki::{Authority, LeafSpec};
use crate::setup::{LIMIT, acceptor, checked, client, connector, server, trusting};

fn envoy() -> PathBuf {
    if let Some(path) = std::env::var_os("WEFT_ENVOY") {
        return path.into();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/envoy");
    assert!(path.exists(), "no Envoy to test with: run `cargo xtask tools`, or set WEFT_ENVOY to its path");
    path
}

/// A TLS listener that answers with what it knows of the client, and one without TLS whose cluster
/// is our server.
fn config(folder: &Path, ports: [u16; 3]) -> String {
    let folder = folder.display();
    let [tls, plain, ours] = ports;
    let common = format!(
        "common_tls_context: {{alpn_protocols: [http/1.1], \
         tls_params: {{tls_maximum_protocol_version: TLSv1_3}}, \
         tls_certificates: [{{certificate_chain: {{filename: {folder}/chain}}, private_key: {{filename: {folder}/key}}}}], \
         validation_context: {{trusted_ca: {{filename: {folder}/ca}}}}}}"
    );
    let type_of = |path: &str| format!("\"@type\": type.googleapis.com/envoy.extensions.{path}");
    let manager = |extra: &str, route: &str| {
        format!(
            "{{name: h, typed_config: {{{}, stat_prefix: a, {extra} \
             route_config: {{virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, {route}}}]}}]}}, \
             http_filters: [{{name: r, typed_config: {{{}}}}}]}}}}",
            type_of("filters.network.http_connection_manager.v3.HttpConnectionManager"),
            type_of("filters.http.router.v3.Router")
        )
    };
    let address = |port| format!("address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    let mut text = String::from("static_resources:\n  listeners:\n");
    let echo = manager(
        "forward_client_cert_details: SANITIZE_SET, \
         set_current_client_cert_details: {subject: true, cert: true, chain: true, dns: true, uri: true},",
        "direct_response: {status: 200, body: {inline_string: ok}}, response_headers_to_add: [\
         {header: {key: x-xfcc, value: '%REQ(x-forwarded-client-cert)%'}}, \
         {header: {key: x-facts, value: '%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% \
         %DOWNSTREAM_PEER_SERIAL% %DOWNSTREAM_PEER_ISSUER%'}}]",
    );
    let _ = writeln!(
        text,
        "  - {{name: tls, {}, filter_chains: [{{transport_socket: {{name: t, typed_config: {{{}, \
         require_client_certificate: true, {common}}}}}, filters: [{echo}]}}]}}",
        address(tls),
        type_of("transport_sockets.tls.v3.DownstreamTlsContext"),
    );
    let _ = writeln!(
        text,
        "  - {{name: plain, {}, filter_chains: [{{filters: [{}]}}]}}",
        address(plain),
        manager("", "route: {cluster: ours}")
    );
    let _ = writeln!(
        text,
        "  clusters:\n  - {{name: ours, type: STATIC, load_assignment: {{cluster_name: ours, endpoints: \
         [{{lb_endpoints: [{{endpoint: {{{}}}}}]}}]}}, transport_socket: {{name: t, typed_config: {{{}, \
         sni: good.example, {common}}}}}}}",
        address(ours),
        type_of("transport_sockets.tls.v3.UpstreamTlsContext"),
    );
    text
}

async fn free_ports() -> [u16; 2] {
    let a = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let b = TcpListener::bind("127.0.0.1:0").await.unwrap();
    [a.local_addr().unwrap().port(), b.local_addr().unwrap().port()]
}

#[tokio::test]
async fn envoy_and_we_agree_on_facts() {
    let envoy = envoy();
    let folder = tempfile::tempdir().unwrap();
    let root = Authority::root("Root, Inc");
    let between = root.intermediate("Between");
    let spec = LeafSpec {
        subject: &[
            (rcgen::DnType::CountryName, "DE"),
            (rcgen::DnType::OrganizationName, "Weft + \"Co\"; <ü>"),
            (rcgen::DnType::CommonName, "client"),
        ],
        uris: &["spiffe://cluster.local/ns/default/sa/client"],
        dns: &["good.example", "*.b.example"],
        serial: Some(0x00f3_0102),
        ..LeafSpec::default()
    };
    // Both sides use the same certificate, so what one says of the other can be compared.
    let leaf = between.leaf(&spec);
    for (name, text) in [("ca", &root.pem), ("chain", &leaf.chain), ("key", &leaf.key)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut tls = server(&[&leaf], checked(trusting(&root)));
    tls.require_client_certificate = true;
    tls.common.alpn = vec!["http/1.1".into()];
    let acceptor = acceptor(&tls);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let [tls_port, plain_port] = free_ports().await;
    let ports = [tls_port, plain_port, listener.local_addr().unwrap().port()];
    let path = folder.path().join("envoy.yaml");
    std::fs::write(&path, config(folder.path(), ports)).unwrap();
    let _envoy = Command::new(envoy)
        .args(["--concurrency", "1", "--disable-hot-restart", "-l", "error", "-c"])
        .arg(&path)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut up = None;
    for _ in 0..400 {
        tokio::time::sleep(Duration::from_millis(25)).await;
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", tls_port)).await {
            up = Some(stream);
            break;
        }
    }
    // Envoy calls us.
    let call = async {
        let mut plain = TcpStream::connect(("127.0.0.1", plain_port)).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        plain.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut stream, facts) = acceptor.accept(stream, LIMIT).await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        facts
    };
    let (facts, ()) = tokio::join!(serve, call);
    let all = Xfcc { cert: true, chain: true, subject: true, uri: true, dns: true, ..Xfcc::default() };
    let ours = xfcc::element(&facts, &all).unwrap();

    // We call Envoy, which says the same of the same certificate.
    let connector = connector(&client(&[&leaf], checked(trusting(&root))));
    let (mut stream, _) = connector.connect(up.unwrap(), ConnectOptions::default(), LIMIT).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let field = |name: &str| {
        let line = answer.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{answer}")).split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(field("x-xfcc"), ours);
    let peer = facts.certificate.unwrap();
    assert_eq!(
        field("x-facts"),
        format!("{} {} {} {}", facts.version, facts.cipher, peer.serial, peer.issuer)
    );
}
