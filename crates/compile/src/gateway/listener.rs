//! Listeners of a gateway.

use std::collections::BTreeSet;

use weft_proto::envoy::config::core::v3::{Metadata, TrafficDirection};
use weft_proto::envoy::config::listener::v3::{Filter, FilterChain, FilterChainMatch, Listener};
use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use weft_proto::envoy::extensions::filters::network::sni_cluster::v3::SniCluster;
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::ClusterSpecifier;

use super::opaque::{self, Passed};
use super::plan::{self, GatewayPort, PortKind, route_name};
use super::server::{Purpose, ServerView};
use super::tls;
use crate::cluster::name;
use crate::filter::{self, Context, Direction, HttpManagerSpec, Routes, TcpSpec, access_log};
use crate::message::{bool_value, ip_address};
use crate::provenance;
use crate::security::tls as mesh_tls;
use crate::security::{TrustDomains, authorization};
use crate::view::View;

/// What the chains of a gateway share.
struct Ground<'a> {
    view: &'a View<'a>,
    context: Context<'a>,
    domains: TrustDomains,
    http_authorization: Vec<HttpFilter>,
    tcp_authorization: Vec<Filter>,
}

/// All listeners, by address and port.
pub(super) fn listeners(view: &View<'_>) -> Vec<Listener> {
    let proxy = view.proxy;
    let found = view.snapshot.workload(&proxy.namespace, &proxy.name);
    let labels = found.map_or(&proxy.labels, |workload| &workload.labels);
    let policies = view.snapshot.authorization_policies(&proxy.namespace, labels);
    let domains = TrustDomains::new(&view.mesh.trust_domain, &view.mesh.trust_domain_aliases);
    let ground = Ground {
        view,
        context: view.filters(),
        http_authorization: authorization::http_filters(&policies, &domains),
        tcp_authorization: authorization::network_filters(&policies, &domains),
        domains,
    };
    let plan = plan::plan(view.snapshot, proxy);
    plan.ports.iter().filter_map(|port| ground.listener(port)).collect()
}

impl Ground<'_> {
    /// `None` if nothing would be served: Envoy takes no listener without chains.
    fn listener(&self, port: &GatewayPort) -> Option<Listener> {
        let filter_chains = self.chains(port);
        if filter_chains.is_empty() {
            return None;
        }
        let inspectors = if port.kind == PortKind::Tls { vec![filter::tls_inspector()] } else { Vec::new() };
        Some(Listener {
            name: format!("{}_{}", port.address, port.port),
            address: Some(ip_address(port.address, port.port)),
            filter_chains,
            listener_filters: inspectors,
            traffic_direction: TrafficDirection::Outbound.into(),
            access_log: access_log::of_listener(self.context.mesh),
            metadata: port.servers.first().map(of_server),
            // Two meshes on one host must collide loudly, not share traffic.
            enable_reuse_port: self.context.proxy.is_embedded().then(|| bool_value(false)),
            ..Listener::default()
        })
    }

    fn chains(&self, port: &GatewayPort) -> Vec<FilterChain> {
        let Some(first) = port.servers.first() else { return Vec::new() };
        match port.kind {
            // One table holds the routes of all servers.
            PortKind::Http => self.http(port, first).into_iter().collect(),
            PortKind::Opaque => {
                port.servers.iter().find_map(|server| self.opaque(server)).into_iter().collect()
            }
            PortKind::Tls => {
                let mut taken = BTreeSet::new();
                let chains = port.servers.iter().flat_map(|server| self.tls(port, server));
                // Two rules of different servers may ask for one name; Envoy takes it only once.
                chains.filter(|chain| taken.insert(criteria(chain))).collect()
            }
        }
    }

    fn http(&self, port: &GatewayPort, server: &ServerView) -> Option<FilterChain> {
        let spec = HttpManagerSpec {
            authorization: self.http_authorization.clone(),
            ..HttpManagerSpec::new(
                Direction::Gateway,
                stat_prefix(port, server),
                Routes::Rds(route_name(port, server)?),
            )
        };
        Some(FilterChain {
            filters: vec![filter::http_manager_filter(self.context, spec)],
            metadata: Some(of_server(server)),
            ..FilterChain::default()
        })
    }

    fn tls(&self, port: &GatewayPort, server: &ServerView) -> Vec<FilterChain> {
        let ended = |mut chain: FilterChain| {
            if let Some(own) = &server.server.tls {
                chain.transport_socket = Some(mesh_tls::socket(&tls::context(own, &self.domains)));
            }
            FilterChain { filter_chain_match: Some(by_name(server.server_names())), ..chain }
        };
        match server.purpose() {
            Some(Purpose::Https) => self.http(port, server).map(ended).into_iter().collect(),
            Some(Purpose::EndTls) => self.opaque(server).map(ended).into_iter().collect(),
            Some(Purpose::PassTls) => {
                let passed = opaque::by_server_name(self.view, server).into_iter();
                passed
                    .map(|passed| FilterChain {
                        filter_chain_match: Some(by_name(passed.server_names.clone())),
                        ..self.pass(passed)
                    })
                    .collect()
            }
            Some(Purpose::AutoPassTls) => vec![self.by_cluster_name(server)],
            Some(Purpose::Http | Purpose::Opaque) | None => Vec::new(),
        }
    }

    fn opaque(&self, server: &ServerView) -> Option<FilterChain> {
        opaque::by_tcp(self.view, server).map(|passed| self.pass(passed))
    }

    fn pass(&self, passed: Passed) -> FilterChain {
        let Passed { server_names: _, proxy, metadata } = passed;
        let authorization = self.tcp_authorization.clone();
        let spec = TcpSpec { direction: Direction::Gateway, proxy, authorization };
        FilterChain {
            filters: filter::tcp_filters(self.context, spec),
            metadata: Some(metadata),
            ..FilterChain::default()
        }
    }

    /// The server name is the cluster's (SD-08); other names lead nowhere.
    fn by_cluster_name(&self, server: &ServerView) -> FilterChain {
        let proxy = TcpProxy {
            stat_prefix: name::BLACK_HOLE.to_owned(),
            cluster_specifier: Some(ClusterSpecifier::Cluster(name::BLACK_HOLE.to_owned())),
            ..TcpProxy::default()
        };
        let authorization = self.tcp_authorization.clone();
        let spec = TcpSpec { direction: Direction::Gateway, proxy, authorization };
        let mut filters = vec![filter::network_filter("envoy.filters.network.sni_cluster", &SniCluster {})];
        filters.extend(filter::tcp_filters(self.context, spec));
        FilterChain {
            filter_chain_match: Some(by_name(server.server_names())),
            filters,
            metadata: Some(of_server(server)),
            ..FilterChain::default()
        }
    }
}

fn by_name(server_names: Vec<String>) -> FilterChainMatch {
    FilterChainMatch { server_names, ..FilterChainMatch::default() }
}

fn criteria(chain: &FilterChain) -> Vec<String> {
    chain.filter_chain_match.as_ref().map(|criteria| criteria.server_names.clone()).unwrap_or_default()
}

/// Istio's: the server's own name, or the listener's.
fn stat_prefix(port: &GatewayPort, server: &ServerView) -> String {
    match server.server.name.as_deref() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("outbound_{}_{};", port.address, port.port),
    }
}

fn of_server(server: &ServerView) -> Metadata {
    provenance::of(&server.gateway, &server.path())
}
