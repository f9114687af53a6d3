use std::sync::Arc;

use weft_tables::tables::Bootstrap;
use weft_types::ResponseHead;

use crate::context::Context;
use crate::peers::{ID, METADATA, Node};
use crate::testing::{Fixed, chain, cluster, context, with};
use crate::workload::Workload;

fn filter(fields: &str) -> String {
    format!(
        "{{name: istio.metadata_exchange, typed_config: {{
          '@type': type.googleapis.com/io.istio.http.peer_metadata.Config, {fields}}}}}"
    )
}

const OUTBOUND: &str = "upstream_discovery: [{istio_headers: {}}, {workload_discovery: {}}],
  upstream_propagation: [{istio_headers: {skip_external_clusters: true}}]";
const INBOUND: &str =
    "downstream_discovery: [{istio_headers: {}}], downstream_propagation: [{istio_headers: {}}]";

fn here(fields: &str) -> Context {
    let mut cx = context();
    let bootstrap = Bootstrap { node_id: "sidecar~1".to_owned(), ..Bootstrap::default() };
    Arc::make_mut(&mut cx.shared).node = Arc::new(Node::new(&bootstrap));
    cx.cluster = Some(cluster(fields));
    cx
}

fn peer() -> Workload {
    Workload { workload: "other".into(), namespace: "ns".into(), ..Workload::default() }
}

#[test]
fn the_server_is_told_unless_it_is_outside() {
    for (fields, told) in [
        ("", true),
        ("metadata: {filter_metadata: {istio: {external: true}}}", false),
        ("metadata: {filter_metadata: {istio: {disable_mx: true}}}", false),
        ("metadata: {filter_metadata: {istio: {services: []}}}", true),
    ] {
        let mut cx = here(fields);
        // What the application says of itself counts for nothing.
        let mut head = with(&[(ID, "forged")]);
        let mut chain = chain(&filter(OUTBOUND), "match: {prefix: /}, route: {cluster: a}");
        chain.request(0, &mut head, true, &mut cx, &mut Fixed(0));
        assert_eq!(head.headers.get_str(ID) == Some("sidecar~1"), told, "{fields}");
        assert_eq!(head.headers.contains(METADATA), told, "{fields}");
    }
}

#[test]
fn the_servers_answer_is_learned_and_kept_from_the_application() {
    let mut cx = here("");
    let mut chain = chain(&filter(OUTBOUND), "match: {prefix: /}, route: {cluster: a}");
    chain.request(0, &mut with(&[]), true, &mut cx, &mut Fixed(0));
    let mut response = ResponseHead::new(200);
    response.headers.append(METADATA, peer().header());
    response.headers.append(ID, "sidecar~2");
    chain.response(0, &mut response, true, &mut cx);
    assert_eq!(cx.peers.upstream.as_deref(), Some(&peer()));
    assert!(!response.headers.contains(METADATA) && !response.headers.contains(ID));
}

#[test]
fn a_client_that_tells_is_told() {
    let header = peer().header();
    for (sent, answered) in [
        (vec![(ID, "sidecar~2"), (METADATA, header.as_str())], (true, true)),
        (vec![(ID, "sidecar~2")], (true, false)),
        (vec![], (false, false)),
    ] {
        let mut cx = here("");
        let mut head = with(&sent);
        let mut chain = chain(&filter(INBOUND), "match: {prefix: /}, route: {cluster: a}");
        chain.request(0, &mut head, true, &mut cx, &mut Fixed(0));
        assert!(!head.headers.contains(ID) && !head.headers.contains(METADATA));
        assert_eq!(cx.peers.downstream.is_some(), answered.1);
        let mut response = ResponseHead::new(200);
        chain.response(0, &mut response, true, &mut cx);
        let came = (response.headers.contains(ID), response.headers.contains(METADATA));
        assert_eq!(came, answered, "{sent:?}");
    }
}
