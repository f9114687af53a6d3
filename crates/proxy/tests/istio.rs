//! Istio's extensions seen from outside: two sidecars over mutual TLS, and real Envoy at one end.

#![allow(clippy::unwrap_used)] // functions that tests share

mod mesh;
mod running;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use mesh::envoy::Envoy;
use mesh::metrics::{assert_labels, assert_valid, samples};
use mesh::{INBOUND, OUTBOUND, admin, client_tls, cluster, http_listener, node, server_tls, tcp_listener};
use running::{Proxy, backend, free_port};

const HOST: &str = "reviews.shop.svc.cluster.local";
const WORKLOAD: &str = "reviews-v2;shop;reviews;v2;Kubernetes";

/// Answers with the head that it got.
fn application() -> u16 {
    backend(|request| {
        let head = request.split("\r\n\r\n").next().unwrap_or_default();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len())
    })
}

/// One element of a list, two deeper.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn bootstrap(head: &str, listeners: &[String], clusters: &[String]) -> String {
    let all = |parts: &[String]| parts.iter().map(|p| indented(p)).collect::<String>();
    format!("{head}static_resources:\n  listeners:\n{}  clusters:\n{}", all(listeners), all(clusters))
}

fn get(port: u16, path: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {HOST}\r\nuser-agent: test\r\nconnection: close\r\n{fields}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The page of metrics, once `holds`; what counts at the end of a call comes a moment after it.
fn page(proxy: &Proxy, holds: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let body = whole(&proxy.admin_get("/stats/prometheus").unwrap());
        if holds(&body) {
            return body;
        }
        assert!(Instant::now() < deadline, "{body}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The body of an answer in chunks.
fn whole(answer: &str) -> String {
    let mut rest = answer.split_once("\r\n\r\n").unwrap().1;
    let mut body = String::new();
    while let Some((size, chunk)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body += &chunk[..size];
        rest = chunk[size..].trim_start_matches("\r\n");
    }
    body
}

/// A line of a log, once it is there.
fn line(path: &std::path::Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Some((line, _)) = text.split_once('\n') {
            return line.to_owned();
        }
        assert!(Instant::now() < deadline, "no line in {}", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn both_sidecars_report_a_call_with_all_that_they_know() {
    let dir = tempfile::tempdir().unwrap();
    let files = mesh::pki::issue(dir.path(), &["productpage", "reviews"]);
    let (logs, app) = ([dir.path().join("client.log"), dir.path().join("server.log")], application());
    let server = Proxy::start(
        |port, admin_port| {
            let head = node("reviews-v2", "reviews", "v2") + &admin(admin_port);
            let tls = server_tls(&files[1], "istio-peer-exchange, h2, http/1.1");
            let cluster_name = "inbound|80||";
            bootstrap(
                &head,
                &[http_listener(("inbound", "INBOUND", port), (INBOUND, cluster_name), &tls, &logs[1])],
                &[cluster(cluster_name, HOST, app, "", "")],
            )
        },
        &[],
    );
    let client = Proxy::start(
        |port, admin_port| {
            let head = node("productpage-v1", "productpage", "v1") + &admin(admin_port);
            let name = format!("outbound|80||{HOST}");
            let tls = client_tls(&files[0], "istio-peer-exchange, istio");
            bootstrap(
                &head,
                &[http_listener(("outbound", "OUTBOUND", port), (OUTBOUND, &name), "name: out", &logs[0])],
                &[cluster(&name, HOST, server.port, WORKLOAD, &tls)],
            )
        },
        &[],
    );
    let answer = get(client.port, "/x", "x-envoy-peer-metadata: forged\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("x-outbound-server: spiffe://cluster.local/ns/shop/sa/reviews\r\n"), "{answer}");
    // Neither the application nor the client's side of it sees what proxies tell one another.
    assert!(!answer.to_ascii_lowercase().contains("x-envoy-peer-metadata"), "{answer}");

    let found = |body: &str| !samples(body, "istio_requests_total").is_empty();
    let common = [
        ("source_workload", "productpage-v1"),
        ("source_canonical_service", "productpage"),
        ("source_canonical_revision", "v1"),
        ("source_workload_namespace", "shop"),
        ("source_principal", "spiffe://cluster.local/ns/shop/sa/productpage"),
        ("source_app", "productpage"),
        ("source_version", "v1"),
        ("source_cluster", "Kubernetes"),
        ("destination_workload", "reviews-v2"),
        ("destination_canonical_service", "reviews"),
        ("destination_canonical_revision", "v2"),
        ("destination_workload_namespace", "shop"),
        ("destination_principal", "spiffe://cluster.local/ns/shop/sa/reviews"),
        ("destination_app", "reviews"),
        ("destination_version", "v2"),
        ("destination_cluster", "Kubernetes"),
        ("destination_service", HOST),
        ("destination_service_name", "reviews"),
        ("destination_service_namespace", "shop"),
        ("request_protocol", "http"),
        ("response_code", "200"),
        ("grpc_response_status", ""),
        ("response_flags", "-"),
    ];
    for (proxy, own) in [
        (&client, [("reporter", "source"), ("connection_security_policy", "unknown")]),
        (&server, [("reporter", "destination"), ("connection_security_policy", "mutual_tls")]),
    ] {
        let body = page(proxy, found);
        assert_valid(&body);
        let requests = samples(&body, "istio_requests_total");
        assert_eq!((requests.len(), requests[0].1), (1, 1.0));
        assert_labels(&requests[0], &common);
        assert_labels(&requests[0], &own);
        assert_eq!(requests[0].0.len(), common.len() + own.len());
        for histogram in
            ["istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"]
        {
            let count = samples(&body, &format!("{histogram}_count"));
            assert_eq!((count.len(), count[0].1), (1, 1.0), "{histogram}");
            assert_labels(&count[0], &common);
            assert_eq!(samples(&body, &format!("{histogram}_bucket")).len(), 20);
        }
        assert!(samples(&body, "istio_request_bytes_sum")[0].1 > 50.0);
        assert!(body.contains("# TYPE istio_requests_total counter\n"));
        assert_labels(&samples(&body, "istio_build")[0], &[("component", "proxy")]);
        assert!(body.contains("# TYPE envoy_cluster_upstream_rq_total counter\n"));
    }

    let line = line(&logs[1]);
    let (start, rest) = line.split_once("] ").unwrap();
    assert!(start.starts_with('[') && start.ends_with('Z'), "{line}");
    assert!(rest.starts_with("\"GET /x HTTP/1.1\" 200 - via_upstream - \"-\" 0 "), "{line}");
    let sni = format!("outbound_.80_._.{HOST}");
    assert!(rest.contains(&format!("\"{HOST}\" \"127.0.0.1:{app}\" inbound|80|| 127.0.0.1:")), "{line}");
    assert!(rest.ends_with(&format!(" {sni} default")), "{line}");
    assert!(!rest.contains('%'), "{line}");
}

#[test]
fn calls_of_grpc_count_messages_and_have_a_status() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    // One message, and the status in the head, as HTTP/1.1 can carry it.
    let app = backend(|_| {
        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 5\r\ncontent-length: 6\r\n\r\n\0\0\0\0\x01a".to_owned()
    });
    let client = Proxy::start(
        |port, admin_port| {
            let head = node("productpage-v1", "productpage", "v1") + &admin(admin_port);
            bootstrap(
                &head,
                &[http_listener(("outbound", "OUTBOUND", port), (OUTBOUND, "a"), "name: out", &log)],
                &[cluster("a", HOST, app, WORKLOAD, "")],
            )
        },
        &[],
    );
    let two = "\0\0\0\0\x01a\0\0\0\0\0";
    let answer = client.send(&format!(
        "POST /shop.Reviews/Get HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/grpc\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{two}",
        two.len()
    ));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let body = page(&client, |body| !samples(body, "istio_requests_total").is_empty());
    assert_valid(&body);
    let expect = [("request_protocol", "grpc"), ("grpc_response_status", "5"), ("response_code", "200")];
    assert_labels(&samples(&body, "istio_requests_total")[0], &expect);
    for (name, count) in [("istio_request_messages_total", 2.0), ("istio_response_messages_total", 1.0)] {
        let messages = samples(&body, name);
        assert_eq!((messages.len(), messages[0].1), (1, count), "{name}");
        assert_labels(&messages[0], &[("reporter", "source"), ("destination_workload", "reviews-v2")]);
        // Who and whom alone, as Istio counts them.
        assert_eq!(messages[0].0.len(), 20);
    }
}

#[test]
fn calls_that_fail_are_reported_by_the_client_alone() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let client = Proxy::start(
        |port, admin_port| {
            let head = node("productpage-v1", "productpage", "v1") + &admin(admin_port);
            let name = format!("outbound|80||{HOST}");
            let closed = free_port();
            bootstrap(
                &head,
                &[http_listener(("outbound", "OUTBOUND", port), (OUTBOUND, &name), "name: out", &log)],
                &[cluster(&name, HOST, closed, WORKLOAD, "")],
            )
        },
        &[],
    );
    assert!(get(client.port, "/x", "").starts_with("HTTP/1.1 503 "));
    assert!(get(client.port, "/nowhere", "").starts_with("HTTP/1.1 503 "));
    let body = page(&client, |body| samples(body, "istio_requests_total").len() == 2);
    for sample in samples(&body, "istio_requests_total") {
        assert_labels(&sample, &[("response_code", "503"), ("source_principal", "unknown")]);
        match sample.0["response_flags"].as_str() {
            // Its endpoint tells who would have answered.
            "UF" => assert_labels(
                &sample,
                &[
                    ("destination_workload", "reviews-v2"),
                    ("destination_canonical_revision", "v2"),
                    ("destination_service_name", "reviews"),
                ],
            ),
            // Nobody knows the service, so it is named by what was asked for.
            "NC" => assert_labels(
                &sample,
                &[
                    ("destination_workload", "unknown"),
                    ("destination_canonical_revision", "latest"),
                    ("destination_service", HOST),
                    ("destination_service_name", HOST),
                ],
            ),
            other => panic!("{other}"),
        }
    }
}

/// Sends back what comes, until the client ends.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// A server's sidecar for opaque bytes, and a client's of that service account.
fn tcp_pair(dir: &std::path::Path, account: &str) -> (Proxy, Proxy) {
    let files = mesh::pki::issue(dir, &[account, "reviews"]);
    let app = echo();
    let server = Proxy::start(
        |port, admin_port| {
            let head = node("reviews-v2", "reviews", "v2") + &admin(admin_port);
            let tls = server_tls(&files[1], "istio-peer-exchange, h2, http/1.1");
            let log = dir.join("server.log");
            bootstrap(
                &head,
                &[tcp_listener(("inbound", "INBOUND", port), "inbound|9000||", &tls, &log)],
                &[cluster("inbound|9000||", HOST, app, "", "")],
            )
        },
        &[],
    );
    let client = Proxy::start(
        |port, admin_port| {
            let head = node("productpage-v1", "productpage", "v1") + &admin(admin_port);
            let name = format!("outbound|9000||{HOST}");
            let tls = client_tls(&files[0], "istio-peer-exchange, istio");
            let log = dir.join("client.log");
            bootstrap(
                &head,
                &[tcp_listener(("outbound", "OUTBOUND", port), &name, "name: out", &log)],
                &[cluster(&name, HOST, server.port, WORKLOAD, &tls)],
            )
        },
        &[],
    );
    (client, server)
}

#[test]
fn connections_of_bytes_are_counted_while_they_last() {
    let dir = tempfile::tempdir().unwrap();
    let (client, server) = tcp_pair(dir.path(), "productpage");
    let mut stream = TcpStream::connect(("127.0.0.1", client.port)).unwrap();
    stream.write_all(&[7; 500]).unwrap();
    let mut back = [0; 500];
    stream.read_exact(&mut back).unwrap();
    let bytes = |body: &str, name: &str| samples(body, name).first().map(|s| s.1);
    for (proxy, reporter, security) in
        [(&client, "source", "unknown"), (&server, "destination", "mutual_tls")]
    {
        let body = page(proxy, |body| bytes(body, "istio_tcp_received_bytes_total") == Some(500.0));
        assert_valid(&body);
        assert_eq!(bytes(&body, "istio_tcp_sent_bytes_total"), Some(500.0));
        assert_eq!(bytes(&body, "istio_tcp_connections_closed_total"), Some(0.0));
        let opened = &samples(&body, "istio_tcp_connections_opened_total")[0];
        assert_eq!(opened.1, 1.0);
        assert_labels(
            opened,
            &[
                ("reporter", reporter),
                ("request_protocol", "tcp"),
                ("response_flags", "-"),
                ("connection_security_policy", security),
                ("source_principal", "spiffe://cluster.local/ns/shop/sa/productpage"),
                ("source_workload_namespace", "shop"),
                ("destination_principal", "spiffe://cluster.local/ns/shop/sa/reviews"),
                ("destination_workload", "reviews-v2"),
                ("destination_service", HOST),
            ],
        );
        assert!(!opened.0.contains_key("response_code"));
    }
    drop(stream);
    for proxy in [&client, &server] {
        page(proxy, |body| bytes(body, "istio_tcp_connections_closed_total") == Some(1.0));
    }
    let line = line(&dir.path().join("server.log"));
    assert!(line.contains("] \"- - -\" 0 - - - \"-\" 500 500 "), "{line}");
    assert!(line.ends_with(&format!("outbound_.80_._.{HOST} -")), "{line}");
}

#[test]
fn connections_that_are_denied_are_logged_with_the_policy_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (client, server) = tcp_pair(dir.path(), "guest");
    let mut stream = TcpStream::connect(("127.0.0.1", client.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"x").unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let line = line(&dir.path().join("server.log"));
    let denied =
        "] \"- - -\" 0 - - rbac_access_denied_matched_policy[ns[shop]-policy[no_guests]-rule[0]] \"-\" ";
    assert!(line.contains(denied), "{line}");
    let body = page(&server, |body| !samples(body, "istio_tcp_connections_closed_total").is_empty());
    let closed = &samples(&body, "istio_tcp_connections_closed_total")[0];
    assert_eq!(closed.1, 1.0);
    assert_labels(closed, &[("source_principal", "spiffe://cluster.local/ns/shop/sa/guest")]);
}

#[test]
fn envoy_as_client_is_known_by_the_headers_of_the_plain_rendering() {
    let dir = tempfile::tempdir().unwrap();
    let files = mesh::pki::issue(dir.path(), &["productpage", "reviews"]);
    let (log, app) = (dir.path().join("log"), application());
    let server = Proxy::start(
        |port, admin_port| {
            let head = node("reviews-v2", "reviews", "v2") + &admin(admin_port);
            let tls = server_tls(&files[1], "h2, http/1.1");
            bootstrap(
                &head,
                &[http_listener(("inbound", "INBOUND", port), (INBOUND, "inbound|80||"), &tls, &log)],
                &[cluster("inbound|80||", HOST, app, "", "")],
            )
        },
        &[],
    );
    let told = plain_metadata();
    let port = free_port();
    let filters = format!(
        "
  - {{name: peer, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation,
     mutations: {{request_mutations: [
       {{append: {{header: {{key: x-envoy-peer-metadata-id, value: 'sidecar~10.0.0.1~productpage-v1-1.shop~shop.svc.cluster.local'}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}}},
       {{append: {{header: {{key: x-envoy-peer-metadata, value: '{told}'}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}}}]}}}}}}
  - {{name: alpn, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config,
     on_request_headers: [{{object_key: envoy.network.application_protocols, shared_with_upstream: ONCE,
       format_string: {{text_format_source: {{inline_string: 'istio-http/1.1,istio,http/1.1'}}}}}}]}}}}"
    );
    let name = format!("outbound|80||{HOST}");
    let tls = client_tls(&files[0], "istio");
    let text = bootstrap(
        &node("productpage-v1", "productpage", "v1"),
        &[http_listener(
            ("outbound", "OUTBOUND", port),
            (&filters, &name),
            "name: out",
            &dir.path().join("e"),
        )],
        &[cluster(&name, HOST, server.port, WORKLOAD, &tls)],
    );
    let _envoy = Envoy::start(&text, port);
    let answer = get(port, "/x", "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // It told, so it was told; the plain rendering has nothing that would take the answer away.
    assert!(answer.contains("x-envoy-peer-metadata-id: sidecar~127.0.0.1~reviews-v2-1.shop"), "{answer}");
    let body = page(&server, |body| !samples(body, "istio_requests_total").is_empty());
    assert_labels(
        &samples(&body, "istio_requests_total")[0],
        &[
            ("reporter", "destination"),
            ("source_workload", "productpage-v1"),
            ("source_app", "productpage"),
            ("source_canonical_revision", "v1"),
            ("source_principal", "spiffe://cluster.local/ns/shop/sa/productpage"),
            ("connection_security_policy", "mutual_tls"),
        ],
    );
}

/// The header that a sidecar of ours sends: caught by a server that answers with what it got.
fn plain_metadata() -> String {
    let dir = tempfile::tempdir().unwrap();
    let (log, app) = (dir.path().join("log"), application());
    let client = Proxy::start(
        |port, admin_port| {
            let head = node("productpage-v1", "productpage", "v1") + &admin(admin_port);
            bootstrap(
                &head,
                &[http_listener(("outbound", "OUTBOUND", port), (OUTBOUND, "a"), "name: out", &log)],
                &[cluster("a", HOST, app, "", "")],
            )
        },
        &[],
    );
    let answer = get(client.port, "/", "");
    answer.lines().find_map(|l| l.strip_prefix("x-envoy-peer-metadata: ")).unwrap().trim().to_owned()
}

#[test]
fn envoy_as_server_is_known_by_what_it_answers() {
    let dir = tempfile::tempdir().unwrap();
    let files = mesh::pki::issue(dir.path(), &["productpage", "reviews"]);
    let (log, app) = (dir.path().join("log"), application());
    let told = plain_metadata();
    let port = free_port();
    let filters = format!(
        "
  - {{name: peer, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation,
     mutations: {{response_mutations: [
       {{append: {{header: {{key: x-envoy-peer-metadata, value: '{told}'}}}}}}]}}}}}}"
    );
    let tls = server_tls(&files[1], "h2, http/1.1");
    let text = bootstrap(
        &node("reviews-v2", "reviews", "v2"),
        &[http_listener(
            ("inbound", "INBOUND", port),
            (&filters, "inbound|80||"),
            &tls,
            &dir.path().join("e"),
        )],
        &[cluster("inbound|80||", HOST, app, "", "")],
    );
    let _envoy = Envoy::start(&text, port);
    let client = Proxy::start(
        |own, admin_port| {
            let head = node("gateway", "gateway", "v9") + &admin(admin_port);
            let name = format!("outbound|80||{HOST}");
            let tls = client_tls(&files[0], "istio");
            bootstrap(
                &head,
                &[http_listener(("outbound", "OUTBOUND", own), (OUTBOUND, &name), "name: out", &log)],
                &[cluster(&name, HOST, port, WORKLOAD, &tls)],
            )
        },
        &[],
    );
    let answer = get(client.port, "/x", "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("x-envoy-peer-metadata-id: sidecar~127.0.0.1~gateway-1.shop"), "{answer}");
    let head = answer.split("\r\n\r\n").next().unwrap();
    assert!(!head.contains("x-envoy-peer-metadata"), "{answer}");
    let body = page(&client, |body| !samples(body, "istio_requests_total").is_empty());
    // What the server says of itself goes before what its endpoint's metadata says.
    assert_labels(
        &samples(&body, "istio_requests_total")[0],
        &[
            ("source_workload", "gateway"),
            ("destination_workload", "productpage-v1"),
            ("destination_principal", "spiffe://cluster.local/ns/shop/sa/reviews"),
            ("destination_service_name", "reviews"),
        ],
    );
}
