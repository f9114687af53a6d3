//! What a resource refers to.

use std::sync::Arc;

use weft_tables::chain::Terminal;
use weft_tables::cluster::{Cluster, Discovery, Transport, TransportLayer};
use weft_tables::hcm::RouteSource;
use weft_tables::listener::Listener;
use weft_tables::route::{Action, RouteConfig, Target};
use weft_tables::tls::{SecretSource, TlsCommon, ValidationSource};
use weft_types::Name;

use crate::listen::active::chains;

/// The name by which a cluster's endpoints are asked for.
pub(super) fn endpoints(cluster: &Cluster) -> Option<&Name> {
    match &cluster.discovery {
        Discovery::Eds(name) => Some(name),
        Discovery::Static(_)
        | Discovery::StrictDns(_)
        | Discovery::LogicalDns(_)
        | Discovery::OriginalDst { .. } => None,
    }
}

/// The secrets of a cluster.
pub(super) fn cluster_secrets(cluster: &Cluster) -> impl Iterator<Item = &Name> {
    let matches = cluster.transport_matches.iter().map(|m| &m.transport);
    std::iter::once(&cluster.transport).chain(matches).flat_map(transport_secrets)
}

fn transport_secrets(transport: &Transport) -> impl Iterator<Item = &Name> {
    transport.layers.iter().flat_map(|layer| match layer {
        TransportLayer::Tls(tls) => secrets(&tls.common),
        TransportLayer::Hbone(hbone) => secrets(&hbone.tls.common),
        TransportLayer::ProxyProtocol(_) | TransportLayer::Internal => Vec::new(),
    })
}

/// The secrets of a listener.
pub(super) fn listener_secrets(listener: &Listener) -> impl Iterator<Item = &Name> {
    chains(listener).filter_map(|chain| chain.tls.as_ref()).flat_map(|tls| secrets(&tls.common))
}

fn secrets(tls: &TlsCommon) -> Vec<&Name> {
    let validation = match &tls.validation {
        ValidationSource::None => None,
        ValidationSource::One(source) | ValidationSource::Combined { default: _, dynamic: source } => {
            Some(source)
        }
    };
    let named = |source: &'_ SecretSource| match source {
        SecretSource::Named(_) => true,
        SecretSource::Inline(_) => false,
    };
    let all = tls.certificates.iter().chain(validation).filter(|source| named(source));
    all.filter_map(|source| match source {
        SecretSource::Named(name) => Some(name),
        SecretSource::Inline(_) => None,
    })
    .collect()
}

/// The route configurations that a listener asks for.
pub(super) fn routes(listener: &Listener) -> impl Iterator<Item = &Name> {
    sources(listener).filter_map(|source| match source {
        RouteSource::Named(name) => Some(name),
        RouteSource::Inline(_) => None,
    })
}

fn sources(listener: &Listener) -> impl Iterator<Item = &RouteSource> {
    chains(listener).filter_map(|chain| match &chain.terminal {
        Terminal::Http(manager) => Some(&manager.routes),
        _ => None,
    })
}

/// The clusters that a listener names itself.
pub(super) fn listener_clusters(listener: &Listener) -> Vec<&Name> {
    let mut names = Vec::new();
    for chain in chains(listener) {
        if let Terminal::Tcp(tcp) = &chain.terminal {
            names.extend(tcp.clusters.iter().map(|target| &target.cluster));
        }
    }
    for source in sources(listener) {
        if let RouteSource::Inline(config) = source {
            names.extend(route_clusters(config));
        }
    }
    names
}

/// The clusters that routes lead to.
pub(super) fn route_clusters(config: &Arc<RouteConfig>) -> impl Iterator<Item = &Name> {
    let routes = config.virtual_hosts.iter().flat_map(|host| &host.routes);
    routes.flat_map(|route| match &route.action {
        Action::Forward(forward) => match &forward.target {
            Target::Cluster(name) => vec![name],
            Target::Header(_) => Vec::new(),
            Target::Weighted { clusters, total: _, random_header: _ } => {
                clusters.iter().map(|c| &c.cluster).collect()
            }
        },
        Action::Redirect(_) | Action::Direct { .. } | Action::NonForwarding => Vec::new(),
    })
}
