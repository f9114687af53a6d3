//! Real Envoy is asked whether it takes what is compiled for it, routes and endpoints included.

use std::path::{Path, PathBuf};
use std::process::Command;

use weft_compile::cluster::SYSTEM_ROOTS;
use weft_compile::{Capabilities, compile};
use weft_proto::any::pack;
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::envoy::config::bootstrap::v3::bootstrap::StaticResources;
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::envoy::config::listener::v3::filter::ConfigType;
use weft_proto::envoy::config::listener::v3::{Filter, FilterChain, Listener};
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use weft_proto::resource::ResourceSet;
use weft_proto::schema::MessageType;
use weft_proto::type_url;

use crate::world::{self, BOOKINFO, RULES, unpack};

const REST: &str = "
node: {id: test, cluster: test}
dynamic_resources: {ads_config: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds-grpc}}]}}
static_resources:
  clusters:
  - {name: sds-grpc, type: STATIC, connect_timeout: 1s, http2_protocol_options: {}, load_assignment: {cluster_name: sds-grpc}}
";

/// A manager with these routes in it, so that Envoy looks at them although nobody serves them.
fn with_routes(manager: &HttpConnectionManager, routes: RouteConfiguration, port: u16) -> Listener {
    let name = format!("routes {}", routes.name);
    let manager = HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::RouteConfig(routes)),
        ..manager.clone()
    };
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack(&manager))),
    };
    let address = format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    Listener {
        name,
        address: Some(weft_proto::text::parse_yaml(&address).accepted().unwrap()),
        filter_chains: vec![FilterChain { filters: vec![filter], ..Default::default() }],
        ..Default::default()
    }
}

fn manager(listeners: &[Listener]) -> Option<HttpConnectionManager> {
    let filters = listeners.iter().flat_map(|l| &l.filter_chains).flat_map(|chain| &chain.filters);
    filters.into_iter().find_map(|filter| match &filter.config_type {
        Some(ConfigType::TypedConfig(any)) => weft_proto::any::unpack(any).ok(),
        _ => None,
    })
}

/// A set as a static bootstrap.
fn boot(set: &ResourceSet) -> Bootstrap {
    let mut boot: Bootstrap = weft_proto::text::parse_yaml(REST).accepted().unwrap();
    let mut listeners: Vec<Listener> = unpack(set, type_url::LISTENER);
    let mut clusters: Vec<Cluster> = unpack(set, type_url::CLUSTER);
    let mut port = 40_000;
    if let Some(manager) = manager(&listeners) {
        for routes in unpack::<RouteConfiguration>(set, type_url::ROUTE_CONFIGURATION) {
            port += 1;
            listeners.push(with_routes(&manager, routes, port));
        }
    }
    for assignment in unpack::<ClusterLoadAssignment>(set, type_url::CLUSTER_LOAD_ASSIGNMENT) {
        clusters.push(Cluster {
            name: format!("endpoints {}", assignment.cluster_name),
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
            load_assignment: Some(assignment),
            ..Default::default()
        });
    }
    clusters.extend(boot.static_resources.take().unwrap_or_default().clusters);
    Bootstrap {
        static_resources: Some(StaticResources { listeners, clusters, ..Default::default() }),
        ..boot
    }
}

/// Real Envoy.
pub(crate) fn executable() -> PathBuf {
    std::env::var_os("WEFT_ENVOY").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/envoy"),
        PathBuf::from,
    )
}

/// A bootstrap as text.
pub(crate) fn json(boot: &Bootstrap) -> String {
    let wire = prost::Message::encode_to_vec(boot);
    let schema = MessageType::find("envoy.config.bootstrap.v3.Bootstrap").unwrap();
    let style = weft_proto::json::Style { redact: false, ..weft_proto::json::Style::default() };
    weft_proto::json::to_json(schema, &wire, style).unwrap().to_string()
}

/// Asks real Envoy about a set.
pub(crate) fn takes(set: &ResourceSet) {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outbound/roots.pem");
    let json = json(&boot(set)).replace(SYSTEM_ROOTS, roots.to_str().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bootstrap.json");
    std::fs::write(&path, &json).unwrap();
    let mut command = Command::new(executable());
    command.args(["--mode", "validate", "-l", "critical", "-c"]).arg(&path);
    let output = command.output().expect("Envoy: set WEFT_ENVOY, or `cargo xtask tools` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn envoy_takes_a_sidecars_and_a_gateways_resources() {
    let mesh = world::mesh(&[BOOKINFO, RULES, crate::rules::EVERYTHING]);
    for proxy in [world::sidecar(Capabilities::PLAIN), world::gateway(Capabilities::PLAIN)] {
        takes(&compile(&mesh, &proxy));
    }
    let embedded = weft_compile::Proxy { capabilities: Capabilities::PLAIN, ..world::embedded() };
    takes(&compile(&mesh, &embedded));
}
