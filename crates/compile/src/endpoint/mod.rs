//! Endpoints of a cluster, by locality (CP-27, SD-11).
//!
//! Only healthy endpoints are told, and of a subset only those with its labels. A cluster without any
//! has an empty list all the same: a call then fails at once instead of waiting for a list.

mod locality;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use weft_api::istio::destination_rule::Subset;
use weft_api::value::label::selects;
use weft_model::endpoint::{Endpoint, EndpointAddress, Health, Locality};
use weft_model::workload::{canonical_name, canonical_revision};
use weft_proto::envoy::config::core::v3 as core;
use weft_proto::envoy::config::endpoint::v3 as proto;
use weft_proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;

use crate::cluster::{Intent, TLS_MODE, TUNNEL, Transport, takes_hbone, takes_mutual_tls};
use crate::message::{ip_address, pipe, socket_address, structure, text, u32_value};
use crate::provenance::ISTIO;
use crate::view::View;

/// The namespace of metadata by which a cluster chooses a transport socket.
const SOCKET_MATCH: &str = "envoy.transport_socket_match";

/// Those that calls go to: the healthy ones that the subset's labels select.
pub(crate) fn wanted<'e>(
    listed: &'e [Arc<Endpoint>],
    subset: Option<&Subset>,
) -> impl Iterator<Item = &'e Endpoint> {
    let chosen = move |endpoint: &&Endpoint| {
        endpoint.health == Health::Healthy
            && subset.is_none_or(|subset| selects(&subset.labels, &endpoint.labels))
    };
    listed.iter().map(AsRef::as_ref).filter(chosen)
}

/// The endpoints of a cluster.
#[must_use]
pub fn assignment(view: &View<'_>, intent: &Intent<'_>) -> proto::ClusterLoadAssignment {
    let listed = view.endpoints(intent.service, intent.port.number);
    let endpoints: Vec<&Endpoint> = wanted(listed, intent.subset).collect();
    let by_name = matches!(intent.discovery, crate::cluster::Discovery::StrictDns);
    let localities = if endpoints.is_empty() && listed.is_empty() && by_name {
        own_name(intent)
    } else {
        let placed = locality::place(view, &intent.policy, &endpoints);
        placed.into_iter().map(|group| locality_endpoints(view, intent, group)).collect()
    };
    proto::ClusterLoadAssignment {
        cluster_name: intent.name.clone(),
        endpoints: localities,
        ..Default::default()
    }
}

/// A host that nobody lists endpoints for is its own endpoint.
fn own_name(intent: &Intent<'_>) -> Vec<proto::LocalityLbEndpoints> {
    let address = socket_address(&intent.service.host, intent.port.number);
    vec![proto::LocalityLbEndpoints {
        lb_endpoints: vec![lb_endpoint(address, 1, HashMap::new())],
        load_balancing_weight: Some(u32_value(1)),
        ..Default::default()
    }]
}

fn locality_endpoints(
    view: &View<'_>,
    intent: &Intent<'_>,
    mut group: locality::Group<'_>,
) -> proto::LocalityLbEndpoints {
    group.endpoints.sort_by(|a, b| (&a.address, a.port).cmp(&(&b.address, b.port)));
    let one = |endpoint: &&Endpoint| {
        let address = match &endpoint.address {
            EndpointAddress::Ip(ip) => ip_address(*ip, endpoint.port),
            EndpointAddress::Name(name) => socket_address(name, endpoint.port),
            EndpointAddress::Unix(path) => pipe(path),
        };
        lb_endpoint(address, endpoint.weight.max(1), metadata(view, intent, endpoint))
    };
    proto::LocalityLbEndpoints {
        locality: proto_locality(&group.locality),
        lb_endpoints: group.endpoints.iter().map(one).collect(),
        load_balancing_weight: Some(u32_value(group.weight.max(1))),
        priority: group.priority,
        ..Default::default()
    }
}

fn proto_locality(locality: &Locality) -> Option<core::Locality> {
    (*locality != Locality::default()).then(|| core::Locality {
        region: locality.region.to_string(),
        zone: locality.zone.to_string(),
        sub_zone: locality.subzone.to_string(),
    })
}

fn lb_endpoint(
    address: core::Address,
    weight: u32,
    filter_metadata: HashMap<String, weft_proto::google::protobuf::Struct>,
) -> proto::LbEndpoint {
    let metadata = core::Metadata { filter_metadata, ..Default::default() };
    proto::LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(proto::Endpoint {
            address: Some(address),
            ..Default::default()
        })),
        health_status: core::HealthStatus::Healthy.into(),
        load_balancing_weight: Some(u32_value(weight)),
        metadata: (metadata != core::Metadata::default()).then_some(metadata),
    }
}

/// What the endpoint is, for telemetry (`workload;namespace;service;revision;cluster`), and whether it
/// takes mutual TLS.
fn metadata(
    view: &View<'_>,
    intent: &Intent<'_>,
    endpoint: &Endpoint,
) -> HashMap<String, weft_proto::google::protobuf::Struct> {
    let mut metadata: BTreeMap<&str, weft_proto::google::protobuf::Struct> = BTreeMap::new();
    if !endpoint.workload.is_empty() {
        let workload = format!(
            "{};{};{};{};{}",
            endpoint.workload,
            endpoint.namespace,
            canonical_name(&endpoint.labels, &endpoint.workload),
            canonical_revision(&endpoint.labels),
            endpoint.cluster,
        );
        metadata.insert(ISTIO, structure([("workload", text(&workload))]));
    }
    if matches!(intent.transport, Transport::Auto(_)) && takes_mutual_tls(view, endpoint) {
        let (key, value) = TLS_MODE;
        let mut pairs = vec![(key, text(value))];
        if intent.offers_hbone(view) && takes_hbone(view, endpoint) {
            pairs.push((TUNNEL.0, text(TUNNEL.1)));
        }
        metadata.insert(SOCKET_MATCH, structure(pairs));
    }
    metadata.into_iter().map(|(name, fields)| (name.to_owned(), fields)).collect()
}
