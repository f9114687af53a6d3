//! HBONE: told of to our own proxies alone, of endpoints that say so, for what may be opaque (AM-06, SD-11).

use weft_compile::inbound::CONNECT_TERMINATE;
use weft_compile::{Capabilities, Proxy, compile};
use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::type_url;
use weft_tables::cluster::TransportLayer;

use crate::world::{self, names, unpack};

/// Two pods, of which the first says that its proxy takes HBONE, behind an opaque port and one of HTTP.
const STORE: &str = "
apiVersion: v1
kind: Service
metadata: {name: store, namespace: default}
spec: {clusterIP: 10.0.0.9, selector: {app: store}, ports: [{name: tcp, port: 9000}, {name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: store-1, namespace: default, labels: {app: store, networking.istio.io/tunnel: http}}
spec: {serviceAccountName: store}
status: {podIP: 127.64.0.21}
---
apiVersion: v1
kind: Pod
metadata: {name: store-2, namespace: default, labels: {app: store}}
spec: {serviceAccountName: store}
status: {podIP: 127.64.0.22}
";
const DISABLE: &str = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: no-tls, namespace: \
    default}\nspec: {mtls: {mode: DISABLE}}\n";

/// The endpoints of a port that are told to take HBONE.
fn told(proxy: &Proxy, objects: &[&str], port: u16) -> usize {
    let set = compile(&world::mesh(objects), proxy);
    let wanted = format!("outbound|{port}||store.default.svc.cluster.local");
    let lists: Vec<ClusterLoadAssignment> = unpack(&set, type_url::CLUSTER_LOAD_ASSIGNMENT);
    let list = lists.into_iter().find(|list| list.cluster_name == wanted).unwrap();
    let endpoints = list.endpoints.iter().flat_map(|locality| &locality.lb_endpoints);
    let metadata = endpoints.filter_map(|endpoint| endpoint.metadata.as_ref());
    let matched = metadata.filter_map(|all| all.filter_metadata.get("envoy.transport_socket_match"));
    matched.filter(|pairs| pairs.fields.contains_key("tunnel")).count()
}

#[test]
fn only_endpoints_that_take_it_are_told_of_and_only_to_us() {
    let ours = world::sidecar(Capabilities::WEFT);
    assert_eq!(told(&ours, &[STORE], 9000), 1);
    assert_eq!(told(&ours, &[STORE], 80), 0, "HTTP shares connections by itself");
    assert_eq!(told(&ours, &[STORE, DISABLE], 9000), 0, "it is mutual TLS, which is off");
    for other in [Capabilities::PLAIN, Capabilities::ISTIO] {
        assert_eq!(told(&world::sidecar(other), &[STORE], 9000), 0);
    }
}

#[test]
fn our_cluster_carries_it_beside_mutual_tls() {
    let tables = world::tables(&compile(&world::mesh(&[STORE]), &world::sidecar(Capabilities::WEFT)));
    let layers = |port: u16| -> Vec<Vec<TransportLayer>> {
        let name = format!("outbound|{port}||store.default.svc.cluster.local");
        tables.clusters[&*name].transport_matches.iter().map(|m| m.transport.layers.clone()).collect()
    };
    let opaque = layers(9000);
    let [TransportLayer::Hbone(hbone)] = opaque[0].as_slice() else { panic!("{opaque:?}") };
    assert_eq!((hbone.port, &*hbone.tls.sni, &*hbone.tls.common.alpn), (15_008, "", &["h2".into()][..]));
    // Whoever does not take it gets what the others get.
    assert_eq!(opaque[1], [TransportLayer::Tls(hbone.direct.clone())]);
    assert!(matches!(layers(80)[0].as_slice(), [TransportLayer::Tls(_)]));
}

#[test]
fn only_our_sidecars_listen_for_it() {
    let listens = |proxy: &Proxy| {
        let set = compile(&world::mesh(&[STORE]), proxy);
        names(&set, type_url::LISTENER).iter().any(|name| name == CONNECT_TERMINATE)
    };
    assert!(listens(&world::sidecar(Capabilities::WEFT)) && listens(&world::embedded()));
    for other in [Capabilities::PLAIN, Capabilities::ISTIO] {
        assert!(!listens(&world::sidecar(other)));
    }
    assert!(!listens(&world::gateway(Capabilities::WEFT)));
    // Our tables take all of it.
    _ = world::tables(&compile(&world::mesh(&[STORE]), &world::embedded()));
}
