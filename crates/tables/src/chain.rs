//! Filter chains and how one is chosen.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use weft_match::CidrSet;
use weft_types::{Name, Provenance};

use crate::filter::NetworkFilter;
use crate::hcm::HttpManager;
use crate::tcp::TcpProxy;
use crate::tls::ServerTls;

/// What a connection is handed to.
#[derive(Debug)]
pub struct FilterChain {
    /// Name; may be empty.
    pub name: Name,
    /// TLS termination; `None`: plaintext.
    pub tls: Option<Arc<ServerTls>>,
    /// Time for the transport's handshake (`transport_socket_connect_timeout`; `None`: no limit).
    pub handshake_timeout: Option<Duration>,
    /// Network filters before the terminal one, in order.
    pub filters: Vec<NetworkFilter>,
    /// The last filter.
    pub terminal: Terminal,
    /// Object behind it.
    pub provenance: Option<Arc<Provenance>>,
}

/// The filter that ends a chain.
#[derive(Debug)]
pub enum Terminal {
    /// `http_connection_manager`.
    Http(Arc<HttpManager>),
    /// `tcp_proxy`.
    Tcp(Arc<TcpProxy>),
    /// `echo`.
    Echo,
    /// `direct_response`: these bytes, then close.
    DirectResponse(bytes::Bytes),
    /// HBONE (`weft.hbone.v1.Terminate`): each CONNECT is a connection to the listener at its destination.
    Hbone(Arc<HboneTerminal>),
    /// No filter at all: the connection is closed.
    Close,
}

/// Where HBONE ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HboneTerminal {
    /// Prefix of its counters.
    pub stat_prefix: Name,
    /// The listener for destinations at which no other listens; `None`: such streams are refused.
    pub listener: Option<Name>,
    /// Streams that one connection may have open (default 100).
    pub max_streams: u32,
}

/// The criteria of one chain (`FilterChainMatch`). Empty lists and `None` match anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainMatch {
    /// Destination port.
    pub destination_port: Option<u16>,
    /// Destination ranges (`prefix_ranges`).
    pub destination: CidrSet,
    /// Server names: exact, or `*.suffix` stored as `.suffix`.
    pub server_names: Vec<Box<str>>,
    /// `tls`, `raw_buffer`, or empty.
    pub transport_protocol: Box<str>,
    /// ALPN values, or what HTTP detection found (`http/1.1`, `h2c` …).
    pub application_protocols: Vec<Box<str>>,
    /// Source: any, same address as destination or loopback, or external.
    pub source_type: SourceType,
    /// Directly connected source ranges.
    pub direct_source: CidrSet,
    /// Source ranges.
    pub source: CidrSet,
    /// Source ports.
    pub source_ports: Vec<u16>,
}

/// `FilterChainMatch.source_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceType {
    /// Any.
    #[default]
    Any,
    /// From the same address or loopback.
    SameIpOrLoopback,
    /// Other.
    External,
}

/// What is known of a connection when a chain is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionFacts<'a> {
    /// Destination after undoing redirection.
    pub destination: Option<(IpAddr, u16)>,
    /// Source as told by the PROXY protocol, else as connected.
    pub source: Option<(IpAddr, u16)>,
    /// Source as connected.
    pub direct_source: Option<IpAddr>,
    /// Server name of the ClientHello, lower case; empty without one.
    pub server_name: &'a str,
    /// `tls` or `raw_buffer` (what detection found; `raw_buffer` when nothing was looked at).
    pub transport_protocol: &'a str,
    /// ALPN list, or the detected plaintext protocol; empty when unknown.
    pub application_protocols: &'a [&'a str],
}

/// The chains of a listener with the order of criteria that Envoy's documentation gives:
/// destination port, destination address, server name, transport protocol, application protocol,
/// direct source, source type, source address, source port. The most specific value of each
/// criterion wins before the next is looked at, and there is no way back.
#[derive(Debug, Default)]
pub struct ChainTable {
    /// Chains with their criteria, in configured order.
    pub chains: Vec<(ChainMatch, Arc<FilterChain>)>,
    /// Taken when none matches.
    pub default: Option<Arc<FilterChain>>,
}

/// Stands for an address that is not an IP address, as on Unix sockets: only chains without ranges
/// can match it.
const NO_ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);

impl ChainTable {
    /// The chain that a connection gets; `None`: no chain matches and there is no default, so the
    /// connection is closed.
    #[must_use]
    pub fn find(&self, facts: &ConnectionFacts<'_>) -> Option<&Arc<FilterChain>> {
        self.matching(facts).or(self.default.as_ref())
    }

    fn matching(&self, facts: &ConnectionFacts<'_>) -> Option<&Arc<FilterChain>> {
        let mut left: Vec<&(ChainMatch, Arc<FilterChain>)> = self.chains.iter().collect();
        let (address, port) = facts.destination.map_or((NO_ADDRESS, None), |(ip, port)| (ip, Some(port)));
        narrow(&mut left, |m| match m.destination_port {
            None => Some(0),
            want if want == port => Some(1),
            _ => None,
        });
        narrow(&mut left, |m| prefix(&m.destination, address));
        narrow(&mut left, |m| server_name(&m.server_names, facts.server_name));
        narrow(&mut left, |m| match &*m.transport_protocol {
            "" => Some(0),
            want if want == facts.transport_protocol => Some(1),
            _ => None,
        });
        narrow(&mut left, |m| protocol(&m.application_protocols, facts.application_protocols));
        narrow(&mut left, |m| prefix(&m.direct_source, facts.direct_source.unwrap_or(NO_ADDRESS)));
        let local = is_local(facts);
        narrow(&mut left, |m| match m.source_type {
            SourceType::Any => Some(0),
            SourceType::SameIpOrLoopback => local.then_some(1),
            SourceType::External => (!local).then_some(1),
        });
        let (address, port) = facts.source.map_or((NO_ADDRESS, None), |(ip, port)| (ip, Some(port)));
        narrow(&mut left, |m| prefix(&m.source, address));
        narrow(&mut left, |m| {
            if m.source_ports.is_empty() {
                return Some(0);
            }
            port.is_some_and(|port| m.source_ports.contains(&port)).then_some(1)
        });
        left.first().map(|(_, chain)| chain)
    }
}

/// Keeps the chains whose value of one criterion is the most specific one that matches. A chain
/// that is more specific in a later criterion cannot come back: that is how Envoy's tree works.
fn narrow(
    left: &mut Vec<&(ChainMatch, Arc<FilterChain>)>,
    specificity: impl Fn(&ChainMatch) -> Option<usize>,
) {
    let best = left.iter().filter_map(|(m, _)| specificity(m)).max();
    left.retain(|(m, _)| best.is_some() && specificity(m) == best);
}

/// The longest prefix that holds the address; no ranges are the range of all addresses.
fn prefix(ranges: &CidrSet, address: IpAddr) -> Option<usize> {
    if ranges.is_empty() { Some(0) } else { ranges.longest_prefix(address).map(usize::from) }
}

/// An exact name is more specific than any wildcard, a long suffix more than a short one.
fn server_name(wanted: &[Box<str>], name: &str) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    let specificity = |want: &str| {
        if want == name {
            return Some(usize::MAX);
        }
        // The wildcard stands for at least one byte.
        (want.starts_with('.') && name.len() > want.len() && name.ends_with(want)).then_some(want.len())
    };
    wanted.iter().filter_map(|want| specificity(want)).max()
}

/// The first protocol of the client that some chain names decides.
fn protocol(wanted: &[Box<str>], offered: &[&str]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    let place = offered.iter().position(|offer| wanted.iter().any(|want| **want == **offer))?;
    Some(offered.len() - place)
}

/// Whether the connection comes from this host: over a Unix socket, from loopback, or from its own
/// destination address.
fn is_local(facts: &ConnectionFacts<'_>) -> bool {
    match (facts.source, facts.destination) {
        (None, _) => true,
        (Some((source, _)), destination) => {
            source.is_loopback() || destination.is_some_and(|(address, _)| address == source)
        }
    }
}
