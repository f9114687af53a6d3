//! Under another control plane: what Istio's sends to its own proxies is taken, or passed over and said so, or
//! refused by the field's path, and what is refused harms nothing else.

#![allow(clippy::unwrap_used)] // functions that tests share

#[path = "foreign/cases.rs"]
mod cases;
mod control;
#[path = "foreign/golden.rs"]
mod golden;
#[path = "control/load.rs"]
mod load;
#[path = "mesh/pki.rs"]
mod pki;
mod running;

use std::time::{Duration, Instant};

use cases::Expected;
use control::{
    Control, bootstrap, certificate, cluster, endpoints, listener, listener_yaml, roots, routes, set, tls,
};
use load::{Client, backend};
use running::{Proxy, free_port};
use serde_json::Value;
use weft_proto::resource::{Resource, ResourceSet};
use weft_proto::type_url::{CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION};

const PROTOCOLS: [&str; 2] = ["DELTA_GRPC", "GRPC"];

fn start(control: &Control, api: &str) -> Proxy {
    let (server, api) = (control.port, api.to_owned());
    Proxy::start(move |_, admin| bootstrap(admin, server, &api), &["--concurrency", "1"])
}

/// A page of the admin listener, as JSON.
fn page(proxy: &Proxy, path: &str) -> Value {
    let (status, body) = load::page(("127.0.0.1", proxy.admin), path).unwrap();
    assert_eq!(status, 200, "{path}");
    serde_json::from_str(&body).unwrap()
}

/// Names of the resources of a type, and whether they are in force.
fn in_force(dump: &Value, of_type: &str) -> Vec<(String, bool)> {
    let one = |r: &Value| (r["name"].as_str().unwrap().to_owned(), r["state"] == "active");
    dump[of_type].as_array().unwrap().iter().map(one).collect()
}

/// The workload's material, under the names by which Istio's proxies ask for it.
fn secrets(set: &mut ResourceSet) {
    let folder = tempfile::tempdir().unwrap();
    let files = pki::issue(folder.path(), &["shop"]);
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    for name in ["default", "kubernetes://shop"] {
        set.insert(certificate(name, &read(&files[0].chain), &read(&files[0].key)));
    }
    set.insert(roots("ROOTCA", &read(&files[0].roots)));
}

/// Feeds a golden, by both protocols; all of it must be in force.
fn takes(name: &str, also: impl Fn(&Proxy, &golden::Golden)) {
    for api in PROTOCOLS {
        let golden = golden::read(name);
        let mut sent = golden.set.clone();
        secrets(&mut sent);
        let control = Control::start(sent);
        let begun = Instant::now();
        let proxy = start(&control, api);
        assert!(begun.elapsed() < Duration::from_secs(8), "{name} {api}: {:?}", begun.elapsed());
        let stream = control.answered();
        assert!(stream.session.nacks.is_empty(), "{name} {api}: {:#?}", stream.session.nacks);
        let dump = page(&proxy, "/config_dump");
        let types = [("listeners", LISTENER), ("clusters", CLUSTER), ("routes", ROUTE_CONFIGURATION)];
        for (of_type, type_url) in types.into_iter().chain([("endpoints", CLUSTER_LOAD_ASSIGNMENT)]) {
            let sent = golden.set.of(type_url).into_iter().flatten();
            let sent: Vec<(String, bool)> = sent.map(|(name, _)| (name.to_string(), true)).collect();
            assert_eq!(in_force(&dump, of_type), sent, "{name} {api} {of_type}");
        }
        let status = page(&proxy, "/xds");
        assert!(status["complete"] == true && status["refused"] == serde_json::json!([]), "{status:#}");
        // What is passed over is named; nothing that is there is refused.
        let unsupported = page(&proxy, "/unsupported");
        for finding in unsupported["findings"].as_array().unwrap() {
            assert!(finding["class"] == "ignored" && finding["path"] != "", "{finding:#}");
        }
        also(&proxy, &golden);
    }
}

#[test]
fn a_captured_sidecars_whole_set() {
    takes("sidecar.jsonl", |_, _| {});
}

#[test]
fn a_gateways_whole_set_and_it_serves() {
    takes("gateway.jsonl", |_, golden| {
        // The endpoints are nowhere, which is known only after the route was found.
        let plain = (golden.address.as_str(), 8080);
        assert_eq!(load::page(plain, "/nowhere").unwrap().0, 404);
        assert_eq!(load::page(plain, "/productpage").unwrap().0, 503);
    });
}

#[test]
fn a_workload_that_takes_mutual_tls_alone() {
    takes("strict.jsonl", |_, golden| {
        // Plaintext finds no chain.
        assert!(load::page((golden.address.as_str(), 15006), "/").is_err());
    });
}

#[test]
fn opaque_connections() {
    takes("tcp.jsonl", |_, _| {});
}

#[test]
fn ports_whose_protocol_is_detected() {
    takes("auto.jsonl", |_, _| {});
}

#[test]
fn each_field_is_carried_or_named_and_nothing_else_is_harmed() {
    for api in PROTOCOLS {
        let (port, a) = (free_port(), backend("a"));
        let mut sent = set([
            cluster("a", ""),
            endpoints("a", &[a]),
            listener("in", port, "web", ""),
            routes("web", &[("a", 1)]),
        ]);
        let cases = cases::all();
        cases.iter().flat_map(|case| case.resources.clone()).for_each(|resource| sent.insert(resource));
        secrets(&mut sent);
        let control = Control::start(sent);
        let begun = Instant::now();
        let proxy = start(&control, api);
        // What is refused is not waited for.
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        assert_eq!(Client::new(port).get("/").unwrap(), (200, "a".to_owned()));
        let nacks = || -> String {
            let stream = control.answered();
            stream.session.nacks.iter().map(|nack| format!("{}\n", nack.message)).collect()
        };
        let (nacks, dump) = (nacks(), page(&proxy, "/config_dump"));
        let unsupported = page(&proxy, "/unsupported");
        let findings = unsupported["findings"].as_array().unwrap();
        let mut wrong = Vec::new();
        for case in &cases {
            let (kind, name) = (case.kind, &case.name);
            let found: Vec<&str> = findings
                .iter()
                .filter(|finding| finding["resource"] == format!("{kind} {name:?}"))
                .map(|finding| finding["path"].as_str().unwrap())
                .collect();
            let refused = nacks.find(&format!("{kind} {name:?}: ")).map(|at| &nacks[at..]);
            let of_type = cases::page_name(kind);
            let taken = in_force(&dump, of_type).contains(&(name.clone(), true));
            let right = match case.expected {
                Expected::Carried => taken && refused.is_none() && found.is_empty(),
                Expected::Ignored(path) => {
                    taken && refused.is_none() && found.iter().any(|found| found.ends_with(path))
                }
                Expected::Refused(path) => {
                    !taken && refused.is_some_and(|said| said.lines().next().unwrap().contains(path))
                }
            };
            if !right {
                let refused = refused.and_then(|said| said.lines().next());
                wrong.push(format!("{name}: taken {taken}, found {found:?}, refused {refused:?}"));
            }
        }
        assert!(wrong.is_empty(), "{api}\n{}", wrong.join("\n"));
        // What comes later is taken as ever.
        let b = backend("b");
        control.change(|set| {
            set.insert(endpoints("a", &[b]));
        });
        let deadline = Instant::now() + Duration::from_secs(5);
        while Client::new(port).get("/").unwrap().1 != "b" {
            assert!(Instant::now() < deadline, "the endpoint is never another");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A server by mutual TLS that asks a policy, of connections or of requests, who its caller is.
fn guarded(port: u16, action: &str, caller: &str, of_connections: bool) -> Resource {
    let rules = format!(
        "{{'@type': type.googleapis.com/envoy.extensions.filters.{}.rbac.v3.RBAC, {} rules: {{action: {action}, \
         policies: {{p: {{permissions: [{{any: true}}], principals: [{{filter_state: {{key: io.istio.peer_principal, \
         string_match: {{exact: 'spiffe://cluster.local/ns/shop/sa/{caller}'}}}}}}]}}}}}}}}",
        if of_connections { "network" } else { "http" },
        if of_connections { "stat_prefix: s," } else { "" },
    );
    let (mut filters, mut manager) = (String::new(), control::manager("web"));
    if of_connections {
        filters = format!("{{name: rbac, typed_config: {rules}}}, ");
    } else {
        manager = manager
            .replace("http_filters: [", &format!("http_filters: [{{name: rbac, typed_config: {rules}}}, "));
    }
    let yaml = format!(
        "{{name: back, address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}, filter_chains: \
         [{{filters: [{{name: istio_authn, typed_config: {{'@type': type.googleapis.com/udpa.type.v1.TypedStruct, \
         type_url: type.googleapis.com/io.istio.network.authn.Config}}}}, {filters}{manager}] {}}}]}}",
        tls("Downstream", "default", "ROOTCA")
    );
    listener_yaml("back", &yaml)
}

#[test]
fn policies_know_callers_by_the_principals_that_istios_filter_notes() {
    let (front, back, a) = (free_port(), free_port(), backend("a"));
    let mut sent = set([
        cluster("a", ""),
        endpoints("a", &[a]),
        routes("web", &[("a", 1)]),
        cluster("back", &tls("Upstream", "default", "ROOTCA")),
        endpoints("back", &[back]),
        listener("front", front, "front", ""),
        routes("front", &[("back", 1)]),
        guarded(back, "ALLOW", "shop", false),
    ]);
    secrets(&mut sent);
    let control = Control::start(sent);
    let _proxy = start(&control, "DELTA_GRPC");
    for of_connections in [false, true] {
        // Each answer is another than the one before.
        for (action, caller, passes) in [
            ("ALLOW", "shop", true),
            ("ALLOW", "other", false),
            ("DENY", "other", true),
            ("DENY", "shop", false),
        ] {
            control.accepted(|set| set.insert(guarded(back, action, caller, of_connections)));
            let deadline = Instant::now() + Duration::from_secs(5);
            while (Client::new(front).get("/").unwrap().0 == 200) != passes {
                assert!(Instant::now() < deadline, "{action} {caller} {of_connections}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

#[test]
fn a_bootstrap_of_istios_is_taken() {
    let control = Control::start(set([]));
    let server = control.port;
    let proxy = Proxy::start(
        |_, admin| bootstrap(admin, server, "DELTA_GRPC") + cases::BOOTSTRAP,
        &["--concurrency", "1"],
    );
    assert!(control.answered().session.nacks.is_empty());
    let unsupported = page(&proxy, "/unsupported");
    let text = unsupported.to_string();
    for field in ["bootstrap_extensions", "layered_runtime", "stats_config"] {
        assert!(text.contains(field), "{field}: {unsupported:#}");
    }
}
