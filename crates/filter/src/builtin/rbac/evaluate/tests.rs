use std::sync::Arc;

use proptest::prelude::*;
use weft_match::{CidrSet, HeaderMatcher, HeaderTest};
use weft_tables::filter::RbacPolicy;

use super::*;
use crate::seam::Facts;

fn exact(text: &str) -> StringMatcher {
    StringMatcher::Exact(text.into(), false)
}

fn range(text: &str) -> CidrSet {
    CidrSet::new(vec![text.parse().unwrap()])
}

fn context(facts: Facts) -> Context {
    Context { facts: Arc::new(facts), remote: "1.2.3.4:0".parse().ok(), ..Context::default() }
}

fn facts() -> Facts {
    Facts {
        direct_remote: "10.0.0.1:1".parse().ok(),
        source: "10.0.0.2:2".parse().ok(),
        local: "192.0.2.1:8080".parse().ok(),
        server_name: Some("sni.test".into()),
        ..Facts::default()
    }
}

#[test]
fn permissions_read_their_attribute() {
    let head = RequestHead::get("h", "/a?x");
    let cx = context(facts());
    let header = HeaderMatcher {
        name: ":method".into(),
        test: HeaderTest::Value(exact("GET")),
        invert: false,
        missing_is_empty: false,
    };
    for (test, want) in [
        (Permission::Any, true),
        (Permission::Header(header), true),
        (Permission::UrlPath(exact("/a")), true),
        (Permission::UrlPath(exact("/a?x")), false),
        (Permission::DestinationIp(range("192.0.2.0/24")), true),
        (Permission::DestinationIp(range("10.0.0.0/8")), false),
        (Permission::DestinationPort(8080), true),
        (Permission::DestinationPort(80), false),
        (Permission::DestinationPorts(8080, 8081), true),
        (Permission::DestinationPorts(8081, 8090), false),
        (Permission::DestinationPorts(8000, 8080), false),
        (Permission::ServerName(exact("sni.test")), true),
        (Permission::ServerName(exact("")), false),
        (Permission::And(vec![]), true),
        (Permission::Or(vec![]), false),
    ] {
        assert_eq!(permits(&test, Some(&head), &cx), want, "{test:?}");
    }
    assert!(permits(&Permission::ServerName(exact("")), None, &context(Facts::default())));
}

#[test]
fn http_tests_fail_without_a_request() {
    let cx = context(facts());
    let header = HeaderMatcher {
        name: "x".into(),
        test: HeaderTest::Present(false),
        invert: false,
        missing_is_empty: false,
    };
    assert!(!permits(&Permission::Header(header.clone()), None, &cx));
    assert!(!permits(&Permission::UrlPath(exact("")), None, &cx));
    assert!(!is_principal(&Principal::Header(header), None, &cx));
    assert!(!is_principal(&Principal::UrlPath(exact("")), None, &cx));
}

#[test]
fn addresses_are_told_apart() {
    let cx = context(facts());
    for (test, want) in [
        (Principal::DirectRemoteIp(range("10.0.0.1/32")), true),
        (Principal::SourceIp(range("10.0.0.2/32")), true),
        (Principal::SourceIp(range("10.0.0.1/32")), false),
        (Principal::RemoteIp(range("1.2.3.4/32")), true),
        (Principal::RemoteIp(range("10.0.0.0/8")), false),
    ] {
        assert_eq!(is_principal(&test, None, &cx), want, "{test:?}");
    }
    assert!(!is_principal(&Principal::SourceIp(range("0.0.0.0/0")), None, &context(Facts::default())));
}

#[test]
fn the_first_kind_of_name_on_a_certificate_counts() {
    let peer = |uris: &[&str], dns: &[&str], subject: &str, verified: bool| {
        context(Facts {
            tls: true,
            peer_verified: verified,
            peer_uris: uris.iter().map(|u| (*u).into()).collect(),
            peer_dns: dns.iter().map(|d| (*d).into()).collect(),
            peer_subject: subject.into(),
            ..Facts::default()
        })
    };
    let named =
        |name: &str, cx: &Context| is_principal(&Principal::Authenticated(Some(exact(name))), None, cx);
    let all = peer(&["spiffe://a", "spiffe://b"], &["dns"], "CN=s", true);
    assert!(named("spiffe://a", &all) && named("spiffe://b", &all));
    assert!(!named("dns", &all) && !named("CN=s", &all));
    assert!(named("dns", &peer(&[], &["dns"], "CN=s", true)));
    assert!(!named("CN=s", &peer(&[], &["dns"], "CN=s", true)));
    assert!(named("CN=s", &peer(&[], &[], "CN=s", true)));
    assert!(!named("spiffe://a", &peer(&["spiffe://a"], &[], "", false)));
    // Any authenticated peer: whoever came over TLS.
    let anyone = Principal::Authenticated(None);
    assert!(is_principal(&anyone, None, &peer(&[], &[], "", false)));
    assert!(!is_principal(&anyone, None, &context(Facts::default())));
}

#[test]
fn notes_of_filters_can_be_asked_for() {
    let matcher = |value: &str, invert: bool| {
        Principal::Metadata(Arc::new(MetadataMatcher {
            filter: "jwt".into(),
            path: vec!["claims".into(), "group".into()],
            value: exact(value),
            invert,
        }))
    };
    let mut cx = context(Facts::default());
    assert!(!is_principal(&matcher("a", false), None, &cx));
    assert!(is_principal(&matcher("a", true), None, &cx));
    let text = |t: &str| MetadataValue::String(t.into());
    for (group, want) in [
        (text("a"), true),
        (text("b"), false),
        (MetadataValue::List(vec![text("b"), text("a")]), true),
        (MetadataValue::Null, false),
    ] {
        let claims = MetadataValue::Struct([("group".into(), group)].into());
        cx.metadata.insert("jwt".into(), MetadataValue::Struct([("claims".into(), claims)].into()));
        assert_eq!(is_principal(&matcher("a", false), None, &cx), want);
        assert_eq!(is_principal(&matcher("a", true), None, &cx), !want);
    }
    cx.state.insert("key".into(), "v".into());
    assert!(is_principal(&Principal::FilterState("key".into(), exact("v")), None, &cx));
    assert!(!is_principal(&Principal::FilterState("other".into(), exact("")), None, &cx));
}

#[test]
fn a_policy_wants_one_permission_and_one_principal() {
    let policy =
        |permissions: Vec<Permission>, principals: Vec<Principal>| RbacPolicy { permissions, principals };
    let never = || Permission::Not(Box::new(Permission::Any));
    let nobody = || Principal::Not(Box::new(Principal::Any));
    for (policy, matches) in [
        (policy(vec![never(), Permission::Any], vec![nobody(), Principal::Any]), true),
        (policy(vec![Permission::Any], vec![nobody()]), false),
        (policy(vec![never()], vec![Principal::Any]), false),
        (policy(vec![], vec![Principal::Any]), false),
    ] {
        let rules = |action| RbacRules { action, policies: vec![("p".into(), policy.clone())] };
        let cx = context(Facts::default());
        assert_eq!(evaluate(&rules(RbacAction::Allow), None, &cx).allowed, matches);
        assert_eq!(evaluate(&rules(RbacAction::Deny), None, &cx).allowed, !matches);
        assert_eq!(evaluate(&rules(RbacAction::Log), None, &cx).policy.is_some(), matches);
    }
}

/// A formula over two facts: whether the port is 1 and whether the name is `n`.
fn formula() -> impl Strategy<Value = Permission> {
    let leaf = prop_oneof![
        Just(Permission::Any),
        Just(Permission::DestinationPort(1)),
        Just(Permission::ServerName(exact("n"))),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Permission::And),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Permission::Or),
            inner.prop_map(|p| Permission::Not(Box::new(p))),
        ]
    })
}

proptest! {
    /// The laws of De Morgan hold, and a formula and its opposite never agree.
    #[test]
    fn formulas_are_boolean(a in formula(), b in formula(), port in 1u16..3, named: bool) {
        let local = Some(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        let server_name = named.then(|| "n".into());
        let cx = context(Facts { local, server_name, ..Facts::default() });
        let holds = |p: Permission| permits(&p, None, &cx);
        let not = |p: &Permission| Permission::Not(Box::new(p.clone()));
        prop_assert_ne!(holds(a.clone()), holds(not(&a)));
        prop_assert_eq!(
            holds(not(&Permission::And(vec![a.clone(), b.clone()]))),
            holds(Permission::Or(vec![not(&a), not(&b)]))
        );
        prop_assert_eq!(holds(Permission::And(vec![a.clone(), b.clone()])), holds(a) && holds(b));
    }
}
