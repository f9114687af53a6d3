//! Laws of compiling: the same for the same, nothing for what is not seen, and no dangling names.

use std::collections::BTreeSet;

use proptest::prelude::*;
use weft_compile::{Capabilities, compile};
use weft_model::{MeshConfig, Snapshot};
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::envoy::config::route::v3::route::Action;
use weft_proto::envoy::config::route::v3::route_action::ClusterSpecifier;
use weft_proto::resource::ResourceSet;
use weft_proto::type_url;

use crate::rules::EVERYTHING;
use crate::world::{self, BOOKINFO, RULES, names, objects, unpack};

fn service(name: &str, port: u16, protocol: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: other}}\nspec: \
         {{clusterIP: 10.97.0.1, selector: {{app: {name}}}, ports: [{{name: {protocol}, port: {port}}}]}}\n"
    )
}

/// Type, name and version of all resources.
fn versions(set: &ResourceSet) -> BTreeSet<(String, String, String)> {
    let of = set.by_type.iter().flat_map(|(url, named)| {
        named.values().map(move |r| (url.to_string(), r.name.to_string(), r.version.to_string()))
    });
    of.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_objects_does_not_matter(seed in any::<u64>()) {
        let mut shuffled = objects(&[BOOKINFO, RULES, EVERYTHING]);
        let straight = Snapshot::build(&shuffled, &MeshConfig::default(), 1);
        let mut dice = seed;
        for index in (1..shuffled.len()).rev() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(index, (dice >> 33) as usize % (index + 1));
        }
        let shuffled = Snapshot::build(&shuffled, &MeshConfig::default(), 2);
        for proxy in [world::sidecar(Capabilities::ISTIO), world::embedded(), world::gateway(Capabilities::WEFT)] {
            prop_assert_eq!(
                versions(&compile(&straight, &proxy)),
                versions(&compile(&shuffled, &proxy))
            );
        }
    }

    #[test]
    fn an_unrelated_service_changes_nothing_but_its_own(port in 10_000_u16..20_000, tcp in any::<bool>()) {
        let more = service("stranger", port, if tcp { "tcp" } else { "http" });
        let before = world::mesh(&[BOOKINFO, RULES]);
        let after = world::mesh(&[BOOKINFO, RULES, &more]);
        for proxy in [world::sidecar(Capabilities::PLAIN), world::gateway(Capabilities::PLAIN)] {
            let (before, after) = (versions(&compile(&before, &proxy)), versions(&compile(&after, &proxy)));
            prop_assert_eq!(before.difference(&after).count(), 0);
            for (_, name, _) in after.difference(&before) {
                prop_assert!(name.contains("stranger") || name.contains(&port.to_string()), "{}", name);
            }
        }
    }
}

#[test]
fn the_generation_of_the_snapshot_changes_no_version() {
    let objects = objects(&[BOOKINFO, RULES]);
    let of = |generation| {
        let mesh = Snapshot::build(&objects, &MeshConfig::default(), generation);
        versions(&compile(&mesh, &world::sidecar(Capabilities::WEFT)))
    };
    assert_eq!(of(1), of(99));
}

/// Clusters that routes name and that are not there.
pub(crate) fn missing(set: &ResourceSet) -> BTreeSet<String> {
    let known: BTreeSet<String> = names(set, type_url::CLUSTER).into_iter().collect();
    let mut named = BTreeSet::new();
    for config in unpack::<RouteConfiguration>(set, type_url::ROUTE_CONFIGURATION) {
        for route in config.virtual_hosts.iter().flat_map(|host| &host.routes) {
            let Some(Action::Route(action)) = &route.action else { continue };
            match &action.cluster_specifier {
                Some(ClusterSpecifier::Cluster(name)) => _ = named.insert(name.clone()),
                Some(ClusterSpecifier::WeightedClusters(weighted)) => {
                    named.extend(weighted.clusters.iter().map(|c| c.name.clone()));
                }
                other => panic!("{other:?}"),
            }
            named.extend(action.request_mirror_policies.iter().map(|mirror| mirror.cluster.clone()));
        }
    }
    named.difference(&known).cloned().collect()
}

#[test]
fn no_route_names_a_cluster_that_is_missing() {
    let mesh = world::mesh(&[BOOKINFO, RULES, EVERYTHING]);
    for proxy in [world::sidecar(Capabilities::PLAIN), world::embedded(), world::gateway(Capabilities::PLAIN)]
    {
        assert_eq!(missing(&compile(&mesh, &proxy)), BTreeSet::new());
    }
}

#[test]
fn each_eds_cluster_has_an_assignment_and_each_listener_its_routes() {
    use weft_proto::envoy::config::cluster::v3::Cluster;
    let mesh = world::mesh(&[BOOKINFO, RULES, EVERYTHING]);
    for proxy in [world::sidecar(Capabilities::PLAIN), world::embedded(), world::gateway(Capabilities::PLAIN)]
    {
        let set = compile(&mesh, &proxy);
        let lists = names(&set, type_url::CLUSTER_LOAD_ASSIGNMENT);
        let clusters = unpack::<Cluster>(&set, type_url::CLUSTER);
        let wanted: Vec<String> =
            clusters.into_iter().filter_map(|c| c.eds_cluster_config).map(|eds| eds.service_name).collect();
        assert_eq!(lists, wanted);
        let tables = world::tables(&set);
        for listener in tables.listeners.values() {
            for name in world::route_names(listener) {
                assert!(tables.routes.contains_key(&*name), "{} asks for {name}", listener.name);
            }
        }
    }
}

#[test]
fn odd_names_harm_only_themselves() {
    let odd = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: odd, namespace: default}
spec: {hosts: ['*.odd.example', '*'], ports: [{number: 443, name: tls, protocol: TLS}, {number: 9080, name: http, protocol: HTTP}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: odd, namespace: default}
spec:
  hosts: ['*.odd.example']
  tls: [{match: [{sniHosts: ['a.odd.example', '*.odd.example']}], route: [{destination: {host: details}}]}]
  http: [{match: [{headers: {'@request.auth.claims.group': {exact: a}}}], route: [{destination: {host: details}}]}]
";
    let decoded: Vec<_> = weft_api::decode(odd, "odd").into_iter().filter_map(|d| d.object).collect();
    let mut all = objects(&[BOOKINFO, RULES]);
    all.extend(decoded.into_iter().map(std::sync::Arc::new));
    let mesh = Snapshot::build(&all, &MeshConfig::default(), 1);
    for proxy in [world::sidecar(Capabilities::PLAIN), world::embedded()] {
        let set = compile(&mesh, &proxy);
        _ = world::tables(&set);
        if proxy.capabilities == Capabilities::PLAIN {
            crate::envoy::takes(&set);
        }
    }
}

/// A rough bound: the work must grow with what a proxy sees, not faster.
#[test]
fn a_thousand_services_are_compiled_in_time() {
    let many: String = (0..1000).map(|n| service(&format!("s{n}"), 8000, "http") + "---\n").collect();
    let mesh = world::mesh(&[BOOKINFO, RULES, &many]);
    let begun = std::time::Instant::now();
    let set = compile(&mesh, &world::sidecar(Capabilities::WEFT));
    let took = begun.elapsed();
    assert_eq!(names(&set, type_url::ROUTE_CONFIGURATION), ["8000", "9080"]);
    println!("{took:?}");
    assert!(took.as_secs() < 20, "{took:?}");
}
