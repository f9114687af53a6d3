//! One bad object harms only itself: what others mean does not change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod text;

use std::sync::Arc;

use proptest::prelude::*;
use text::{destination_rule, objects, pod, service, virtual_service};
use weft_api::Object;
use weft_model::{Labels, MeshConfig, Snapshot};

/// Objects that have nothing wrong, all of an age.
fn good() -> Vec<Arc<Object>> {
    let yaml = [
        service("books", "reviews"),
        service("books", "ratings"),
        service("other", "far"),
        pod("books", "reviews", "v1", "10.0.0.1"),
        pod("books", "reviews", "v2", "10.0.0.2"),
        pod("books", "ratings", "v1", "10.0.0.3"),
        pod("other", "far", "v1", "10.0.0.4"),
        virtual_service("books", "reviews", "reviews", "reviews, subset: v1", "  gateways: [mesh, gw]\n"),
        virtual_service("other", "far", "far", "far", "  exportTo: [.]\n"),
        destination_rule("books", "reviews", "reviews", &["v1", "v2"], "  trafficPolicy: {connectionPool: {http: {maxRetries: 1}}}\n"),
        destination_rule("istio-system", "all", "*.local", &[], ""),
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: api, namespace: books}\nspec: \
         {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}\n"
            .to_owned(),
        "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: mtls, namespace: \
         books}\nspec: {mtls: {mode: STRICT}}\n"
            .to_owned(),
        "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: far, namespace: other}\nspec: \
         {egress: [{hosts: ['./*', 'books/*']}]}\n"
            .to_owned(),
        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: gw, namespace: books}\nspec: \
         {selector: {app: ratings}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['*']}]}\n"
            .to_owned(),
    ]
    .concat();
    aged(&yaml, "2020-01-01T00:00:00Z")
}

/// Younger objects that contend with good ones, or name what is not there.
fn bad() -> Vec<Arc<Object>> {
    let delegating = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: lost, \
                      namespace: books}\nspec: {hosts: [ratings], http: [{delegate: {name: nobody}}]}\n";
    let yaml = [
        virtual_service("books", "bad-host", "a.example.com", "nobody", ""),
        virtual_service("books", "bad-subset", "b.example.com", "reviews, subset: v9", ""),
        virtual_service("books", "again", "reviews", "ratings", ""),
        virtual_service("other", "again", "reviews.books.svc.cluster.local", "far", ""),
        virtual_service("books", "bad-gateway", "c.example.com", "ratings", "  gateways: [nobody]\n"),
        delegating.to_owned(),
        destination_rule("books", "again", "reviews", &["v1", "v2"], "  trafficPolicy: {loadBalancer: {simple: RANDOM}}\n"),
        destination_rule("books", "bad-host", "nobody", &["v1"], ""),
        destination_rule("third", "elsewhere", "reviews.books.svc.cluster.local", &[], ""),
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: takes-over, namespace: \
         books}\nspec: {hosts: [reviews.books.svc.cluster.local, api.example.com], resolution: STATIC, ports: \
         [{number: 443, name: tcp, protocol: TCP}], endpoints: [{address: 6.6.6.6}]}\n"
            .to_owned(),
        "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: again, namespace: \
         books}\nspec: {mtls: {mode: DISABLE}}\n"
            .to_owned(),
        "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: again, namespace: other}\nspec: \
         {egress: [{hosts: ['~/*']}]}\n"
            .to_owned(),
        "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: none, namespace: books}\nspec: \
         {workloadSelector: {labels: {app: nobody}}, egress: [{hosts: ['books/nobody']}]}\n"
            .to_owned(),
        pod("third", "reviews", "v1", "10.0.0.1"),
        pod("books", "odd", "v1", "not-an-address"),
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: odd, namespace: books, labels: \
         {kubernetes.io/service-name: nobody}}\nports: [{port: 1}]\nendpoints: [{addresses: [x]}]\n"
            .to_owned(),
    ]
    .concat();
    aged(&yaml, "2026-01-01T00:00:00Z")
}

fn aged(yaml: &str, created: &str) -> Vec<Arc<Object>> {
    let objects = objects(yaml).into_iter();
    objects
        .map(|object| {
            let mut object = Object::clone(&object);
            object.meta.created = Some(created.to_owned());
            Arc::new(object)
        })
        .collect()
}

/// What the good objects mean, as far as a proxy of either namespace can tell.
fn meaning(mesh: &Snapshot, good: &[Arc<Object>]) -> Vec<String> {
    let is_good = |object: &Arc<Object>| good.iter().any(|known| known.reference == object.reference);
    let mut all = Vec::new();
    for service in mesh.services().filter(|service| is_good(&service.object)) {
        all.push(format!("{service:?}"));
        for port in &service.ports {
            all.push(format!("{:?}", mesh.endpoints(service, port.number)));
        }
        for namespace in ["books", "other"] {
            all.push(format!("{:?}", mesh.service(&service.host, namespace).map(|s| &s.object.reference)));
            let rule = mesh.destination_rule(namespace, &Labels::new(), service);
            all.push(format!("{:?}", rule.map(|rule| rule.spec.clone())));
        }
    }
    for namespace in ["books", "other"] {
        let views = mesh.virtual_services_for_mesh(namespace);
        all.extend(views.iter().filter(|view| is_good(&view.object)).map(|view| format!("{view:?}")));
        let scope = mesh.sidecar_scope(namespace, &Labels::new());
        all.push(format!("{:?} {:?}", scope.object.as_ref().map(|object| &object.reference), scope.outbound));
        let services = scope.services.iter().filter(|service| is_good(&service.object));
        all.extend(services.map(|service| format!("{} {:?}", service.host, service.ports)));
        all.push(format!("{:?}", mesh.peer_mtls(namespace, &Labels::new())));
    }
    for view in mesh.virtual_services_for_gateway("books/gw") {
        all.push(format!("{view:?}"));
    }
    for address in ["10.0.0.1", "10.0.0.3"] {
        let workload = mesh.workload_at(address.parse().unwrap()).unwrap();
        all.push(format!("{workload:?}"));
        all.push(format!("{:?}", mesh.services_of(workload)));
    }
    all
}

#[test]
fn good_objects_give_no_diagnostics_but_that_dns_is_needed() {
    let mesh = Snapshot::build(&good(), &MeshConfig::default(), 1);
    let lines: Vec<String> = mesh.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("info WEFT0308: ServiceEntry books/api: spec.hosts[0]: calls need a DNS"));
}

#[test]
fn each_bad_object_is_told_of() {
    for bad in bad() {
        let mut objects = good();
        objects.push(bad.clone());
        let mesh = Snapshot::build(&objects, &MeshConfig::default(), 1);
        let told = mesh.diagnostics.iter().any(|d| d.object.as_ref() == Some(&bad.reference));
        let fine =
            ["reviews-v1", "odd"].contains(&&*bad.reference.name) || &*bad.reference.name == "elsewhere";
        assert!(told || fine, "{}", bad.reference);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bad_objects_change_nothing_of_the_good_ones(
        chosen in proptest::sample::subsequence((0..bad().len()).collect::<Vec<_>>(), 0..=bad().len()),
        turn in 0usize..40,
    ) {
        let good = good();
        let alone = Snapshot::build(&good, &MeshConfig::default(), 1);
        let bad = bad();
        let mut objects: Vec<_> = chosen.iter().map(|index| bad[*index].clone()).chain(good.clone()).collect();
        let turn = turn % objects.len();
        objects.rotate_left(turn);
        let together = Snapshot::build(&objects, &MeshConfig::default(), 1);
        prop_assert_eq!(meaning(&together, &good), meaning(&alone, &good));
    }
}
