//! From what was seen to who called whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_filter::Workload;
use weft_tables::cluster::{Cluster, MetadataValue};
use weft_tables::istio::IstioStats;
use weft_tables::listener::Listener;
use weft_telemetry::istio::{Call, Outcome, Party, Reporter, Security, Service};
use weft_types::Direction;

use super::seen::{At, Called, Peer, Seen};

/// The side of a call that a listener is on.
pub(super) fn reporter(listener: &Listener) -> Reporter {
    match listener.direction {
        Direction::Inbound => Reporter::Destination,
        _ => Reporter::Source,
    }
}

/// Who the server is, as its endpoint's metadata says.
pub(super) fn endpoint(metadata: Option<&Arc<MetadataValue>>) -> Peer {
    metadata.map_or(Peer::Unknown, |metadata| Peer::Endpoint(At(metadata.clone())))
}

/// The service behind a route and a cluster. `host` is what was asked for.
pub(super) fn called(config: &IstioStats, route: &str, cluster: Option<&Cluster>, host: &str) -> Called {
    let name = match route {
        "block_all" => Some("BlackHoleCluster"),
        "allow_any" => Some("PassthroughCluster"),
        _ => cluster.and_then(|cluster| stand_in(&cluster.name)),
    };
    if name.is_none()
        && let Some(metadata) = cluster.and_then(|c| c.metadata.get("istio"))
        && service(metadata).is_some()
    {
        return Called::Named(At(metadata.clone()));
    }
    Called::Host(if config.host_fallback { host.into() } else { Box::default() }, name)
}

/// The clusters that stand for calls to services that nobody knows.
fn stand_in(cluster: &str) -> Option<&'static str> {
    [
        "BlackHoleCluster",
        "PassthroughCluster",
        "InboundPassthroughCluster",
        "InboundPassthroughClusterIpv4",
        "InboundPassthroughClusterIpv6",
    ]
    .into_iter()
    .find(|name| *name == cluster)
}

/// The first service of a cluster's metadata.
fn service(metadata: &MetadataValue) -> Option<&BTreeMap<Box<str>, MetadataValue>> {
    let MetadataValue::Struct(istio) = metadata else { return None };
    let Some(MetadataValue::List(services)) = istio.get("services") else { return None };
    match services.first() {
        Some(MetadataValue::Struct(service)) => Some(service),
        _ => None,
    }
}

fn text<'a>(fields: &'a BTreeMap<Box<str>, MetadataValue>, name: &str) -> &'a str {
    match fields.get(name) {
        Some(MetadataValue::String(text)) => text,
        _ => "",
    }
}

/// Hands who called whom and how it went to `count`.
pub(super) fn tell<R>(seen: &Seen, node: &Workload, count: impl FnOnce(&Call<'_>, &Outcome<'_>) -> R) -> R {
    let by_endpoint = match &seen.peer {
        Peer::Endpoint(At(metadata)) => match &**metadata {
            MetadataValue::Struct(istio) => Workload::of_endpoint(text(istio, "workload")),
            _ => None,
        },
        _ => None,
    };
    let nobody = Workload::default();
    let peer = match &seen.peer {
        Peer::Told(At(workload)) => workload,
        _ => by_endpoint.as_ref().unwrap_or(&nobody),
    };
    let (peer_name, local_name) = (seen.peer_principal.name(), seen.local_principal.name());
    let there = Party {
        // What was proved counts for more than what was told.
        namespace: namespace(peer_name).unwrap_or(&peer.namespace),
        ..party(peer, peer_name)
    };
    let here = party(node, local_name);
    let (source, destination, security) = match seen.reporter {
        Reporter::Source => (here, there, Security::Unknown),
        Reporter::Destination if peer_name.is_empty() || local_name.is_empty() => {
            (there, here, Security::None)
        }
        Reporter::Destination => (there, here, Security::MutualTls),
    };
    let mut service = Service::default();
    match &seen.called {
        Called::Named(At(metadata)) => {
            if let Some(fields) = self::service(metadata) {
                let host = text(fields, "host");
                let name = Some(text(fields, "name")).filter(|name| !name.is_empty());
                let name = name.or_else(|| host.split('.').next()).unwrap_or_default();
                service = Service { host, name, namespace: text(fields, "namespace") };
            }
        }
        Called::Host(host, name) => {
            // A server that is not told for whom it answers answers for itself.
            let own = match seen.reporter {
                Reporter::Source => "",
                Reporter::Destination => here.canonical_service,
            };
            service.host = if host.is_empty() { own } else { host };
            service.name = name.unwrap_or(service.host);
        }
    }
    if service.namespace.is_empty() || seen.reporter == Reporter::Destination {
        service.namespace = destination.namespace;
    }
    let flags = seen.flags.to_string();
    let outcome = Outcome {
        protocol: seen.protocol,
        code: seen.code,
        grpc_status: seen.grpc_status,
        flags: &flags,
        security,
    };
    count(&Call { reporter: seen.reporter, source, destination, service }, &outcome)
}

fn party<'a>(workload: &'a Workload, principal: &'a str) -> Party<'a> {
    Party {
        workload: &workload.workload,
        namespace: &workload.namespace,
        principal,
        app: &workload.app,
        version: &workload.version,
        cluster: &workload.cluster,
        canonical_service: &workload.canonical_name,
        canonical_revision: &workload.canonical_revision,
    }
}

/// The namespace in a SPIFFE id of the form `spiffe://…/ns/<namespace>/sa/…`.
fn namespace(principal: &str) -> Option<&str> {
    principal.split_once("/ns/")?.1.split('/').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_read_out_of_identities() {
        assert_eq!(namespace("spiffe://cluster.local/ns/shop/sa/x"), Some("shop"));
        assert_eq!(namespace("spiffe://cluster.local/shop"), None);
        assert_eq!(namespace(""), None);
    }
}
