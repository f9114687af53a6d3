//! Filter chains of a port.

use weft_model::MtlsMode;
use weft_proto::envoy::config::core::v3::{CidrRange, Metadata};
use weft_proto::envoy::config::listener::v3::{Filter, FilterChain, FilterChainMatch};
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use weft_proto::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::ClusterSpecifier;

use super::port::InboundPort;
use super::shape::{Shape, Spoken, shapes};
use super::{Ground, INBOUND_PASSTHROUGH, VIRTUAL_INBOUND, VIRTUAL_INBOUND_PORT, route};
use crate::filter::{self, Direction, HttpManagerSpec, Routes, TcpSpec};
use crate::message::u32_value;
use crate::security::tls;

/// Chains of one destination, before their shapes are known.
struct Chains<'a> {
    /// Name of the chains with HTTP, and of those without.
    names: (String, &'a str),
    matches: FilterChainMatch,
    cluster: String,
    stat_prefix: String,
    routes: RouteConfiguration,
    grpc_web: bool,
    metadata: Option<Metadata>,
}

/// The chains of a port, with the port as criterion unless its listener has no other.
pub(super) fn of_port(ground: &Ground<'_>, port: &InboundPort) -> Vec<FilterChain> {
    let name = format!("{}_{}", ground.wildcard(), port.number);
    let own_listener = port.bind.is_some();
    let chains = Chains {
        names: (name.clone(), &name),
        matches: FilterChainMatch {
            destination_port: (!own_listener).then(|| u32_value(port.number.into())),
            ..FilterChainMatch::default()
        },
        cluster: port.cluster(),
        stat_prefix: format!("inbound_{name};"),
        routes: route::of_port(port),
        grpc_web: port.protocol == weft_model::Protocol::GrpcWeb,
        metadata: Some(port.metadata.clone()),
    };
    let mode = ground.mode(port);
    let spoken = Spoken::of(port.protocol);
    match &port.tls {
        // TLS of the user's own takes the place of plaintext (SC-02).
        Some(own) if mode == MtlsMode::Disable => {
            let shape = Shape { transport: "tls", protocols: &[], mtls: false, http: spoken == Spoken::Http };
            let mut chain = chains.chain(ground, &shape);
            chain.transport_socket = Some(tls::socket(&crate::gateway::tls::context(own, &ground.domains)));
            vec![chain]
        }
        _ => shapes(spoken, mode).iter().map(|shape| chains.chain(ground, shape)).collect(),
    }
}

/// The chains of ports that no service has: those with a mode of their own (PA-02), then all others.
pub(super) fn passthrough(ground: &Ground<'_>, ports: &[InboundPort]) -> Vec<FilterChain> {
    let free = |number: &u16| !ports.iter().any(|port| port.number == *number);
    let named = ground.mtls.ports.iter().filter(|(number, _)| free(number));
    let named = named.map(|(number, mode)| {
        let criterion = FilterChainMatch {
            destination_port: Some(u32_value((*number).into())),
            ..FilterChainMatch::default()
        };
        (criterion, *mode)
    });
    let everywhere = FilterChainMatch {
        prefix_ranges: vec![CidrRange {
            address_prefix: ground.wildcard().to_owned(),
            prefix_len: Some(u32_value(0)),
        }],
        ..FilterChainMatch::default()
    };
    let all = named.chain(std::iter::once((everywhere, ground.mtls.default)));
    let chains = all.flat_map(|(matches, mode)| {
        let chains = Chains {
            names: (format!("{VIRTUAL_INBOUND}-catchall-http"), VIRTUAL_INBOUND),
            matches,
            cluster: INBOUND_PASSTHROUGH.to_owned(),
            stat_prefix: format!("inbound_{INBOUND_PASSTHROUGH};"),
            routes: route::passthrough(),
            grpc_web: false,
            metadata: None,
        };
        let shapes = shapes(Spoken::Unknown, mode).iter();
        shapes.map(move |shape| chains.chain(ground, shape)).collect::<Vec<_>>()
    });
    chains.collect()
}

/// Who calls the listener's own port was not redirected: the connection would lead back to it.
pub(super) fn blackhole() -> FilterChain {
    let name = "BlackHoleCluster".to_owned();
    let proxy = TcpProxy {
        stat_prefix: name.clone(),
        cluster_specifier: Some(ClusterSpecifier::Cluster(name)),
        ..TcpProxy::default()
    };
    FilterChain {
        name: format!("{VIRTUAL_INBOUND}-blackhole"),
        filter_chain_match: Some(FilterChainMatch {
            destination_port: Some(u32_value(VIRTUAL_INBOUND_PORT.into())),
            ..FilterChainMatch::default()
        }),
        filters: vec![filter::network_filter(filter::TCP_PROXY, &proxy)],
        ..FilterChain::default()
    }
}

impl Chains<'_> {
    fn chain(&self, ground: &Ground<'_>, shape: &Shape) -> FilterChain {
        let (http, opaque) = &self.names;
        FilterChain {
            name: if shape.http { http.clone() } else { (*opaque).to_owned() },
            filter_chain_match: Some(FilterChainMatch {
                transport_protocol: shape.transport.to_owned(),
                application_protocols: shape.protocols.iter().map(|name| (*name).to_owned()).collect(),
                ..self.matches.clone()
            }),
            filters: if shape.http { self.http(ground) } else { self.opaque(ground) },
            transport_socket: shape.mtls.then(|| tls::socket(&mesh_tls(ground, shape.http))),
            metadata: self.metadata.clone(),
            ..FilterChain::default()
        }
    }

    fn http(&self, ground: &Ground<'_>) -> Vec<Filter> {
        let spec = HttpManagerSpec {
            authorization: ground.http_authorization.clone(),
            grpc_web: self.grpc_web,
            ..HttpManagerSpec::new(
                Direction::Inbound,
                self.stat_prefix.clone(),
                Routes::Inline(self.routes.clone()),
            )
        };
        vec![filter::http_manager_filter(ground.context, spec)]
    }

    fn opaque(&self, ground: &Ground<'_>) -> Vec<Filter> {
        let proxy = TcpProxy {
            stat_prefix: self.cluster.clone(),
            cluster_specifier: Some(ClusterSpecifier::Cluster(self.cluster.clone())),
            ..TcpProxy::default()
        };
        let authorization = ground.tcp_authorization.clone();
        filter::tcp_filters(ground.context, TcpSpec { direction: Direction::Inbound, proxy, authorization })
    }
}

/// Mutual TLS of the mesh. Only a proxy that tells and learns peers on opaque connections may agree to
/// it by ALPN.
fn mesh_tls(
    ground: &Ground<'_>,
    http: bool,
) -> weft_proto::envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext {
    let mut alpn = tls::HTTP_ALPN.to_vec();
    if !http && ground.context.proxy.capabilities.tcp_peer_metadata {
        alpn.insert(0, tls::PEER_EXCHANGE);
    }
    tls::mutual(&ground.domains, &alpn)
}
