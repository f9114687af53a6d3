//! Services, endpoints and workloads from objects.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod text;

use text::{address, addresses, objects, pod, service, snapshot};
use weft_api::Code;
use weft_model::{Health, MeshConfig, Protocol, Resolution, Snapshot};

const REVIEWS: &str = "reviews.books.svc.cluster.local";

#[test]
fn a_service_has_the_ready_pods_that_its_selector_chooses() {
    let mesh = snapshot(
        &[
            service("books", "reviews"),
            pod("books", "reviews", "v1", "10.0.0.1"),
            pod("books", "reviews", "v2", "10.0.0.2"),
            pod("books", "ratings", "v1", "10.0.0.3"),
            pod("other", "reviews", "v3", "10.0.0.4"),
        ]
        .concat(),
    );
    let reviews = mesh.service(REVIEWS, "anywhere").unwrap();
    assert_eq!(reviews.resolution, Resolution::Eds);
    assert_eq!(reviews.ports[0].protocol, Protocol::Http);
    let endpoints = mesh.endpoints(reviews, 80);
    assert_eq!(addresses(endpoints), ["10.0.0.1:8080", "10.0.0.2:8080"]);
    assert!(mesh.endpoints(reviews, 8080).is_empty());
    let first = &endpoints[0];
    assert_eq!(first.identity.as_ref().unwrap().to_string(), "spiffe://cluster.local/ns/books/sa/reviews");
    assert!(first.mtls);
    assert_eq!((&*first.cluster, &*first.namespace, first.health), ("Kubernetes", "books", Health::Healthy));

    let pod = mesh.workload("books", "reviews-v1").unwrap();
    assert_eq!(mesh.workload_at("10.0.0.1".parse().unwrap()), Some(pod));
    let served = mesh.services_of(pod);
    assert_eq!(served.len(), 1);
    assert_eq!((&*served[0].service.host, served[0].port.number, served[0].target_port), (REVIEWS, 80, 8080));
}

#[test]
fn named_target_ports_are_those_of_the_containers() {
    let mesh = snapshot(
        &[
            &service("books", "reviews").replace("targetPort: 8080", "targetPort: web"),
            &pod("books", "reviews", "v1", "10.0.0.1"),
            &pod("books", "reviews", "v2", "10.0.0.2").replace("containerPort: 8080", "containerPort: 9090"),
            &pod("books", "reviews", "v3", "10.0.0.3").replace("name: web", "name: other"),
        ]
        .map(String::as_str)
        .concat(),
    );
    let reviews = mesh.service(REVIEWS, "books").unwrap();
    assert_eq!(addresses(mesh.endpoints(reviews, 80)), ["10.0.0.1:8080", "10.0.0.2:9090"]);
    let v2 = mesh.workload("books", "reviews-v2").unwrap();
    assert_eq!(mesh.services_of(v2)[0].target_port, 9090);
    assert!(mesh.services_of(mesh.workload("books", "reviews-v3").unwrap()).is_empty());
}

#[test]
fn pods_tell_their_state() {
    let running = "status: {phase: Running, podIP:";
    let unready = "status: {phase: Running, conditions: [{type: Ready, status: 'False'}], podIP:";
    let yaml = [
        service("books", "reviews"),
        pod("books", "reviews", "v1", "10.0.0.1").replace(running, unready),
        pod("books", "reviews", "v2", "10.0.0.2")
            .replace("  labels:", "  deletionTimestamp: '2026-01-01T00:00:00Z'\n  labels:"),
        pod("books", "reviews", "v3", "10.0.0.3").replace("phase: Running", "phase: Succeeded"),
        pod("books", "reviews", "v4", "10.0.0.4").replace("istio}", "disabled}"),
        pod("books", "reviews", "v5", "127.64.0.5").replace(", security.istio.io/tlsMode: istio", ""),
    ]
    .concat();
    let of = |yaml: &str| {
        let mesh = snapshot(yaml);
        let endpoints = mesh.endpoints(mesh.service(REVIEWS, "books").unwrap(), 80).to_vec();
        endpoints.iter().map(|e| (address(e), e.health, e.mtls)).collect::<Vec<_>>()
    };
    let expected = [
        ("10.0.0.1:8080".to_owned(), Health::Unhealthy, true),
        ("10.0.0.2:8080".to_owned(), Health::Draining, true),
        ("10.0.0.4:8080".to_owned(), Health::Healthy, false),
        ("127.64.0.5:8080".to_owned(), Health::Healthy, true),
    ];
    assert_eq!(of(&yaml), expected);
    let published = yaml.replace("  selector:", "  publishNotReadyAddresses: true\n  selector:");
    assert_eq!(of(&published)[0].1, Health::Healthy);
}

const SLICE: &str = "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-abc, namespace: books, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
ports: [{name: http, port: 8081}]
endpoints:
- {addresses: [10.0.0.1], targetRef: {kind: Pod, name: reviews-v1, namespace: books}, zone: eu-1}
- {addresses: [10.0.9.9], conditions: {ready: false}}
- {addresses: [10.0.9.8], conditions: {ready: false, serving: true, terminating: true}}
";

#[test]
fn slices_go_before_selectors() {
    let yaml = [&service("books", "reviews"), &pod("books", "reviews", "v1", "10.0.0.1"), SLICE].concat();
    let yaml = yaml + &pod("books", "reviews", "v2", "10.0.0.2");
    let mesh = snapshot(&yaml);
    let endpoints = mesh.endpoints(mesh.service(REVIEWS, "books").unwrap(), 80);
    let found: Vec<_> = endpoints.iter().map(|e| (address(e), e.health, e.mtls)).collect();
    let expected = [
        ("10.0.0.1:8081".to_owned(), Health::Healthy, true),
        ("10.0.9.9:8081".to_owned(), Health::Unhealthy, false),
        ("10.0.9.8:8081".to_owned(), Health::Draining, false),
    ];
    assert_eq!(found, expected);
    assert_eq!(endpoints[0].labels["version"], "v1");
    assert_eq!(&*endpoints[0].locality.zone, "eu-1");
}

#[test]
fn headless_and_external_names() {
    let mesh = snapshot(
        &[
            &service("books", "reviews").replace("spec:\n", "spec:\n  clusterIP: None\n"),
            &pod("books", "reviews", "v1", "10.0.0.1")
                .replace("spec:\n", "spec:\n  hostname: first\n  subdomain: reviews\n"),
            "---\napiVersion: v1\nkind: Service\nmetadata: {name: out, namespace: books}\nspec: {type: ExternalName, \
             externalName: www.example.com, ports: [{name: http, port: 80, targetPort: 8080}]}\n",
            "---\napiVersion: v1\nkind: Service\nmetadata: {name: alias, namespace: books}\nspec: {type: \
             ExternalName, externalName: reviews.books.svc.cluster.local, ports: [{name: http, port: 80}]}\n",
        ]
        .map(ToString::to_string)
        .concat(),
    );
    let reviews = mesh.service(REVIEWS, "books").unwrap();
    assert!(
        reviews.headless && reviews.resolution == Resolution::Passthrough && reviews.addresses.is_empty()
    );
    assert_eq!(mesh.endpoints(reviews, 80)[0].hostname.as_deref(), Some("first"));
    let out = mesh.service("out.books.svc.cluster.local", "books").unwrap();
    assert!(out.external && out.resolution == Resolution::StrictDns);
    assert_eq!(addresses(mesh.endpoints(out, 80)), ["www.example.com:80"]);
    let alias = mesh.service("alias.books.svc.cluster.local", "books").unwrap();
    assert_eq!(addresses(mesh.endpoints(alias, 80)), ["10.0.0.1:8080"]);
}

#[test]
fn pods_name_their_owner_and_place() {
    let named = |name: &str, labels: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{{labels}}}, annotations: \
             {{weft.dev/ports: '9080=34567,80=1', weft.dev/bind: 127.0.0.9}}}}\nspec: {{}}\nstatus: {{}}\n"
        )
    };
    let mesh = snapshot(
        &[
            named("reviews-v1-5b7d8c-abcde", "pod-template-hash: 5b7d8c, app: reviews, version: v1"),
            named(
                "db-0",
                "statefulset.kubernetes.io/pod-name: db-0, topology.istio.io/locality: eu.eu-1.rack",
            ),
            named("plain-pod", "app.kubernetes.io/name: plain"),
        ]
        .concat(),
    );
    let of = |name| mesh.workload("default", name).unwrap();
    let reviews = of("reviews-v1-5b7d8c-abcde");
    assert_eq!((&*reviews.workload, reviews.canonical_name()), ("reviews-v1", "reviews"));
    assert_eq!((reviews.canonical_revision(), &*reviews.service_account), ("v1", "default"));
    assert_eq!((reviews.app_port(9080), reviews.app_port(8080)), (34567, 8080));
    assert_eq!(reviews.bind, Some("127.0.0.9".parse().unwrap()));
    assert_eq!((&*of("db-0").workload, of("db-0").canonical_revision()), ("db", "latest"));
    assert_eq!((&*of("db-0").locality.zone, &*of("db-0").locality.subzone), ("eu-1", "rack"));
    assert_eq!((&*of("plain-pod").workload, of("plain-pod").canonical_name()), ("plain-pod", "plain"));
}

#[test]
fn what_pods_say_and_cannot_be_read_is_told() {
    let mesh = snapshot(
        &[
            service("books", "reviews").replace("targetPort: 8080", "targetPort: nobody"),
            pod("books", "reviews", "v1", "10.0.0.300").replace(
                "  labels:",
                "  annotations: {weft.dev/ports: '80=81 x', weft.dev/bind: here}\n  labels:",
            ),
        ]
        .concat(),
    );
    let lines: Vec<String> = mesh.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let has = |part: &str| assert!(lines.iter().any(|line| line.contains(part)), "{part}\n{lines:#?}");
    has(
        "Service books/reviews: spec.ports[0].targetPort: no container of the chosen pods has a TCP port named nobody",
    );
    has("Pod books/reviews-v1: metadata.annotations[\"weft.dev/ports\"]: \"x\" is not PORT=PORT");
    has("metadata.annotations[\"weft.dev/bind\"]: \"here\" is not an IP address");
    has("status.podIP: \"10.0.0.300\" is not an IP address");
    assert_eq!(mesh.workload("books", "reviews-v1").unwrap().app_port(80), 81);
}

fn entry(name: &str, host: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: \
         books}}\nspec:\n  hosts: [\"{host}\"]\n{rest}"
    )
}

#[test]
fn service_entries_list_select_or_resolve() {
    let port = "  ports: [{number: 443, name: https, protocol: HTTPS, targetPort: 8443}]\n";
    let mesh = snapshot(
        &[
            entry("dns", "api.example.com", &format!("  resolution: DNS\n{port}")),
            entry("none", "*.wild.example.com", port),
            entry(
                "static",
                "static.example.com",
                &format!(
                    "{port}  resolution: STATIC\n  addresses: [240.0.0.9, 10.9.0.0/16]\n  endpoints:\n  - {{address: \
                     2.2.2.2, labels: {{v: a}}, ports: {{https: 9443}}, locality: eu/eu-1, weight: 3, \
                     serviceAccount: db}}\n  - {{address: 'unix:///run/x'}}\n"
                ),
            ),
            entry(
                "selected",
                "selected.example.com",
                &format!(
                    "{port}  resolution: STATIC\n  location: MESH_INTERNAL\n  workloadSelector: {{labels: {{app: \
                     reviews}}}}\n"
                ),
            ),
            pod("books", "reviews", "v1", "10.0.0.1"),
            "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm, namespace: books, \
             labels: {app: reviews}}\nspec: {address: 3.3.3.3}\n"
                .to_owned(),
        ]
        .concat(),
    );
    let of = |host: &str| mesh.service(host, "any").unwrap();
    let listed = |host: &str| addresses(mesh.endpoints(of(host), 443));
    assert_eq!(listed("api.example.com"), ["api.example.com:8443"]);
    assert_eq!(of("api.example.com").resolution, Resolution::StrictDns);
    assert!(of("*.wild.example.com").external);
    assert_eq!(
        (of("*.wild.example.com").resolution, listed("*.wild.example.com").len()),
        (Resolution::Passthrough, 0)
    );
    assert_eq!(listed("static.example.com"), ["2.2.2.2:9443", "unix:/run/x"]);
    let first = &mesh.endpoints(of("static.example.com"), 443)[0];
    assert_eq!((first.weight, &*first.locality.zone, first.mtls), (3, "eu-1", true));
    assert_eq!(first.identity.as_ref().unwrap().to_string(), "spiffe://cluster.local/ns/books/sa/db");
    assert_eq!(of("static.example.com").addresses.len(), 2);
    assert_eq!(listed("selected.example.com"), ["10.0.0.1:8443", "3.3.3.3:8443"]);
    assert!(!of("selected.example.com").external);
    let served = mesh.services_of(mesh.workload("books", "reviews-v1").unwrap());
    assert_eq!((&*served[0].service.host, served[0].target_port), ("selected.example.com", 8443));
}

#[test]
fn of_two_entries_for_one_host_the_older_goes_first_and_the_other_adds_its_ports() {
    let made = |name: &str, year: u32, ports: &str| {
        entry(name, "a.example.com", &format!("  resolution: DNS\n  ports: [{ports}]\n")).replace(
            "namespace: books}",
            &format!("namespace: books, creationTimestamp: '{year}-01-01T00:00:00Z'}}"),
        )
    };
    let yaml = [
        made(
            "a-young",
            2026,
            "{number: 443, name: tls, protocol: TLS}, {number: 80, name: http, protocol: HTTP}",
        ),
        made("old", 2020, "{number: 443, name: https, protocol: HTTPS}"),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    let service = mesh.service("a.example.com", "books").unwrap();
    assert_eq!(service.port(443).unwrap().protocol, Protocol::Https);
    assert_eq!(&*service.name, "old");
    assert_eq!(addresses(mesh.endpoints(service, 80)), ["a.example.com:80"]);
    let said = text::said(&mesh, Code::Conflict);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("ServiceEntry books/a-young: spec.hosts"), "{said:?}");
    assert!(said[0].contains("port 443: ServiceEntry books/old goes before"), "{said:?}");
}

#[test]
fn of_several_services_of_a_host_a_namespace_means_its_own() {
    let yaml = [
        entry("mine", REVIEWS, "  resolution: DNS\n  ports: [{number: 80, name: http, protocol: HTTP}]\n")
            .replace("namespace: books", "namespace: other"),
        service("books", "reviews"),
        service("books", "hidden").replace(
            "namespace: books}",
            "namespace: books, annotations: {networking.istio.io/exportTo: .}}",
        ),
    ]
    .concat();
    let mesh = snapshot(&yaml);
    assert_eq!(&*mesh.service(REVIEWS, "other").unwrap().namespace, "other");
    assert_eq!(&*mesh.service(REVIEWS, "third").unwrap().namespace, "books");
    let hidden = "hidden.books.svc.cluster.local";
    assert!(mesh.service(hidden, "books").is_some() && mesh.service(hidden, "other").is_none());
    assert_eq!(text::hosts(&mesh.services_visible_to("other")), [REVIEWS]);
    assert_eq!(text::hosts(&mesh.services_visible_to("books")), [hidden, REVIEWS]);
    assert_eq!(mesh.services().count(), 3);
}

#[test]
fn objects_in_any_order_make_the_same_mesh() {
    let yaml = [
        service("books", "reviews"),
        pod("books", "reviews", "v1", "10.0.0.1"),
        pod("books", "reviews", "v2", "10.0.0.2"),
        entry("a", "a.example.com", "  resolution: DNS\n  ports: [{number: 80, name: http}]\n"),
        entry("b", "a.example.com", "  resolution: DNS\n  ports: [{number: 80, name: http}]\n"),
    ]
    .concat();
    let mut objects = objects(&yaml);
    let seen = |mesh: &Snapshot| {
        let endpoints: Vec<_> =
            mesh.services().map(|s| (s.clone(), mesh.endpoints(s, 80).to_vec())).collect();
        (endpoints, mesh.diagnostics.clone())
    };
    let first = seen(&Snapshot::build(&objects, &MeshConfig::default(), 1));
    objects.reverse();
    assert_eq!(seen(&Snapshot::build(&objects, &MeshConfig::default(), 1)), first);
}
