//! Where a gateway passes bytes on: VirtualService.tcp and .tls (VS-25, VS-26).

use std::collections::BTreeSet;
use std::sync::Arc;

use weft_api::istio::virtual_service::{Destination, RouteDestination};
use weft_model::{VirtualServiceView, host};
use weft_proto::envoy::config::core::v3::Metadata;
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::{
    ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight,
};

use super::server::ServerView;
use crate::provenance;
use crate::route::Target;
use crate::view::View;

/// A proxy of bytes, and the server names that it is for.
pub(super) struct Passed {
    /// Server names; none is for all.
    pub(super) server_names: Vec<String>,
    /// Where bytes go.
    pub(super) proxy: TcpProxy,
    /// The rule behind it.
    pub(super) metadata: Metadata,
}

/// VirtualServices that a server takes routes from, oldest first.
fn bound(view: &View<'_>, server: &ServerView) -> Vec<Arc<VirtualServiceView>> {
    let bound = view.snapshot.virtual_services_for_gateway(&server.gateway_name).into_iter();
    let visible = bound.filter(|routes| routes.export_to.admits(&view.proxy.namespace));
    visible.filter(|routes| !server.hosts_of(routes).is_empty()).collect()
}

/// The first rule for bytes that holds for the server.
pub(super) fn by_tcp(view: &View<'_>, server: &ServerView) -> Option<Passed> {
    for routes in bound(view, server) {
        for (index, route) in routes.spec.tcp.iter().enumerate() {
            let holds = route.matches.is_empty()
                || route.matches.iter().any(|rule| {
                    for_gateway(&rule.gateways, server)
                        && rule.port.is_none_or(|port| port == server.server.port.number)
                });
            if let Some(proxy) = holds.then(|| proxy(view, server, &route.route)).flatten() {
                let metadata = provenance::of(&routes.object, &format!("spec.tcp[{index}]"));
                return Some(Passed { server_names: server.server_names(), proxy, metadata });
            }
        }
    }
    None
}

/// The rules for TLS that is passed on, one for each match; a name goes to the first that has it.
pub(super) fn by_server_name(view: &View<'_>, server: &ServerView) -> Vec<Passed> {
    let mut passed = Vec::new();
    let mut taken = BTreeSet::new();
    for routes in bound(view, server) {
        for (index, route) in routes.spec.tls.iter().enumerate() {
            let Some(proxy) = proxy(view, server, &route.route) else { continue };
            for (at, rule) in route.matches.iter().enumerate() {
                let ports = rule.port.is_none_or(|port| port == server.server.port.number);
                if !ports || !for_gateway(&rule.gateways, server) {
                    continue;
                }
                let names = rule.sni_hosts.iter().map(|name| name.to_ascii_lowercase());
                let names: Vec<String> =
                    names.filter(|name| serves(server, name) && taken.insert(name.clone())).collect();
                if names.is_empty() {
                    continue;
                }
                let field = format!("spec.tls[{index}].match[{at}]");
                let any = names.iter().any(|name| name == "*");
                passed.push(Passed {
                    server_names: if any { Vec::new() } else { names },
                    proxy: proxy.clone(),
                    metadata: provenance::of(&routes.object, &field),
                });
            }
        }
    }
    passed
}

fn serves(server: &ServerView, name: &str) -> bool {
    let own = server.server_names();
    own.is_empty() || own.iter().any(|host| host::covers(host, name))
}

fn for_gateway(gateways: &[String], server: &ServerView) -> bool {
    gateways.is_empty() || gateways.iter().any(|gateway| *gateway == *server.gateway_name)
}

/// A proxy to destinations by weight; `None` without any that takes connections.
fn proxy(view: &View<'_>, server: &ServerView, destinations: &[RouteDestination]) -> Option<TcpProxy> {
    let arrived = server.server.port.number.number();
    let cluster = |destination: &Destination| Target::of(view, destination, arrived).cluster;
    if let [RouteDestination { destination, weight: _ }] = destinations {
        let cluster = cluster(destination);
        return Some(TcpProxy {
            stat_prefix: cluster.clone(),
            cluster_specifier: Some(ClusterSpecifier::Cluster(cluster)),
            ..TcpProxy::default()
        });
    }
    let weights = destinations.iter().filter_map(|RouteDestination { destination, weight }| {
        let weight = u32::try_from(*weight).ok().filter(|weight| *weight > 0)?;
        Some(ClusterWeight { name: cluster(destination), weight, metadata_match: None })
    });
    let clusters: Vec<ClusterWeight> = weights.collect();
    let stat_prefix = clusters.first()?.name.clone();
    Some(TcpProxy {
        stat_prefix,
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(WeightedCluster { clusters })),
        ..TcpProxy::default()
    })
}
