//! Mutual TLS between two real Envoys' ends, as both are rendered: what a client offers is what a server
//! looks for, and the server knows who calls.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weft_compile::filter::{Context, Direction, HttpManagerSpec, Routes, http_manager_filter};
use weft_compile::proxy::Proxy;
use weft_model::MeshConfig;
use weft_proto::envoy::config::route::v3::RouteConfiguration;

use crate::oracle::{Running, address, exchange};
use crate::world::{APP, as_json, boot, embedded, mesh, start};

const PATIENCE: Duration = Duration::from_secs(30);

/// Writes an authority and leaves `NAME.pem`, `NAME.key` for these identities.
fn certificates(dir: &Path, identities: &[(&str, &str)]) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.pem", &params.self_signed(&key).expect("a root").pem());
    let issuer = Issuer::new(params, key);
    for (name, identity) in identities {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        let uri = format!("spiffe://cluster.local/{identity}");
        params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().expect("a URI"))];
        write(&format!("{name}.pem"), &params.signed_by(&key, &issuer).expect("a leaf").pem());
        write(&format!("{name}.key"), &key.serialize_pem());
    }
}

/// An application that answers with the request that it saw.
fn echo() -> u16 {
    use std::io::Read as _;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut buffer = [0; 8192];
            let count = stream.read(&mut buffer).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {count}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&buffer[..count]);
        }
    });
    port
}

/// Secrets come from the bootstrap, where a mesh has an agent.
fn without_agent(config: &mut Value) {
    match config {
        Value::Object(fields) => {
            fields.remove("sds_config");
            fields.values_mut().for_each(without_agent);
        }
        Value::Array(items) => items.iter_mut().for_each(without_agent),
        _ => {}
    }
}

/// A client's end: a listener as outbound ones are, and a cluster with that client's certificate.
fn client(dir: &Path, name: &str, at: SocketAddr, to: SocketAddr, http2: bool) -> (Value, Value) {
    let routes = format!(
        "{{name: r, virtual_hosts: [{{name: all, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: {at}}}}}]}}]}}"
    );
    let routes: RouteConfiguration = weft_proto::text::parse_yaml(&routes).accepted().expect("routes");
    let proxy: Proxy = embedded();
    let mesh = MeshConfig::default();
    let spec = HttpManagerSpec::new(Direction::Outbound, "client", Routes::Inline(routes));
    let manager = as_json(
        "envoy.config.listener.v3.Filter",
        &http_manager_filter(Context { mesh: &mesh, proxy: &proxy }, spec),
    );
    let file = |name: String| json!({ "filename": dir.join(name) });
    let socket = |at: SocketAddr| json!({"socket_address": {"address": at.ip(), "port_value": at.port()}});
    let listener =
        json!({"name": at.to_string(), "address": socket(at), "filter_chains": [{"filters": [manager]}]});
    let protocol =
        if http2 { json!({"http2_protocol_options": {}}) } else { json!({"http_protocol_options": {}}) };
    let cluster = json!({
        "name": at.to_string(),
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": protocol,
        }},
        "load_assignment": {"cluster_name": at.to_string(), "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(to)}}]}]},
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "outbound_.80_._.app.books.svc.cluster.local",
            "common_tls_context": {
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificates": [{"certificate_chain": file(format!("{name}.pem")), "private_key": file(format!("{name}.key"))}],
                "validation_context": {"trusted_ca": file("ca.pem".to_owned())},
            },
        }},
    });
    (listener, cluster)
}

#[test]
fn the_server_knows_who_calls_and_lets_in_whom_the_policy_names() {
    let dir = tempfile::tempdir().expect("a directory");
    certificates(
        dir.path(),
        &[("server", "ns/books/sa/app"), ("friend", "ns/a/sa/x"), ("stranger", "ns/b/sa/y")],
    );
    // Behind the rows of the table of rules.
    let pod = address(200);
    let policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: books}\n\
                  spec: {rules: [{from: [{source: {namespaces: [a]}}]}]}\n";
    let yaml = APP.replace("127.64.0.2", &pod.to_string()).replace("8080=34567", &format!("8080={}", echo()));
    let snapshot = mesh(&format!("{yaml}{policy}"));
    let proxy = Proxy { addresses: vec![pod], ..embedded() };
    let mut config = as_json("envoy.config.bootstrap.v3.Bootstrap", &boot(&snapshot, &proxy));
    without_agent(&mut config);
    let resources = &mut config["static_resources"];
    let file = |name: &str| json!({ "filename": dir.path().join(name) });
    resources["secrets"] = json!([
        {"name": "default", "tls_certificate": {"certificate_chain": file("server.pem"), "private_key": file("server.key")}},
        {"name": "ROOTCA", "validation_context": {"trusted_ca": file("ca.pem")}},
    ]);
    let at = |port: u16| SocketAddr::new(pod, port);
    for (name, from, to, http2) in [
        ("friend", 1, 8080, false),
        ("stranger", 2, 8080, false),
        ("stranger", 3, 5000, true),
        ("friend", 4, 7000, false),
    ] {
        let (listener, cluster) = client(dir.path(), name, at(2000 + from), at(to), http2);
        resources["listeners"].as_array_mut().expect("a list").push(listener);
        resources["clusters"].as_array_mut().expect("a list").push(cluster);
    }
    let path = dir.path().join("bootstrap.json");
    std::fs::write(&path, format!("{config:#}")).expect("a file");
    let mut command = start(&path);
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    let mut running = Running(command.spawn().expect("Envoy: set WEFT_ENVOY"));
    let begun = Instant::now();
    while TcpStream::connect(at(2004)).is_err() {
        assert!(
            begun.elapsed() < PATIENCE && matches!(running.0.try_wait(), Ok(None)),
            "Envoy does not listen"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let get = "GET /hello HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n";

    let answer = exchange(at(2001), get);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("URI=spiffe://cluster.local/ns/a/sa/x"), "{answer}");
    assert!(answer.contains("By=spiffe://cluster.local/ns/books/sa/app"), "{answer}");
    // What the ends tell each other is theirs: neither the application nor the caller sees it.
    assert!(!answer.contains("x-envoy-peer-metadata"), "{answer}");

    let denied = exchange(at(2002), get);
    assert!(denied.starts_with("HTTP/1.1 403") && denied.ends_with("RBAC: access denied"), "{denied}");
    // The same by HTTP/2 to a gRPC port: the version is told by the first bytes.
    let denied = exchange(at(2003), get);
    assert!(denied.starts_with("HTTP/1.1 403"), "{denied}");
    // A port without protocol knows HTTP of the mesh by ALPN: nobody serves there, and HTTP says so.
    let nobody = exchange(at(2004), get);
    assert!(nobody.starts_with("HTTP/1.1 503"), "{nobody}");
    // Plaintext has no identity.
    let plain = exchange(at(8080), get);
    assert!(plain.starts_with("HTTP/1.1 403"), "{plain}");
}
