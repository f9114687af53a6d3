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
    /// No filter at all: the connection is closed.
    Close,
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
