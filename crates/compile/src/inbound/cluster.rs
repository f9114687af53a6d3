//! Clusters: the application, and whatever else is called behind the proxy.

use std::collections::HashMap;

use weft_api::istio::connection_pool::ConnectionPool;
use weft_model::{MeshConfig, Protocol};
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType, LbPolicy};
use weft_proto::envoy::config::core::v3::socket_address::PortSpecifier;
use weft_proto::envoy::config::core::v3::{Address, BindConfig, SocketAddress};
use weft_proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use weft_proto::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use weft_proto::google::protobuf::{Any, ListValue, Value, value::Kind};

use super::port::{Application, InboundPort};
use super::{Ground, INBOUND_PASSTHROUGH};
use crate::cluster::HTTP_OPTIONS;
use crate::cluster::pool::{self, NameFromRequest};
use crate::message::{duration, ip_address, pipe, structure, text};
use crate::provenance;
use crate::proxy::Interception;

/// Whence redirected traffic goes on, so that it is not redirected again (SD-02).
const PASSTHROUGH_SOURCE: (&str, &str) = ("127.0.0.6", "::6");

/// All clusters.
pub(super) fn clusters(ground: &Ground<'_>, ports: &[InboundPort]) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = ports.iter().map(|port| of_port(ground, port)).collect();
    if ground.is_redirected() {
        let cluster = base(ground.context.mesh, INBOUND_PASSTHROUGH.to_owned(), None);
        let mut cluster = to_original_dst(ground, cluster);
        cluster.typed_extension_protocol_options = http_options(Protocol::Auto, None);
        clusters.push(cluster);
    }
    clusters
}

fn of_port(ground: &Ground<'_>, port: &InboundPort) -> Cluster {
    let pool = port.pool.as_ref();
    let mut cluster = base(ground.context.mesh, port.cluster(), pool);
    cluster.typed_extension_protocol_options = http_options(port.protocol, pool);
    let mut metadata = port.metadata.clone();
    let services = port.services.iter().map(|service| {
        let facts = [("host", &service.host), ("name", &service.name), ("namespace", &service.namespace)];
        let facts = structure(facts.map(|(key, value)| (key, text(value))));
        Value { kind: Some(Kind::StructValue(facts)) }
    });
    let services = ListValue { values: services.collect() };
    provenance::add_istio(&mut metadata, [("services", Value { kind: Some(Kind::ListValue(services)) })]);
    cluster.metadata = Some(metadata);
    match &port.application {
        Application::OriginalDst => to_original_dst(ground, cluster),
        Application::Address(address) => to_address(cluster, ip_address(address.ip(), address.port())),
        Application::Unix(path) => to_address(cluster, pipe(path)),
    }
}

fn base(mesh: &MeshConfig, name: String, pool: Option<&ConnectionPool>) -> Cluster {
    Cluster {
        name,
        connect_timeout: Some(duration(pool::connect_timeout(mesh, pool))),
        circuit_breakers: Some(pool::circuit_breakers(pool, None)),
        upstream_connection_options: pool::connection_options(mesh, pool),
        ..Cluster::default()
    }
}

fn to_original_dst(ground: &Ground<'_>, cluster: Cluster) -> Cluster {
    let source = if ground.is_v6() { PASSTHROUGH_SOURCE.1 } else { PASSTHROUGH_SOURCE.0 };
    // TPROXY keeps the caller's address, and needs no other.
    let bind = (ground.context.proxy.interception == Interception::Redirect).then(|| BindConfig {
        source_address: Some(SocketAddress {
            address: source.to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(0)),
            ..SocketAddress::default()
        }),
        ..BindConfig::default()
    });
    Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::OriginalDst.into())),
        lb_policy: LbPolicy::ClusterProvided.into(),
        upstream_bind_config: bind,
        ..cluster
    }
}

fn to_address(cluster: Cluster, address: Address) -> Cluster {
    let endpoint = Endpoint { address: Some(address), ..Endpoint::default() };
    let endpoint =
        LbEndpoint { host_identifier: Some(HostIdentifier::Endpoint(endpoint)), ..LbEndpoint::default() };
    let assignment = ClusterLoadAssignment {
        cluster_name: cluster.name.clone(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![endpoint],
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    };
    Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        load_assignment: Some(assignment),
        ..cluster
    }
}

/// HTTP as the port declares it, or the caller's version where nothing is declared.
fn http_options(protocol: Protocol, pool: Option<&ConnectionPool>) -> HashMap<String, Any> {
    let Some(version) = pool::http_version(protocol, None, false) else { return HashMap::new() };
    let options = pool::http_options(version, pool, NameFromRequest::default());
    HashMap::from([(HTTP_OPTIONS.to_owned(), weft_proto::any::pack(&options))])
}
