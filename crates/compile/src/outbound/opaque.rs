//! Connections that are not HTTP, or not yet known to be: by address, server name and rule (VS-25,
//! VS-26).

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use weft_api::Object;
use weft_api::istio::virtual_service::{MESH, RouteDestination};
use weft_api::value::{Port, label::selects};
use weft_model::protocol::Protocol;
use weft_model::service::{Service, ServicePort};
use weft_model::{Labels, VirtualServiceView};

use super::place::{Place, Spot};
use crate::cluster::{Policy, name, tcp_idle_timeout};
use crate::route::{Target, find};
use crate::view::View;

/// Connections that go to the same clusters.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Addresses that were called; any if empty.
    pub subnets: Vec<IpNet>,
    /// Server names of TLS; any, and plaintext too, if empty.
    pub server_names: Vec<String>,
    /// Clusters with their weights, none of which is 0.
    pub clusters: Vec<(String, u32)>,
    /// Time without bytes after which a connection ends; Envoy's hour if `None`.
    pub idle: Option<Duration>,
    /// Connections are spread by a hash of the caller's address.
    pub hash_source: bool,
    /// Begins the names of counters.
    pub stat_prefix: String,
    /// The object behind it.
    pub source: Arc<Object>,
    /// The field of it.
    pub field: String,
}

impl Chain {
    /// Whether Envoy could not tell the two apart.
    pub(super) fn contends(&self, other: &Self) -> bool {
        let same = |a: bool, b: bool, shared: bool| (a && b) || shared;
        same(
            self.subnets.is_empty(),
            other.subnets.is_empty(),
            self.subnets.iter().any(|net| other.subnets.contains(net)),
        ) && same(
            self.server_names.is_empty(),
            other.server_names.is_empty(),
            self.server_names.iter().any(|name| other.server_names.contains(name)),
        )
    }
}

/// The chains of a service's port, and the one of all other connections there. Where other services may be
/// called at the same place, a service must be told by its addresses or its name.
pub(super) fn chains(
    view: &View<'_>,
    rules: &[Arc<VirtualServiceView>],
    service: &Arc<Service>,
    port: &ServicePort,
    spot: Spot,
) -> (Vec<Chain>, Option<Chain>) {
    let ranges: Vec<IpNet> = if spot.key.1 == Place::Any { service.addresses.clone() } else { Vec::new() };
    let rule = find(rules, &service.host).map(|(rule, _)| rule);
    let mut chains = Vec::new();
    let mut rest = None;
    if let Some(rule) = rule {
        if port.protocol.is_tls() {
            chains.extend(by_server_name(view, rule, service, port));
        } else {
            rest = by_tcp(view, rule, service, port, &mut chains);
        }
    }
    let mut own = rest.unwrap_or_else(|| of_service(view, service, port));
    if port.protocol.is_tls() && spot.shared && ranges.is_empty() {
        own.server_names.extend(server_name(&service.host));
    }
    own.subnets = ranges;
    if own.subnets.is_empty() && own.server_names.is_empty() {
        return (chains, Some(own));
    }
    chains.push(own);
    (chains, None)
}

fn of_service(view: &View<'_>, service: &Arc<Service>, port: &ServicePort) -> Chain {
    let cluster = name::outbound(port.number, "", &service.host);
    chain(view, service, port, vec![(cluster.clone(), 1)], cluster, &service.object, "spec.ports".to_owned())
}

/// Whether a match is for this proxy; decided here, not for each connection (VS-10).
fn concerns(
    view: &View<'_>,
    number: u16,
    port: Option<Port>,
    gateways: &[String],
    labels: &Labels,
    namespace: Option<&String>,
) -> bool {
    port.is_none_or(|port| port.number() == number)
        && (gateways.is_empty() || gateways.iter().any(|name| name == MESH))
        && selects(labels, &view.proxy.labels)
        && namespace.filter(|n| !n.is_empty()).is_none_or(|n| **n == *view.proxy.namespace)
}

fn by_server_name(
    view: &View<'_>,
    rule: &VirtualServiceView,
    service: &Arc<Service>,
    port: &ServicePort,
) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for (index, tls) in rule.spec.tls.iter().enumerate() {
        for m in &tls.matches {
            let namespace = m.source_namespace.as_ref();
            if !concerns(view, port.number, m.port, &m.gateways, &m.source_labels, namespace) {
                continue;
            }
            let field = format!("spec.tls[{index}]");
            let mut one = routed(view, &tls.route, service, port, &rule.object, field);
            one.subnets = subnets(&m.destination_subnets);
            // The first rule that takes a name has it.
            let free = |name: &String| {
                !chains.iter().any(|known| known.subnets == one.subnets && known.server_names.contains(name))
            };
            let names = m.sni_hosts.iter().filter_map(|name| server_name(name));
            one.server_names = names.filter(free).collect();
            if !one.server_names.is_empty() {
                chains.push(one);
            }
        }
    }
    chains
}

/// Rules with subnets become chains; the first one without takes all other connections.
fn by_tcp(
    view: &View<'_>,
    rule: &VirtualServiceView,
    service: &Arc<Service>,
    port: &ServicePort,
    chains: &mut Vec<Chain>,
) -> Option<Chain> {
    for (index, tcp) in rule.spec.tcp.iter().enumerate() {
        let make = || routed(view, &tcp.route, service, port, &rule.object, format!("spec.tcp[{index}]"));
        if tcp.matches.is_empty() {
            return Some(make());
        }
        for m in &tcp.matches {
            let namespace = m.source_namespace.as_ref();
            if !concerns(view, port.number, m.port, &m.gateways, &m.source_labels, namespace) {
                continue;
            }
            let subnets = subnets(&m.destination_subnets);
            if subnets.is_empty() {
                return Some(make());
            }
            let one = Chain { subnets, ..make() };
            if !chains.iter().any(|known| known.contends(&one)) {
                chains.push(one);
            }
        }
    }
    None
}

fn routed(
    view: &View<'_>,
    routes: &[RouteDestination],
    service: &Arc<Service>,
    port: &ServicePort,
    object: &Arc<Object>,
    field: String,
) -> Chain {
    let cluster = |to: &RouteDestination| Target::of(view, &to.destination, port.number).cluster;
    let clusters: Vec<(String, u32)> = match routes {
        [only] => vec![(cluster(only), 1)],
        several => several
            .iter()
            .filter_map(|to| Some((cluster(to), u32::try_from(to.weight).ok().filter(|w| *w > 0)?)))
            .collect(),
    };
    let stat_prefix = match clusters.as_slice() {
        [(only, _)] => only.clone(),
        _ => format!("{}.{}", object.reference.name, object.reference.namespace),
    };
    chain(view, service, port, clusters, stat_prefix, object, field)
}

fn chain(
    view: &View<'_>,
    service: &Arc<Service>,
    port: &ServicePort,
    clusters: Vec<(String, u32)>,
    stat_prefix: String,
    source: &Arc<Object>,
    field: String,
) -> Chain {
    let policy = Policy::of(view.rule(&service.host).map(|rule| &*rule.spec), None, port.number);
    let hash = policy.load_balancer.and_then(|lb| lb.consistent_hash.as_ref());
    Chain {
        subnets: Vec::new(),
        server_names: Vec::new(),
        clusters,
        idle: tcp_idle_timeout(policy.connection_pool),
        hash_source: hash.is_some_and(|hash| hash.use_source_ip == Some(true)),
        stat_prefix,
        source: source.clone(),
        field,
    }
}

/// A name as a chain can ask for it: only the whole first label can be a wildcard, and `*` alone is no
/// name. One that Envoy refuses would take its listener along.
fn server_name(host: &str) -> Option<String> {
    let rest = host.strip_prefix("*.").unwrap_or(host);
    (!rest.is_empty() && !rest.contains('*')).then(|| host.to_ascii_lowercase())
}

fn subnets(texts: &[String]) -> Vec<IpNet> {
    let read =
        |text: &String| text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from));
    texts.iter().filter_map(read).collect()
}

/// Whether TLS has to be looked for.
pub(super) fn is_inspected(chains: &[Chain]) -> bool {
    chains.iter().any(|chain| !chain.server_names.is_empty())
}

/// Whether a protocol can be called without a request.
#[must_use]
pub fn is_opaque(protocol: Protocol) -> bool {
    !protocol.is_http() && protocol != Protocol::Udp
}
