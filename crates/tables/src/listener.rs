//! Listeners.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use weft_types::{Direction, Name, Provenance};

use crate::access_log::AccessLog;
use crate::address::SocketAddress;
use crate::chain::ChainTable;
use crate::cluster::Keepalive;

/// A listener (`envoy.config.listener.v3.Listener`).
#[derive(Debug)]
pub struct Listener {
    /// Name.
    pub name: Name,
    /// Addresses to bind: `address` first, then `additional_addresses`.
    pub addresses: Vec<SocketAddress>,
    /// Role, from `traffic_direction` (and the node's type).
    pub direction: Direction,
    /// Prefix of its counters: `stat_prefix`, else the address (`listener.<prefix>.`).
    pub stat_prefix: Name,
    /// False: opens no socket; only receives connections that another listener hands over by
    /// original destination (`bind_to_port`, default true).
    pub bind_to_port: bool,
    /// Hand a connection to the listener whose address is the original destination
    /// (`use_original_dst`).
    pub use_original_dst: bool,
    /// Sockets are transparent (`IP_TRANSPARENT`; `transparent`).
    pub transparent: bool,
    /// Let the system queue connections on several sockets (`enable_reuse_port`, default true).
    pub reuse_port: bool,
    /// Length of the accept queue (`tcp_backlog_size`, default 4096).
    pub backlog: u32,
    /// Run before a chain is chosen, in order.
    pub filters: Vec<ListenerFilter>,
    /// Which of them are passed over, and for which connections (`filter_disabled`).
    pub unless: Vec<(ListenerFilter, PortTest)>,
    /// Time for all listener filters (default 15 s; `None`: no limit; `listener_filters_timeout`).
    pub filters_timeout: Option<Duration>,
    /// After that time go on without what they would have found, instead of closing.
    pub continue_on_timeout: bool,
    /// Chains and the default chain.
    pub chains: ChainTable,
    /// How long its routes and secrets are waited for before it is in force without them
    /// (`initial_fetch_timeout` of their sources, the longest; default 15 s; `None`: for ever).
    pub fetch_timeout: Option<Duration>,
    /// Buffer limit of a connection, bytes (default 1 MiB; `per_connection_buffer_limit_bytes`).
    pub buffer_limit: u32,
    /// TCP keepalive of accepted connections (`tcp_keepalive`).
    pub keepalive: Option<Keepalive>,
    /// Logs of connections that no chain took.
    pub access_log: Vec<AccessLog>,
    /// Object behind it.
    pub provenance: Option<Arc<Provenance>>,
}

/// What to look at before choosing a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerFilter {
    /// Learn the destination before redirection (`envoy.filters.listener.original_dst`).
    OriginalDst,
    /// Read server name and ALPN of a TLS ClientHello (`tls_inspector`).
    TlsInspector,
    /// Tell HTTP/1, HTTP/2 and other plaintext apart (`http_inspector`).
    HttpInspector,
    /// Read a PROXY protocol header (`proxy_protocol`).
    ProxyProtocol {
        /// Connections without the header are served too (`allow_requests_without_proxy_protocol`).
        optional: bool,
    },
}

impl Listener {
    /// Whether a filter looks at connections to that address.
    #[must_use]
    pub fn runs(&self, filter: &ListenerFilter, local: Option<SocketAddr>) -> bool {
        let mut tests = self.unless.iter().filter(|(of, _)| of == filter);
        !tests.any(|(_, test)| test.holds(local.map(|address| address.port())))
    }
}

/// A test of the port that a connection goes to (`ListenerFilterChainMatchPredicate`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortTest {
    /// Any port, even if it is not known.
    Any,
    /// From the first port up to but not including the second, which may be 65536.
    Within(u16, u32),
    /// Not.
    Not(Box<PortTest>),
    /// One of them.
    OneOf(Vec<PortTest>),
    /// All of them.
    All(Vec<PortTest>),
}

impl PortTest {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, port: Option<u16>) -> bool {
        match self {
            Self::Any => true,
            Self::Within(from, to) => port.is_some_and(|port| port >= *from && u32::from(port) < *to),
            Self::Not(test) => !test.holds(port),
            Self::OneOf(tests) => tests.iter().any(|test| test.holds(port)),
            Self::All(tests) => tests.iter().all(|test| test.holds(port)),
        }
    }
}
