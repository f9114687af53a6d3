//! Planned listeners as Envoy's (SD-06, SD-09).

use weft_model::mesh::OutboundMode;
use weft_proto::envoy::config::core::v3::TrafficDirection;
use weft_proto::envoy::config::listener::v3::{Filter, FilterChain, FilterChainMatch, Listener};
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::weighted_cluster::ClusterWeight;
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::{
    ClusterSpecifier, WeightedCluster,
};
use weft_proto::envoy::r#type::v3::HashPolicy;
use weft_proto::envoy::r#type::v3::hash_policy::{PolicySpecifier, SourceIp};

use super::opaque::{self, Chain};
use super::place::Place;
use super::plan::Listening;
use crate::cluster::name::{BLACK_HOLE, PASSTHROUGH};
use crate::filter::{self, Direction, HttpManagerSpec, Routes, TcpSpec, access_log};
use crate::message::{bool_value, cidr, duration, ip_address, socket_address, u32_value};
use crate::provenance;
use crate::route;
use crate::view::View;

/// Name of the listener that redirected traffic comes to.
pub const VIRTUAL_OUTBOUND: &str = "virtualOutbound";
/// Port of it (SD-01).
pub const VIRTUAL_OUTBOUND_PORT: u16 = 15_001;
/// Name of the chain for what no service has.
const PASSTHROUGH_CHAIN: &str = "PassthroughFilterChain";
/// What HTTP without TLS looks like to the inspector.
const PLAINTEXT_HTTP: [&str; 2] = ["http/1.1", "h2c"];

/// A planned listener.
pub(super) fn render(view: &View<'_>, port: u16, place: Place, plan: &Listening) -> Listener {
    let text = match place {
        Place::Any => wildcard(view).to_owned(),
        Place::At(ip) => ip.to_string(),
    };
    let name = match &plan.http {
        Some(routes) if plan.connect => routes.clone(),
        _ => format!("{text}_{port}"),
    };
    let mut listener = Listener {
        name,
        address: Some(match place {
            Place::Any => socket_address(&text, port),
            Place::At(ip) => ip_address(ip, port),
        }),
        bind_to_port: (!plan.bound).then(|| bool_value(false)),
        // Two meshes on one host must collide loudly, not share traffic.
        enable_reuse_port: (plan.bound && view.proxy.is_embedded()).then(|| bool_value(false)),
        traffic_direction: TrafficDirection::Outbound.into(),
        access_log: access_log::of_listener(view.mesh),
        metadata: plan.service.as_ref().map(|service| provenance::of(&service.object, "spec.ports")),
        ..Default::default()
    };
    let others = plan.detect || plan.default.is_some() || !plan.chains.is_empty();
    let told = plan.http.is_some() && others;
    if let Some(routes) = &plan.http {
        let criteria = told.then(|| FilterChainMatch {
            transport_protocol: "raw_buffer".to_owned(),
            application_protocols: PLAINTEXT_HTTP.map(str::to_owned).to_vec(),
            ..Default::default()
        });
        listener.filter_chains.push(FilterChain {
            filter_chain_match: criteria,
            filters: vec![http(view, routes, &format!("outbound_{text}_{port};"), plan)],
            ..Default::default()
        });
    }
    listener.filter_chains.extend(plan.chains.iter().map(|chain| tcp(view, chain)));
    match &plan.default {
        Some(chain) if plan.http.is_none() && plan.chains.is_empty() => {
            listener.filter_chains.push(tcp(view, chain));
        }
        Some(chain) => listener.default_filter_chain = Some(tcp(view, chain)),
        // A socket of its own is called on purpose; else connections for others may come this way.
        None if plan.bound && !plan.detect => {}
        None => listener.default_filter_chain = Some(unknown(view, PASSTHROUGH_CHAIN)),
    }
    if told || opaque::is_inspected(&plan.chains) {
        listener.listener_filters.push(filter::tls_inspector());
        if told {
            listener.listener_filters.push(filter::http_inspector());
        }
        listener.listener_filters_timeout = Some(duration(view.mesh.detection_timeout));
        listener.continue_on_listener_filters_timeout = true;
    }
    listener
}

/// The listener that redirected connections come to, and stay at if no other takes them.
pub(super) fn virtual_outbound(view: &View<'_>) -> Listener {
    let own = FilterChain {
        filter_chain_match: Some(FilterChainMatch {
            destination_port: Some(u32_value(VIRTUAL_OUTBOUND_PORT.into())),
            ..Default::default()
        }),
        // Whoever calls this port itself would be led back here for ever.
        filters: filters(view, proxy(BLACK_HOLE)),
        name: "virtualOutbound-blackhole".to_owned(),
        ..Default::default()
    };
    Listener {
        name: VIRTUAL_OUTBOUND.to_owned(),
        address: Some(socket_address(wildcard(view), VIRTUAL_OUTBOUND_PORT)),
        use_original_dst: Some(bool_value(true)),
        traffic_direction: TrafficDirection::Outbound.into(),
        filter_chains: vec![own, unknown(view, "virtualOutbound-catchall-tcp")],
        access_log: access_log::of_listener(view.mesh),
        ..Default::default()
    }
}

fn wildcard(view: &View<'_>) -> &'static str {
    if view.proxy.address().is_some_and(|address| address.is_ipv6()) { "::" } else { "0.0.0.0" }
}

/// Connections to what no service has.
fn unknown(view: &View<'_>, name: &str) -> FilterChain {
    let cluster = match view.outbound_mode() {
        OutboundMode::AllowAny => match route::egress_proxy(view) {
            Some(target) => target.cluster,
            None if view.proxy.is_embedded() => BLACK_HOLE.to_owned(),
            None => PASSTHROUGH.to_owned(),
        },
        OutboundMode::RegistryOnly => BLACK_HOLE.to_owned(),
    };
    FilterChain { filters: filters(view, proxy(&cluster)), name: name.to_owned(), ..Default::default() }
}

fn http(view: &View<'_>, routes: &str, stat_prefix: &str, plan: &Listening) -> Filter {
    let mut spec = HttpManagerSpec::new(Direction::Outbound, stat_prefix, Routes::Rds(routes.to_owned()));
    spec.connect = plan.connect;
    spec.grpc_web = plan.grpc_web;
    filter::http_manager_filter(view.filters(), spec)
}

fn tcp(view: &View<'_>, chain: &Chain) -> FilterChain {
    let specifier = match chain.clusters.as_slice() {
        [] => ClusterSpecifier::Cluster(BLACK_HOLE.to_owned()),
        [(cluster, _)] => ClusterSpecifier::Cluster(cluster.clone()),
        several => ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: several
                .iter()
                .map(|(name, weight)| ClusterWeight {
                    name: name.clone(),
                    weight: *weight,
                    ..Default::default()
                })
                .collect(),
        }),
    };
    let hash = HashPolicy { policy_specifier: Some(PolicySpecifier::SourceIp(SourceIp {})) };
    let proxy = TcpProxy {
        stat_prefix: chain.stat_prefix.clone(),
        idle_timeout: chain.idle.map(duration),
        hash_policy: if chain.hash_source { vec![hash] } else { Vec::new() },
        cluster_specifier: Some(specifier),
        ..Default::default()
    };
    let criteria = FilterChainMatch {
        prefix_ranges: chain.subnets.iter().map(|net| cidr(*net)).collect(),
        server_names: chain.server_names.clone(),
        ..Default::default()
    };
    FilterChain {
        filter_chain_match: (criteria != FilterChainMatch::default()).then_some(criteria),
        filters: filters(view, proxy),
        metadata: Some(provenance::of(&chain.source, &chain.field)),
        ..Default::default()
    }
}

fn proxy(cluster: &str) -> TcpProxy {
    TcpProxy {
        stat_prefix: cluster.to_owned(),
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..Default::default()
    }
}

fn filters(view: &View<'_>, proxy: TcpProxy) -> Vec<Filter> {
    filter::tcp_filters(
        view.filters(),
        TcpSpec { direction: Direction::Outbound, proxy, authorization: Vec::new() },
    )
}
