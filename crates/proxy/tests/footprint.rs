//! What a large configuration costs, seen from outside.

#![allow(clippy::unwrap_used)] // functions that tests share

mod running;

use running::Proxy;

/// So many clusters, each with a virtual host and a route, and a host that needs none.
fn many(count: usize, port: u16, admin: u16) -> String {
    let address = |port: u16| format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    let host = |at: usize| {
        format!(
            "{{name: v{at}, domains: [svc-{at}.test], routes: [{{match: {{prefix: /}}, \
             route: {{cluster: c{at}}}}}]}}"
        )
    };
    let cluster = |at: usize| {
        format!(
            "{{name: c{at}, load_assignment: {{cluster_name: c{at}, endpoints: [{{lb_endpoints: \
             [{{endpoint: {{address: {}}}}}]}}]}}}}",
            address(9)
        )
    };
    let hosts: Vec<String> = (0..count).map(host).collect();
    let clusters: Vec<String> = (0..count).map(cluster).collect();
    format!(
        "{{admin: {{address: {}}}, static_resources: {{listeners: [{{name: l, address: {}, filter_chains: \
         [{{filters: [{{name: hcm, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.network.\
         http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, route_config: {{virtual_hosts: \
         [{{name: own, domains: [own.test], routes: [{{match: {{prefix: /}}, direct_response: {{status: 204}}}}]}}, \
         {}]}}, http_filters: [{{name: router, typed_config: {{'@type': \
         type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]}}}}]}}]}}], clusters: [{}]}}}}",
        address(admin),
        address(port),
        hosts.join(", "),
        clusters.join(", ")
    )
}

/// A line of `/proc/<pid>/status`, KiB.
fn kib(proxy: &Proxy, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn start(count: usize) -> Proxy {
    let proxy = Proxy::start(move |port, admin| many(count, port, admin), &[]);
    let answer = proxy.send("GET / HTTP/1.1\r\nhost: own.test\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    proxy
}

#[test]
fn memory_follows_the_tables_and_not_what_reading_took() {
    let (none, many) = (start(1), start(4000));
    let grown = kib(&many, "VmRSS:") - kib(&none, "VmRSS:");
    let peak = kib(&many, "VmHWM:") - kib(&none, "VmRSS:");
    // A cluster with its host and route is some kilobytes of tables; its text and messages are more.
    assert!(grown < 8 * 4000, "{grown} KiB for 4000");
    assert!(grown < peak, "{grown} of {peak} KiB stay");
}

#[test]
fn calls_to_many_clusters_leave_little_behind() {
    let proxy = start(300);
    let before = kib(&proxy, "VmRSS:");
    for at in 0..300 {
        // Nobody listens on their port.
        let request = format!("GET / HTTP/1.1\r\nhost: svc-{at}.test\r\nconnection: close\r\n\r\n");
        assert!(proxy.send(&request).starts_with("HTTP/1.1 503"), "{at}");
    }
    let grown = kib(&proxy, "VmRSS:").saturating_sub(before);
    assert!(grown < 32 * 300, "{grown} KiB for 300");
    let stats = proxy.admin_get("/stats?filter=c299%5C.upstream_cx").unwrap();
    assert!(stats.contains("cluster.c299.upstream_cx_connect_fail: 1"), "{stats}");
    assert!(stats.contains("cluster.c299.upstream_cx_http2_total: 0"), "{stats}");
}

#[test]
fn connections_that_have_ended_leave_their_memory() {
    use std::io::{Read as _, Write as _};
    let proxy = start(1);
    let call = |_| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: own.test\r\n\r\n").unwrap();
        let mut answer = [0; 512];
        let count = stream.read(&mut answer).unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 204"));
        stream
    };
    let before = kib(&proxy, "RssAnon:");
    let mut full = Vec::new();
    for _ in 0..3 {
        let open: Vec<_> = (0..600).map(call).collect();
        full.push(kib(&proxy, "RssAnon:") - before);
        drop(open);
    }
    assert!(full[2] < full[0] * 3 / 2, "KiB of 600 connections, three times: {full:?}");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(40);
    loop {
        let kept = kib(&proxy, "RssAnon:").saturating_sub(before);
        if kept < full[0] / 2 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{kept} of {full:?} KiB");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
