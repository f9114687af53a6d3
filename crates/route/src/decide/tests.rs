use proptest::prelude::*;

use super::*;
use crate::testing::{host_of, routes};

fn decided(config: &RouteConfig, head: &RequestHead, dice: u64) -> Option<RouteChoice> {
    match decide(config, head, &RequestFacts { dice, ..RequestFacts::default() }) {
        Decision::Route(choice) => Some(choice),
        _ => None,
    }
}

fn cluster(config: &RouteConfig, head: &RequestHead, dice: u64) -> Option<String> {
    decided(config, head, dice)?.cluster.map(|c| c.to_string())
}

#[test]
fn the_first_route_that_matches_counts() {
    let config = host_of(
        "{name: one, match: {prefix: /a/b}, route: {cluster: x}},
         {name: two, match: {prefix: /a}, direct_response: {status: 204}},
         {name: three, match: {prefix: /a/c}, route: {cluster: z}}",
    );
    let name = |path| decided(&config, &RequestHead::get("h", path), 0).map(|c| c.route.name.to_string());
    assert_eq!(name("/a/b").as_deref(), Some("one"));
    assert_eq!(name("/a/c").as_deref(), Some("two"));
    assert_eq!(name("/b"), None);
}

#[test]
fn no_host_and_no_route_are_no_route() {
    let config = routes(
        "virtual_hosts: [{name: v, domains: [a.test], routes: [{match: {path: /}, route: {cluster: x}}]}]",
    );
    for (host, path) in [("b.test", "/"), ("a.test", "/x")] {
        let decision = decide(&config, &RequestHead::get(host, path), &RequestFacts::default());
        assert!(matches!(decision, Decision::NoRoute), "{host}{path}");
    }
}

#[test]
fn path_parameters_do_not_count_where_told_so() {
    let yaml =
        "virtual_hosts: [{name: v, domains: ['*'], routes: [{match: {path: /a/b}, route: {cluster: x}}]}]";
    let ignoring = routes(&format!("ignore_path_parameters_in_path_matching: true, {yaml}"));
    for path in ["/a;x/b", "/a/b;y=z", "/a;x/b;y?q", "/a/b?c;d"] {
        assert_eq!(cluster(&ignoring, &RequestHead::get("h", path), 0).as_deref(), Some("x"), "{path}");
    }
    assert_eq!(cluster(&routes(yaml), &RequestHead::get("h", "/a;x/b"), 0), None);
}

#[test]
fn a_header_names_the_cluster() {
    let config = host_of("{match: {prefix: /}, route: {cluster_header: x-to}}");
    let mut head = RequestHead::get("h", "/");
    assert_eq!(cluster(&config, &head, 0), None);
    assert!(decided(&config, &head, 0).is_some());
    head.headers.append("x-to", "backend");
    assert_eq!(cluster(&config, &head, 0).as_deref(), Some("backend"));
}

const WEIGHTED: &str = "{match: {prefix: /}, route: {weighted_clusters: {header_name: x-dice, clusters: [
    {name: a, weight: 1}, {name: none, weight: 0}, {name: b, weight: 3}]}}}";

#[test]
fn weights_share_out_the_dice() {
    let config = host_of(WEIGHTED);
    let head = RequestHead::get("h", "/");
    let drawn: Vec<_> = (0..8).filter_map(|dice| cluster(&config, &head, dice)).collect();
    assert_eq!(drawn, ["a", "b", "b", "b", "a", "b", "b", "b"]);
    let choice = decided(&config, &head, 1).unwrap();
    assert_eq!(&*choice.weighted_cluster().unwrap().cluster, "b");
}

#[test]
fn one_number_in_a_header_replaces_the_dice() {
    let config = host_of(WEIGHTED);
    let with = |values: &[&str]| {
        let mut head = RequestHead::get("h", "/");
        for value in values {
            head.headers.append("x-dice", value);
        }
        cluster(&config, &head, 0).unwrap()
    };
    assert_eq!(with(&["5"]), "b");
    assert_eq!(with(&["4"]), "a");
    // Otherwise the dice count, which show 0 here.
    assert_eq!(with(&["junk"]), "a");
    assert_eq!(with(&["-1"]), "a");
    assert_eq!(with(&["5", "5"]), "a");
}

#[test]
fn fraction_and_weights_use_the_same_draw() {
    // Of the dice that the fraction lets pass (0..50 of 100), all fall to the first cluster.
    let config = host_of(
        "{match: {prefix: /, runtime_fraction: {default_value: {numerator: 50}, runtime_key: k}},
          route: {weighted_clusters: {clusters: [{name: a, weight: 50}, {name: b, weight: 50}]}}}",
    );
    let head = RequestHead::get("h", "/");
    for dice in 0..200 {
        let want = (dice % 100 < 50).then(|| "a".to_owned());
        assert_eq!(cluster(&config, &head, dice), want, "{dice}");
    }
}

#[test]
fn hosts_may_want_tls() {
    let asks = |requirement: &str, fields: &[(&str, &str)], tls: bool| {
        let config = routes(&format!(
            "virtual_hosts: [{{name: v, domains: ['*'], require_tls: {requirement}, routes: []}}]"
        ));
        let mut head = RequestHead::get("h", "/");
        head.headers = fields.iter().copied().collect();
        let facts = RequestFacts { tls, ..RequestFacts::default() };
        matches!(decide(&config, &head, &facts), Decision::RequireTls(_))
    };
    let (http, https) = (("x-forwarded-proto", "http"), ("x-forwarded-proto", "https"));
    let internal = ("x-envoy-internal", "true");
    assert!(asks("ALL", &[http], false));
    assert!(asks("ALL", &[http, internal], false));
    assert!(asks("ALL", &[http], true));
    assert!(!asks("ALL", &[https], false));
    assert!(!asks("ALL", &[], true));
    assert!(asks("EXTERNAL_ONLY", &[http], false));
    assert!(!asks("EXTERNAL_ONLY", &[http, internal], false));
    assert!(!asks("NONE", &[http], false));
}

proptest! {
    /// Every draw gives a cluster, and each its exact share of the draws of one round.
    #[test]
    fn weights_are_exact(weights in prop::collection::vec(0u64..6, 1..5)) {
        prop_assume!(weights.iter().sum::<u64>() > 0);
        let entries: Vec<String> =
            weights.iter().enumerate().map(|(i, w)| format!("{{name: c{i}, weight: {w}}}")).collect();
        let config = host_of(&format!(
            "{{match: {{prefix: /}}, route: {{weighted_clusters: {{clusters: [{}]}}}}}}", entries.join(", ")
        ));
        let head = RequestHead::get("h", "/");
        let mut drawn = vec![0u64; weights.len()];
        for dice in 0..weights.iter().sum::<u64>() {
            drawn[decided(&config, &head, dice).and_then(|c| c.weighted).unwrap()] += 1;
        }
        prop_assert_eq!(drawn, weights);
    }
}
