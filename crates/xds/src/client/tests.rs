//! What a server sees of the client, message by message.

use std::collections::BTreeMap;

use weft_proto::any::pack;
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use weft_proto::type_url::{CLUSTER, CLUSTER_LOAD_ASSIGNMENT};

use super::*;

fn client(protocol: Protocol) -> Client {
    let node = Node { id: "sidecar~1".to_owned(), ..Default::default() };
    let mut client = Client::new(node, protocol, Limits { max_resources: 3, ..Limits::default() });
    client.set_interest(CLUSTER, Interest::Wildcard);
    client.set_interest(CLUSTER_LOAD_ASSIGNMENT, names(&[]));
    client
}

fn names(names: &[&str]) -> Interest {
    Interest::Names(names.iter().map(|name| (*name).into()).collect())
}

fn delta(client: &mut Client) -> DeltaDiscoveryRequest {
    match client.next_request() {
        Some(Request::Delta(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn sotw(client: &mut Client) -> DiscoveryRequest {
    match client.next_request() {
        Some(Request::StateOfTheWorld(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn cluster(name: &str, alt: &str) -> Any {
    pack(&Cluster { name: name.to_owned(), alt_stat_name: alt.to_owned(), ..Default::default() })
}

fn response(nonce: &str, resources: &[(&str, &str)], removed: &[&str]) -> Response {
    Response::Delta(DeltaDiscoveryResponse {
        type_url: CLUSTER.to_owned(),
        nonce: nonce.to_owned(),
        resources: resources
            .iter()
            .map(|(name, version)| Resource {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                resource: Some(cluster(name, version)),
                ..Default::default()
            })
            .collect(),
        removed_resources: removed.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    })
}

fn refusal(name: &str) -> Refusal {
    Refusal { name: name.into(), reason: "connect_timeout: must be at least 1 ms".to_owned() }
}

#[test]
fn the_node_goes_first_and_once_and_names_without_any_are_not_asked_for() {
    let mut client = client(Protocol::Delta);
    client.opened();
    let first = delta(&mut client);
    assert_eq!((first.type_url.as_str(), first.node.is_some()), (CLUSTER, true));
    assert!(first.resource_names_subscribe.is_empty());
    assert_eq!(client.next_request(), None);
    client.set_interest(CLUSTER_LOAD_ASSIGNMENT, names(&["a", "b"]));
    let endpoints = delta(&mut client);
    assert_eq!((endpoints.resource_names_subscribe, endpoints.node), (vec!["a".into(), "b".into()], None));
    client.set_interest(CLUSTER_LOAD_ASSIGNMENT, names(&["b", "c"]));
    let changed = delta(&mut client);
    assert_eq!(changed.resource_names_subscribe, ["c"]);
    assert_eq!(changed.resource_names_unsubscribe, ["a"]);
    client.set_interest(CLUSTER_LOAD_ASSIGNMENT, names(&["b", "c"]));
    assert_eq!(client.next_request(), None);
}

#[test]
fn a_bad_resource_is_named_and_the_others_count_as_received() {
    let mut client = client(Protocol::Delta);
    client.opened();
    delta(&mut client);
    let delivery = client.received(response("1", &[("a", "1"), ("b", "1")], &[])).unwrap();
    assert_eq!(delivery.changed.len(), 2);
    client.judged(&delivery, &[refusal("b")]);
    let nack = delta(&mut client);
    assert_eq!(nack.response_nonce, "1");
    let error = nack.error_detail.unwrap();
    assert_eq!(error.message, "Cluster \"b\": connect_timeout: must be at least 1 ms");

    // The next stream is told of what was accepted, and nothing else.
    client.closed();
    client.opened();
    let again = delta(&mut client);
    assert_eq!(again.initial_resource_versions, [("a".to_owned(), "1".to_owned())].into());
    assert!(again.node.is_some());

    let delivery = client.received(response("2", &[("b", "2")], &["a"])).unwrap();
    client.judged(&delivery, &[]);
    let ack = delta(&mut client);
    assert_eq!((ack.response_nonce.as_str(), ack.error_detail), ("2", None));
    client.opened();
    assert_eq!(delta(&mut client).initial_resource_versions, [("b".to_owned(), "2".to_owned())].into());
}

#[test]
fn what_cannot_be_a_resource_is_refused_and_what_nobody_wants_is_dropped() {
    let mut client = client(Protocol::Delta);
    client.opened();
    delta(&mut client);
    let mut wrong =
        response("1", &[("a", "1"), ("a", "2"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")], &[]);
    if let Response::Delta(response) = &mut wrong {
        response.resources[2].resource = Some(pack(&ClusterLoadAssignment::default()));
    }
    let delivery = client.received(wrong).unwrap();
    let taken: Vec<_> = delivery.changed.iter().map(|r| &*r.name).collect();
    assert_eq!(taken, ["a", "c", "d"]);
    let refused: BTreeMap<_, _> = delivery.refused.iter().map(|r| (&*r.name, r.reason.as_str())).collect();
    assert_eq!(refused["a"], "twice in one response");
    assert!(refused["b"].contains("ClusterLoadAssignment"), "{refused:?}");
    assert!(refused["e"].contains("more than 3"), "{refused:?}");
    client.judged(&delivery, &[]);
    assert!(delta(&mut client).error_detail.is_some());
    let unknown = DeltaDiscoveryResponse { type_url: "x/y".to_owned(), ..Default::default() };
    assert_eq!(client.received(Response::Delta(unknown)), None);
}

#[test]
fn a_long_refusal_is_cut() {
    let mut client = client(Protocol::Delta);
    client.limits.max_error_bytes = 100;
    client.opened();
    delta(&mut client);
    let delivery = client.received(response("1", &[("a", "1")], &[])).unwrap();
    let refusals: Vec<_> = (0..50).map(|n| refusal(&format!("é{n}"))).collect();
    client.judged(&delivery, &refusals);
    let message = delta(&mut client).error_detail.unwrap().message;
    assert!(message.len() < 150 && message.ends_with("(50 refused in all)"), "{message}");
}

fn world(version: &str, clusters: &[Any]) -> Response {
    Response::StateOfTheWorld(DiscoveryResponse {
        version_info: version.to_owned(),
        nonce: format!("n{version}"),
        type_url: CLUSTER.to_owned(),
        resources: clusters.to_vec(),
        ..Default::default()
    })
}

#[test]
fn whole_states_become_changes() {
    let mut client = client(Protocol::StateOfTheWorld);
    client.opened();
    let first = sotw(&mut client);
    assert_eq!((first.version_info.as_str(), first.node.is_some()), ("", true));
    let delivery = client.received(world("1", &[cluster("a", ""), cluster("b", "")])).unwrap();
    assert_eq!((delivery.changed.len(), delivery.removed.len()), (2, 0));
    client.judged(&delivery, &[]);
    let ack = sotw(&mut client);
    assert_eq!((ack.version_info.as_str(), ack.response_nonce.as_str()), ("1", "n1"));

    let delivery = client.received(world("2", &[cluster("b", "new"), cluster("c", "")])).unwrap();
    let changed: Vec<_> = delivery.changed.iter().map(|r| &*r.name).collect();
    assert_eq!((changed, delivery.removed.clone()), (vec!["b", "c"], vec!["a".into()]));
    client.judged(&delivery, &[refusal("b")]);
    let nack = sotw(&mut client);
    assert_eq!((nack.version_info.as_str(), nack.response_nonce.as_str()), ("1", "n2"));
    assert!(nack.error_detail.unwrap().message.contains("connect_timeout"));

    // A new stream names what was accepted; the same state again changes nothing but what was refused.
    client.opened();
    assert_eq!(sotw(&mut client).version_info, "1");
    let delivery = client.received(world("3", &[cluster("b", "new"), cluster("c", "")])).unwrap();
    assert_eq!(delivery.changed.len(), 1);
}

#[test]
fn a_change_of_form_keeps_what_is_here() {
    let mut client = client(Protocol::Delta);
    client.opened();
    delta(&mut client);
    let delivery = client.received(response("1", &[("a", "1"), ("b", "1")], &[])).unwrap();
    client.judged(&delivery, &[]);
    client.set_protocol(Protocol::StateOfTheWorld);
    client.opened();
    sotw(&mut client);
    let delivery = client.received(world("1", &[cluster("b", "1")])).unwrap();
    assert_eq!(delivery.removed, ["a".into()]);
}
