//! What a workload sees and takes in: Sidecar, PeerAuthentication, AuthorizationPolicy, Gateway.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod text;

use text::{hosts, labels, pod, said, service, snapshot, virtual_service};
use weft_api::Code;
use weft_model::{Labels, MtlsMode, OutboundMode};

fn object(kind: &str, namespace: &str, name: &str, spec: &str) -> String {
    let group = if kind.ends_with("Policy") || kind.starts_with("Peer") { "security" } else { "networking" };
    format!(
        "---\napiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {spec}\n"
    )
}

fn base() -> String {
    [
        service("books", "reviews"),
        service("books", "ratings"),
        service("other", "far"),
        pod("books", "reviews", "v1", "10.0.0.1"),
    ]
    .concat()
}

#[test]
fn without_a_sidecar_everything_is_seen() {
    let mesh = snapshot(&(base() + &virtual_service("books", "a", "reviews", "ratings", "")));
    let scope = mesh.sidecar_scope("third", &Labels::new());
    assert!(scope.object.is_none());
    assert_eq!(scope.services.len(), 3);
    assert_eq!(scope.virtual_services.len(), 1);
    assert_eq!(scope.outbound, OutboundMode::AllowAny);
    assert_eq!(scope.egress.len(), 1);
    assert!(std::sync::Arc::ptr_eq(&scope, &mesh.sidecar_scope("third", &Labels::new())));
}

#[test]
fn sidecars_go_from_workload_to_namespace_to_root() {
    let egress = |hosts: &str| format!("{{egress: [{{hosts: [{hosts}]}}]}}");
    let yaml = [
        base(),
        object("Sidecar", "istio-system", "root", &egress("'./*'")),
        object("Sidecar", "books", "whole", &egress("'other/*'")),
        object(
            "Sidecar",
            "books",
            "one",
            "{workloadSelector: {labels: {app: reviews}}, outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: \
             [{hosts: ['~/*']}]}",
        ),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    let seen = |namespace: &str, own: &Labels| {
        let scope = mesh.sidecar_scope(namespace, own);
        (hosts(&scope.services).join(","), scope.outbound)
    };
    let none = Labels::new();
    assert_eq!(seen("other", &none), ("far.other.svc.cluster.local".to_owned(), OutboundMode::AllowAny));
    assert_eq!(seen("books", &none), ("far.other.svc.cluster.local".to_owned(), OutboundMode::AllowAny));
    let reviews = labels(&[("app", "reviews")]);
    assert_eq!(seen("books", &reviews), (String::new(), OutboundMode::RegistryOnly));
}

#[test]
fn egress_listeners_import_by_host_and_port_and_follow_routes() {
    let spec = "{egress: [{port: {number: 80, protocol: HTTP, name: http}, hosts: ['./reviews.books.svc.cluster.local']}, \
                {hosts: ['*/ratings.books.svc.cluster.local', './nobody']}]}";
    let yaml = [
        base(),
        object("Sidecar", "books", "whole", spec),
        virtual_service("books", "a", "reviews", "far.other.svc.cluster.local", ""),
        virtual_service("other", "b", "far", "far", ""),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    let scope = mesh.sidecar_scope("books", &Labels::new());
    assert_eq!(hosts(&scope.egress[0].services), ["reviews.books.svc.cluster.local"]);
    assert_eq!(scope.egress[0].virtual_services.len(), 1);
    assert_eq!(hosts(&scope.egress[1].services), ["ratings.books.svc.cluster.local"]);
    assert!(scope.egress[1].virtual_services.is_empty());
    let all =
        ["far.other.svc.cluster.local", "ratings.books.svc.cluster.local", "reviews.books.svc.cluster.local"];
    assert_eq!(hosts(&scope.services), all);
    assert_eq!(scope.virtual_services.len(), 1);
    let said = said(&mesh, Code::UnknownHost);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("Sidecar books/whole: spec.egress[1].hosts[1]: there is no service of host nobody")
    );
}

#[test]
fn mutual_tls_is_resolved_from_mesh_to_namespace_to_workload_to_port() {
    let mtls = |mode: &str| format!("{{mtls: {{mode: {mode}}}}}");
    let reviews = labels(&[("app", "reviews")]);
    let none = Labels::new();
    let of = |yaml: &str, namespace: &str, own: &Labels| snapshot(yaml).peer_mtls(namespace, own);
    assert_eq!(of("", "books", &none).default, MtlsMode::Permissive);
    let root = object("PeerAuthentication", "istio-system", "default", &mtls("STRICT"));
    assert_eq!(of(&root, "books", &none).default, MtlsMode::Strict);
    let whole = root.clone() + &object("PeerAuthentication", "books", "default", &mtls("DISABLE"));
    assert_eq!(of(&whole, "books", &none).default, MtlsMode::Disable);
    assert_eq!(of(&whole, "other", &none).default, MtlsMode::Strict);
    let unset = root.clone() + &object("PeerAuthentication", "books", "default", "{}");
    assert_eq!(of(&unset, "books", &none).default, MtlsMode::Strict);
    let one =
        "{selector: {matchLabels: {app: reviews}}, portLevelMtls: {'8080': {mode: PERMISSIVE}, '9090': {}}}";
    let one = whole + &object("PeerAuthentication", "books", "one", one);
    let found = of(&one, "books", &reviews);
    assert_eq!(
        (found.default, found.of(8080), found.of(9090)),
        (MtlsMode::Disable, MtlsMode::Permissive, MtlsMode::Disable)
    );
    assert!(of(&one, "books", &none).ports.is_empty());
    assert!(of(&one, "other", &reviews).ports.is_empty());
    // A selector in the root namespace is for that namespace's workloads.
    let of_root = object(
        "PeerAuthentication",
        "istio-system",
        "one",
        "{selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}}",
    );
    assert_eq!(of(&of_root, "books", &reviews).default, MtlsMode::Permissive);
    assert_eq!(of(&of_root, "istio-system", &reviews).default, MtlsMode::Strict);
}

#[test]
fn of_two_for_a_whole_namespace_the_older_is_in_force() {
    let strict = object("PeerAuthentication", "books", "old", "{mtls: {mode: STRICT}}")
        .replace("{name: old", "{creationTimestamp: '2020-01-01T00:00:00Z', name: old");
    let other = object("PeerAuthentication", "books", "a-young", "{mtls: {mode: DISABLE}}")
        .replace("{name: a-young", "{creationTimestamp: '2026-01-01T00:00:00Z', name: a-young");
    let mesh = snapshot(&(other + &strict));
    assert_eq!(mesh.peer_mtls("books", &Labels::new()).default, MtlsMode::Strict);
    let said = said(&mesh, Code::Conflict);
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains("PeerAuthentication books/a-young: spec: PeerAuthentication books/old"),
        "{said:?}"
    );
}

#[test]
fn policies_of_the_root_namespace_come_first_and_may_select_everywhere() {
    let yaml = [
        object("AuthorizationPolicy", "books", "b", "{}"),
        object("AuthorizationPolicy", "books", "a", "{selector: {matchLabels: {app: reviews}}}"),
        object("AuthorizationPolicy", "istio-system", "z", "{selector: {matchLabels: {app: reviews}}}"),
        object("AuthorizationPolicy", "other", "x", "{}"),
        object("AuthorizationPolicy", "books", "target", "{targetRefs: [{kind: Service, name: reviews}]}"),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    let names = |namespace: &str, own: &Labels| {
        let found = mesh.authorization_policies(namespace, own);
        found.iter().map(|object| object.reference.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("books", &labels(&[("app", "reviews")])), ["z", "a", "b"]);
    assert_eq!(names("books", &Labels::new()), ["b"]);
    assert_eq!(names("istio-system", &labels(&[("app", "reviews")])), ["z"]);
    // One for the pods of any namespace, none of which has the labels.
    assert_eq!(said(&mesh, Code::NothingSelected).len(), 2);
}

#[test]
fn gateways_select_by_all_of_their_labels_in_any_namespace() {
    let server =
        "servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['books/*.example.com']}]";
    let yaml = [
        base(),
        object("Gateway", "books", "a", &format!("{{selector: {{app: reviews, version: v1}}, {server}}}")),
        object("Gateway", "other", "b", &format!("{{selector: {{app: other}}, {server}}}")),
        object("Gateway", "other", "all", &format!("{{{server}}}")),
        virtual_service("books", "good", "a.example.com", "reviews", "  gateways: [a]\n"),
        virtual_service("other", "bad", "a.example.com", "far", "  gateways: [books/a]\n"),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    let names = |own: &Labels| {
        let found = mesh.gateways_for("books", own);
        found.iter().map(|object| object.reference.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&labels(&[("app", "reviews"), ("version", "v1")])), ["a", "all"]);
    assert_eq!(names(&labels(&[("app", "reviews")])), ["all"]);
    assert_eq!(mesh.virtual_services_for_gateway("books/a").len(), 2);
    assert!(mesh.virtual_services_for_mesh("books").is_empty());
    let nothing = said(&mesh, Code::NothingSelected);
    assert_eq!(nothing.len(), 1);
    assert!(
        nothing[0].contains("Gateway other/b: spec.selector: no pod has the labels app=other"),
        "{nothing:?}"
    );
    let hosts = said(&mesh, Code::UnknownHost);
    assert_eq!(hosts.len(), 1);
    assert!(
        hosts[0].contains("other/bad: spec.gateways[0]: Gateway books/a serves none of the hosts"),
        "{hosts:?}"
    );
}
