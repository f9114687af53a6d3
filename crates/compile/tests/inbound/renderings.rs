//! Every kind of proxy takes what is rendered for it.

use weft_compile::capabilities::Capabilities;
use weft_model::MeshConfig;

use crate::world::{APP, envoy_takes, mesh_with, proxy, resources, tables};

const POLICIES: &str = "---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a, namespace: books}
spec: {rules: [{from: [{source: {namespaces: [books]}}]}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: p, namespace: books}
spec: {selector: {matchLabels: {app: app}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}, 7000: {mode: PERMISSIVE}}}
";

fn logged() -> MeshConfig {
    MeshConfig { access_log: Some("/dev/stdout".into()), ..MeshConfig::default() }
}

#[test]
fn real_envoy_takes_the_plain_rendering() {
    for mode in ["REDIRECT", "TPROXY", "NONE"] {
        let sidecar = proxy("sidecar", "app-1", mode, Capabilities::PLAIN);
        envoy_takes(&mesh_with(APP, &MeshConfig::default()), &sidecar);
        envoy_takes(&mesh_with(&format!("{APP}{POLICIES}"), &logged()), &sidecar);
    }
}

#[test]
fn our_tables_take_every_rendering() {
    for capabilities in [Capabilities::PLAIN, Capabilities::ISTIO, Capabilities::WEFT] {
        for mode in ["REDIRECT", "NONE"] {
            let sidecar = proxy("sidecar", "app-1", mode, capabilities);
            drop(tables(&mesh_with(&format!("{APP}{POLICIES}"), &logged()), &sidecar));
        }
    }
}

#[test]
fn a_proxy_whose_workload_is_not_known_yet_passes_everything() {
    let nobody = proxy("sidecar", "ghost", "REDIRECT", Capabilities::PLAIN);
    let snapshot = mesh_with("", &MeshConfig::default());
    let (listeners, clusters) = resources(&snapshot, &nobody);
    assert_eq!((listeners.len(), clusters.len()), (1, 1));
    envoy_takes(&snapshot, &nobody);
}

#[test]
fn equal_meshes_give_equal_bytes() {
    let set = || {
        let snapshot = mesh_with(&format!("{APP}{POLICIES}"), &logged());
        let sidecar = proxy("sidecar", "app-1", "REDIRECT", Capabilities::PLAIN);
        let mut set = weft_proto::resource::ResourceSet::default();
        weft_compile::inbound::resources(&weft_compile::view::View::new(&snapshot, &sidecar), &mut set);
        set
    };
    assert_eq!(set(), set());
}
