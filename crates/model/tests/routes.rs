//! VirtualServices and DestinationRules: names in full, delegates, conflicts, look-up.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod text;

use text::{destination_rule, labels, pod, said, service, snapshot, virtual_service};
use weft_api::Code;
use weft_api::value::StringMatch;
use weft_model::{Labels, Snapshot};

const REVIEWS: &str = "reviews.books.svc.cluster.local";

fn base() -> String {
    [
        service("books", "reviews"),
        service("books", "ratings"),
        pod("books", "reviews", "v1", "10.0.0.1"),
        pod("books", "reviews", "v2", "10.0.0.2"),
        pod("books", "ratings", "v1", "10.0.0.3"),
    ]
    .concat()
}

fn names(views: &[std::sync::Arc<weft_model::VirtualServiceView>]) -> Vec<String> {
    views.iter().map(|view| format!("{} {}", view.name, view.hosts.join(","))).collect()
}

fn created(text: &str, year: u32) -> String {
    text.replacen("metadata: {", &format!("metadata: {{creationTimestamp: '{year}-01-01T00:00:00Z', "), 1)
}

#[test]
fn names_are_in_full_and_mean_what_the_objects_namespace_means() {
    let rest = "    mirror: {host: ratings}\n    match: [{gateways: [gw]}]\n  gateways: [gw, mesh]\n";
    let mesh = snapshot(&(base() + &virtual_service("books", "a", "reviews", "ratings", rest)));
    let view = &mesh.virtual_services()[0];
    assert_eq!(view.hosts.iter().map(|host| &**host).collect::<Vec<_>>(), [REVIEWS]);
    assert_eq!(view.gateways.iter().map(|name| &**name).collect::<Vec<_>>(), ["books/gw", "mesh"]);
    let route = &view.spec.http[0];
    assert_eq!(route.route[0].destination.host, "ratings.books.svc.cluster.local");
    assert_eq!(route.mirror.as_ref().unwrap().host, "ratings.books.svc.cluster.local");
    assert_eq!(route.matches[0].gateways, ["books/gw"]);
    assert_eq!(mesh.virtual_services_for_gateway("books/gw").len(), 1);
    assert_eq!(said(&mesh, Code::UnknownGateway).len(), 2);
}

#[test]
fn a_host_belongs_to_the_oldest_that_a_namespace_sees() {
    let yaml = [
        base(),
        created(&virtual_service("books", "young", "reviews", "ratings", ""), 2026),
        created(&virtual_service("books", "old", "reviews", "reviews", ""), 2020),
        created(&virtual_service("other", "mine", REVIEWS, REVIEWS, "  exportTo: [.]\n"), 2027),
        created(&virtual_service("other", "hidden", "a.example.com", REVIEWS, "  exportTo: ['~']\n"), 2027),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    assert_eq!(names(&mesh.virtual_services_for_mesh("books")), [format!("old {REVIEWS}")]);
    assert_eq!(names(&mesh.virtual_services_for_mesh("other")), [format!("mine {REVIEWS}")]);
    let said = said(&mesh, Code::Conflict);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("VirtualService books/young: spec.hosts[0]"), "{said:?}");
    assert!(said[0].contains(&format!("{REVIEWS}: VirtualService books/old goes before")), "{said:?}");
}

#[test]
fn what_is_named_and_missing_is_said_where_it_stands() {
    let yaml = [
        base(),
        virtual_service("books", "host", "reviews", "reviewz", ""),
        virtual_service("other", "short", "a.example.com", "reviews", ""),
        virtual_service("books", "port", "b.example.com", "reviews, port: {number: 81}", ""),
        virtual_service("books", "subset", "c.example.com", "reviews, subset: v9", ""),
        virtual_service("books", "empty", "d.example.com", "ratings, subset: v2", ""),
        virtual_service("books", "good", "e.example.com", "reviews, subset: v2", ""),
        destination_rule("books", "reviews", "reviews", &["v1", "v2"], ""),
        destination_rule("books", "ratings", "ratings", &["v1", "v2"], ""),
        destination_rule("books", "nobody", "nobody", &[], ""),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    let lines: Vec<String> =
        mesh.diagnostics.iter().map(ToString::to_string).filter(|line| !line.contains("info")).collect();
    let has = |parts: &[&str]| {
        assert!(
            lines.iter().any(|line| parts.iter().all(|part| line.contains(part))),
            "{parts:?}\n{lines:#?}"
        );
    };
    has(&[
        "VirtualService books/host: spec.http[0].route[0].destination.host",
        "reviewz.books.svc.cluster.local",
    ]);
    has(&["VirtualService other/short: spec.http[0]", "did you mean reviews.books.svc.cluster.local?"]);
    has(&["books/port: spec.http[0].route[0].destination.port: ", "has no port 81", "it has 80"]);
    has(&["books/subset: spec.http[0].route[0].destination.subset: ", "subset v9", "there are v1, v2"]);
    has(&["books/empty: spec.http[0].route[0].destination.subset: ", "labels of subset v2, version=v2"]);
    has(&["DestinationRule books/nobody: spec.host: there is no service of host nobody.books"]);
    assert_eq!(lines.len(), 6, "{lines:#?}");
    // The line is the field's own.
    let line = yaml.lines().position(|line| line.contains("host: reviewz")).unwrap() + 1;
    has(&["books/host", &format!("mesh.yaml:{line}:")]);
    let info: Vec<_> =
        said(&mesh, Code::NoEndpoints).into_iter().filter(|line| line.contains("info")).collect();
    assert_eq!(info.len(), 1, "{info:?}");
    assert!(info[0].contains("DestinationRule books/ratings: spec.subsets[1].labels"), "{info:?}");
}

const ROOT: &str = "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: books}
spec:
  hosts: [reviews]
  http:
  - name: root
    match: [{uri: {prefix: /a}}, {uri: {prefix: /b}, headers: {x: {exact: one}}}]
    timeout: 3s
    delegate: {name: part, namespace: other}
  - delegate: {name: nowhere}
  - route: [{destination: {host: ratings}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part, namespace: other}
spec:
  http:
  - name: exact
    match: [{uri: {exact: /a/1}}]
    route: [{destination: {host: local}}]
  - match: [{uri: {prefix: /z}}]
    route: [{destination: {host: local}}]
  - match: [{headers: {x: {exact: other}}}]
    timeout: 1s
    route: [{destination: {host: local}}]
  - route: [{destination: {host: local}}]
";

#[test]
fn delegates_stand_where_they_were_delegated() {
    let mesh = snapshot(&(base() + ROOT));
    assert_eq!(mesh.virtual_services().len(), 1);
    let view = &mesh.virtual_services()[0];
    let rules = &view.spec.http;
    let names: Vec<_> = rules.iter().map(|rule| rule.name.as_deref().unwrap_or("-")).collect();
    // /z can never hold within /a or /b.
    assert_eq!(names, ["root-exact", "root", "root", "-"]);
    assert_eq!(rules[0].matches.len(), 1);
    assert_eq!(rules[0].matches[0].uri, Some(StringMatch::Exact("/a/1".to_owned())));
    assert_eq!(rules[0].timeout.unwrap().as_secs(), 3);
    assert_eq!(rules[0].route[0].destination.host, "local.other.svc.cluster.local");
    // x: other contradicts x: one, but not /a.
    assert_eq!(rules[1].matches.len(), 1);
    assert_eq!(rules[1].matches[0].uri, Some(StringMatch::Prefix("/a".to_owned())));
    assert_eq!(rules[1].timeout.unwrap().as_secs(), 1);
    assert_eq!(rules[2].matches.len(), 2);
    let origins: Vec<_> = view.http_origins.iter().map(|o| (&*o.object.reference.name, o.index)).collect();
    assert_eq!(origins, [("part", 0), ("part", 2), ("part", 3), ("root", 2)]);
    let said = said(&mesh, Code::UnknownDelegate);
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains("books/root: spec.http[1].delegate: there is no VirtualService books/nowhere"),
        "{said:?}"
    );
}

#[test]
fn delegates_that_are_not_exported_are_left_out() {
    let yaml =
        base() + &ROOT.replace("namespace: other}\nspec:\n", "namespace: other}\nspec:\n  exportTo: [.]\n");
    let mesh = snapshot(&yaml);
    assert_eq!(mesh.virtual_services()[0].spec.http.len(), 1);
    assert_eq!(said(&mesh, Code::UnknownDelegate).len(), 2);
}

/// Where the rule for calls to reviews comes from.
fn rule(mesh: &Snapshot, namespace: &str, labels: &Labels) -> String {
    let service = mesh.service(REVIEWS, namespace).unwrap();
    mesh.destination_rule(namespace, labels, service)
        .map_or_else(String::new, |view| format!("{}/{}", view.namespace, view.name))
}

#[test]
fn rules_are_looked_up_from_client_to_service_to_root() {
    let none = Labels::new();
    let root = destination_rule("istio-system", "root", "*.local", &[], "");
    let books = destination_rule("books", "books", "reviews", &["v1"], "");
    let client = destination_rule("client", "wide", "*.books.svc.cluster.local", &[], "");
    let exact = destination_rule("client", "exact", REVIEWS, &[], "");
    let mesh = snapshot(&(base() + &root));
    assert_eq!(rule(&mesh, "client", &none), "istio-system/root");
    let mesh = snapshot(&[base(), root.clone(), books.clone()].concat());
    assert_eq!(rule(&mesh, "client", &none), "books/books");
    assert_eq!(rule(&mesh, "istio-system", &none), "books/books");
    let mesh = snapshot(&[base(), root.clone(), books.clone(), client.clone()].concat());
    assert_eq!(rule(&mesh, "client", &none), "client/wide");
    assert_eq!(rule(&mesh, "third", &none), "books/books");
    let mesh = snapshot(&[base(), root, books.clone(), client, exact].concat());
    assert_eq!(rule(&mesh, "client", &none), "client/exact");
    let hidden = books.replace("  host:", "  exportTo: [.]\n  host:");
    let mesh = snapshot(&(base() + &hidden));
    assert_eq!(rule(&mesh, "client", &none), "");
    assert_eq!(rule(&mesh, "books", &none), "books/books");
}

#[test]
fn rules_of_one_host_are_merged() {
    let policy = "  trafficPolicy: {loadBalancer: {simple: RANDOM}}\n";
    let yaml = [
        base(),
        created(&destination_rule("books", "old", "reviews", &["v1"], ""), 2020),
        created(&destination_rule("books", "second", REVIEWS, &["v1", "v2"], policy), 2021),
        created(&destination_rule("books", "third", REVIEWS, &["v3"], policy), 2022),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    let view =
        mesh.destination_rule("books", &Labels::new(), mesh.service(REVIEWS, "books").unwrap()).unwrap();
    let subsets: Vec<_> = view.spec.subsets.iter().map(|subset| subset.name.as_str()).collect();
    assert_eq!(subsets, ["v1", "v2", "v3"]);
    assert!(view.spec.traffic_policy.is_some());
    assert_eq!(view.sources.len(), 3);
    assert_eq!(&*view.source_of_subset("v2").unwrap().reference.name, "second");
    let said = said(&mesh, Code::Conflict);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("books/second: spec.subsets[0]") && said[0].contains("books/old goes before"));
    assert!(
        said[1].contains("books/third: spec.trafficPolicy") && said[1].contains("books/second goes before")
    );
}

#[test]
fn a_rule_that_selects_the_caller_goes_first() {
    let selecting = "  workloadSelector: {matchLabels: {app: ratings}}\n";
    let yaml = [
        base(),
        destination_rule("books", "a-for-all", "reviews", &[], ""),
        destination_rule("books", "selecting", "reviews", &[], selecting),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    assert_eq!(rule(&mesh, "books", &labels(&[("app", "ratings")])), "books/selecting");
    assert_eq!(rule(&mesh, "books", &labels(&[("app", "other")])), "books/a-for-all");
    assert_eq!(rule(&mesh, "client", &labels(&[("app", "ratings")])), "books/a-for-all");
}
