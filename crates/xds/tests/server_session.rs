//! What a session says to particular requests.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use weft_proto::google::protobuf::Any;
use weft_proto::resource::{Resource, ResourceSet};
use weft_proto::type_url::{CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION};
use weft_xds::server::{
    Ask, Delta, Limits, Names, Protocol, Refusal, Reply, Session, StateOfTheWorld, Violation,
};

const NOW: Duration = Duration::ZERO;

/// A set of `(type, name, version)`.
fn set(resources: &[(&str, &str, &str)]) -> Arc<ResourceSet> {
    let mut set = ResourceSet::default();
    for (type_url, name, version) in resources {
        let body = Any { type_url: (*type_url).to_owned(), value: format!("{name}{version}").into_bytes() };
        set.insert(Resource { name: (*name).into(), version: (*version).into(), body });
    }
    Arc::new(set)
}

fn delta(type_url: &str, nonce: &str, subscribe: &[&str]) -> Ask {
    let subscribe = subscribe.iter().map(ToString::to_string).collect();
    let names = Names::Change { subscribe, unsubscribe: Vec::new(), have: HashMap::new() };
    Ask { type_url: type_url.to_owned(), nonce: nonce.to_owned(), refusal: None, names }
}

fn whole(type_url: &str, nonce: &str, names: &[&str]) -> Ask {
    let names = Names::Whole(names.iter().map(ToString::to_string).collect());
    Ask { type_url: type_url.to_owned(), nonce: nonce.to_owned(), refusal: None, names }
}

/// The responses to a request, each as `(short type, names, removed)`.
fn ask<P: Protocol>(session: &mut Session<P>, ask: Ask) -> Vec<(String, Vec<String>, Vec<String>)> {
    session.receive(ask, NOW).unwrap();
    told(&session.poll(NOW))
}

fn told(replies: &[Reply]) -> Vec<(String, Vec<String>, Vec<String>)> {
    let texts = |names: Vec<&Arc<str>>| names.into_iter().map(ToString::to_string).collect();
    let one = |reply: &Reply| {
        let kind = reply.type_url.rsplit('.').next().unwrap().to_owned();
        let names = reply.resources.iter().map(|resource| &resource.name).collect();
        (kind, texts(names), texts(reply.removed.iter().collect()))
    };
    replies.iter().map(one).collect()
}

fn said(kind: &str, names: &[&str], removed: &[&str]) -> Vec<(String, Vec<String>, Vec<String>)> {
    let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    vec![(kind.to_owned(), texts(names), texts(removed))]
}

#[test]
fn who_comes_back_by_delta_gets_only_what_changed() {
    let mut session = Session::<Delta>::new(
        set(&[(CLUSTER, "a", "1"), (CLUSTER, "b", "2"), (CLUSTER_LOAD_ASSIGNMENT, "a", "1")]),
        Limits::default(),
    );
    let have = |names: &[(&str, &str)]| -> HashMap<String, String> {
        names.iter().map(|(name, version)| (name.to_string(), version.to_string())).collect()
    };
    let mut first = delta(CLUSTER, "of another stream", &["*"]);
    let Names::Change { have: held, .. } = &mut first.names else { unreachable!() };
    *held = have(&[("a", "1"), ("b", "1")]);
    assert_eq!(ask(&mut session, first), said("Cluster", &["b"], &[]));
    let mut first = delta(CLUSTER_LOAD_ASSIGNMENT, "", &["a"]);
    let Names::Change { have: held, .. } = &mut first.names else { unreachable!() };
    *held = have(&[("a", "1")]);
    assert_eq!(ask(&mut session, first), vec![]);
}

#[test]
fn who_comes_back_gets_the_endpoints_of_changed_clusters_once_more() {
    let resources = set(&[(CLUSTER, "a", "2"), (CLUSTER_LOAD_ASSIGNMENT, "a", "1")]);
    let mut session = Session::<Delta>::new(resources, Limits::default());
    let holding = |type_url, name: &str| {
        let mut first = delta(type_url, "", &[name]);
        let Names::Change { have, .. } = &mut first.names else { unreachable!() };
        have.insert("a".to_owned(), "1".to_owned());
        first
    };
    assert_eq!(ask(&mut session, holding(CLUSTER, "*")), said("Cluster", &["a"], &[]));
    let endpoints = ask(&mut session, holding(CLUSTER_LOAD_ASSIGNMENT, "a"));
    assert_eq!(endpoints, said("ClusterLoadAssignment", &["a"], &[]));
}

#[test]
fn what_a_client_waits_for_elsewhere_holds_up_listeners_for_a_second_only() {
    let resources = set(&[(CLUSTER, "a", "1"), (LISTENER, "l", "1")]);
    let mut session = Session::<Delta>::new(resources, Limits::default());
    assert_eq!(ask(&mut session, delta(CLUSTER, "", &["*"])), said("Cluster", &["a"], &[]));
    assert_eq!(ask(&mut session, delta(LISTENER, "", &["*"])), vec![]);
    let soon = session.wake_at().unwrap();
    assert_eq!(soon, Limits::default().stall_alone);
    assert_eq!(told(&session.poll(soon)), said("Listener", &["l"], &[]));
}

#[test]
fn all_types_are_answered_even_with_nothing_and_unknown_names_as_not_there() {
    let mut session = Session::<Delta>::new(set(&[]), Limits::default());
    assert_eq!(ask(&mut session, delta(CLUSTER, "", &[])), said("Cluster", &[], &[]));
    assert_eq!(
        ask(&mut session, delta(ROUTE_CONFIGURATION, "", &["web"])),
        said("RouteConfiguration", &[], &["web"])
    );
    // It appears later.
    assert_eq!(ask(&mut session, delta(CLUSTER, "1", &[])), vec![]);
    assert_eq!(ask(&mut session, delta(ROUTE_CONFIGURATION, "2", &[])), vec![]);
    session.set(set(&[(ROUTE_CONFIGURATION, "web", "1")]));
    assert_eq!(told(&session.poll(NOW)), vec![], "no listeners were asked for yet");
    let later = session.wake_at().unwrap();
    assert_eq!(told(&session.poll(later)), said("RouteConfiguration", &["web"], &[]));
}

#[test]
fn a_name_that_is_asked_for_once_more_is_sent_once_more() {
    let endpoints = [(CLUSTER_LOAD_ASSIGNMENT, "a", "1"), (CLUSTER_LOAD_ASSIGNMENT, "b", "1")];
    let mut session = Session::<Delta>::new(set(&endpoints), Limits::default());
    let expected = said("ClusterLoadAssignment", &["a"], &[]);
    assert_eq!(ask(&mut session, delta(CLUSTER_LOAD_ASSIGNMENT, "", &["a"])), expected);
    assert_eq!(ask(&mut session, delta(CLUSTER_LOAD_ASSIGNMENT, "1", &["a"])), expected);

    let mut session = Session::<StateOfTheWorld>::new(set(&endpoints), Limits::default());
    assert_eq!(ask(&mut session, whole(CLUSTER_LOAD_ASSIGNMENT, "", &["a"])), expected);
    assert_eq!(ask(&mut session, whole(CLUSTER_LOAD_ASSIGNMENT, "1", &["a"])), vec![], "that was the ACK");
    assert_eq!(ask(&mut session, whole(CLUSTER_LOAD_ASSIGNMENT, "1", &["a"])), expected);
    assert_eq!(ask(&mut session, whole(CLUSTER_LOAD_ASSIGNMENT, "2", &["a"])), vec![]);
    // One more name: only that one is sent.
    let more = said("ClusterLoadAssignment", &["b"], &[]);
    assert_eq!(ask(&mut session, whole(CLUSTER_LOAD_ASSIGNMENT, "2", &["a", "b"])), more);
}

#[test]
fn stale_requests_change_nothing_by_state_of_the_world() {
    let endpoints = [(CLUSTER_LOAD_ASSIGNMENT, "a", "1"), (CLUSTER_LOAD_ASSIGNMENT, "b", "1")];
    let mut session = Session::<StateOfTheWorld>::new(set(&endpoints), Limits::default());
    ask(&mut session, whole(CLUSTER_LOAD_ASSIGNMENT, "", &["a"]));
    assert_eq!(ask(&mut session, whole(CLUSTER_LOAD_ASSIGNMENT, "0", &["b"])), vec![]);
    let status = &session.status().types[CLUSTER_LOAD_ASSIGNMENT];
    assert_eq!((status.stale, status.acks, status.names), (1, 0, 1));
    // By delta the change of names counts all the same.
    let mut session = Session::<Delta>::new(set(&endpoints), Limits::default());
    ask(&mut session, delta(CLUSTER_LOAD_ASSIGNMENT, "", &["a"]));
    ask(&mut session, delta(CLUSTER_LOAD_ASSIGNMENT, "0", &["b"]));
    let status = &session.status().types[CLUSTER_LOAD_ASSIGNMENT];
    assert_eq!((status.stale, status.acks, status.names), (1, 0, 2));
}

#[test]
fn what_was_refused_is_remembered_and_not_repeated() {
    let limits = Limits { nacks: 2, nack_bytes: 5, ..Limits::default() };
    let mut session = Session::<Delta>::new(set(&[(CLUSTER, "a", "1")]), limits);
    ask(&mut session, delta(CLUSTER, "", &["*"]));
    for version in ["2", "3", "4"] {
        let nonce = session.status().types[CLUSTER].sent.nonce.clone();
        let refusal = Some(Refusal { code: 13, message: format!("bäd {version}") });
        let refused = Ask { refusal, ..delta(CLUSTER, &nonce, &[]) };
        assert_eq!(ask(&mut session, refused), vec![]);
        session.set(set(&[(CLUSTER, "a", version), (LISTENER, "unasked", version)]));
        assert_eq!(told(&session.poll(NOW)), said("Cluster", &["a"], &[]));
    }
    let nacks = session.status().nacks;
    assert_eq!(nacks.len(), 2);
    assert_eq!((nacks[1].message.as_str(), &*nacks[1].names[0], nacks[1].code), ("bäd ", "a", 13));
}

#[test]
fn an_answer_that_never_comes_holds_up_nobody_for_ever() {
    let first = [(CLUSTER, "a", "1"), (LISTENER, "in", "1")];
    let mut session = Session::<Delta>::new(set(&first), Limits::default());
    assert_eq!(ask(&mut session, delta(CLUSTER, "", &["*"])), said("Cluster", &["a"], &[]));
    assert_eq!(ask(&mut session, delta(LISTENER, "", &["*"])), vec![]);
    let later = session.wake_at().unwrap();
    assert_eq!(told(&session.poll(later)), said("Listener", &["in"], &[]));
    session.set(set(&[(CLUSTER, "b", "1"), (LISTENER, "in", "1")]));
    assert_eq!(told(&session.poll(later)), said("Cluster", &["b"], &[]), "what is gone is not said yet");
}

#[test]
fn requests_are_bounded() {
    let limits = Limits { names: 2, name_bytes: 8, types: 1, ..Limits::default() };
    let refused = |ask: Ask| Session::<Delta>::new(set(&[]), limits).receive(ask, NOW).unwrap_err();
    assert_eq!(refused(delta("", "", &[])), Violation::NoType);
    assert!(matches!(refused(delta("t", "", &["a", "b", "c"])), Violation::Names { limit: 2, .. }));
    assert!(matches!(refused(delta("t", "", &["123456789"])), Violation::LongName { length: 9, .. }));
    let mut session = Session::<Delta>::new(set(&[]), limits);
    session.receive(delta("t", "", &["a", "b"]), NOW).unwrap();
    assert!(matches!(session.receive(delta("t", "", &["c"]), NOW), Err(Violation::Names { .. })));
    assert!(matches!(session.receive(delta("u", "", &[]), NOW), Err(Violation::Types { limit: 1 })));
}
