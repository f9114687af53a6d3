//! What filters see and leave behind beside the heads and bodies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Instant;

use weft_tables::cluster::{Cluster, MetadataValue};
use weft_types::{Detail, Name, ResponseFlags};

use crate::limiters::Limiters;
use crate::peers::{Node, Peers};

/// Facts of the connection: named attributes that policies read. All its requests share them.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Peer address of the socket.
    pub direct_remote: Option<SocketAddr>,
    /// Peer address after the PROXY protocol.
    pub source: Option<SocketAddr>,
    /// Local (destination) address.
    pub local: Option<SocketAddr>,
    /// Server name asked for.
    pub server_name: Option<Box<str>>,
    /// The connection is encrypted.
    pub tls: bool,
    /// A peer certificate was presented and verified.
    pub peer_verified: bool,
    /// URI SANs of the peer, in certificate order.
    pub peer_uris: Vec<Box<str>>,
    /// DNS SANs of the peer.
    pub peer_dns: Vec<Box<str>>,
    /// Subject of the peer.
    pub peer_subject: Box<str>,
}

/// What a filter sees and may leave for others while one request passes.
#[derive(Debug, Default)]
pub struct Context {
    /// Facts of the connection.
    pub facts: Arc<Facts>,
    /// Client address after `x-forwarded-for`; of a bare connection its source.
    pub remote: Option<SocketAddr>,
    /// Cluster that the route chose; `None`: the route does not forward.
    pub cluster_name: Option<Name>,
    /// When the hook is called. Without it, filters that count by time let nothing pass.
    pub now: Option<Instant>,
    /// Notes of filters by filter name (Envoy's dynamic metadata).
    pub metadata: BTreeMap<Box<str>, MetadataValue>,
    /// Objects by key (Envoy's filter state), as strings.
    pub state: BTreeMap<Box<str>, Box<str>>,
    /// Flags that filters set without replying (such as DI for an injected delay).
    pub flags: ResponseFlags,
    /// Detail that a filter wants logged.
    pub detail: Option<Detail>,
    /// Counters to add to: `(name, by)`, relative to the manager's prefix (`http.<prefix>.`).
    pub counts: Vec<(&'static str, u64)>,
    /// The same for counters whose names come from the configuration.
    pub named_counts: Vec<(CountScope, Name, u64)>,
    /// Counters of the request's cluster, relative to `cluster.<name>.`.
    pub cluster_counts: Vec<(&'static str, u64)>,
    /// Process-wide counts of things going on, such as active faults.
    pub shared: Arc<Shared>,
    /// The request's cluster, for filters that look at more than its name.
    pub cluster: Option<Arc<Cluster>>,
    /// Who is at the other ends, as they told.
    pub peers: Peers,
    /// Messages of a gRPC call so far, from the client and to it.
    pub messages: (u64, u64),
}

impl Context {
    /// The context of a request or connection that no filter has seen yet.
    #[must_use]
    pub fn new(facts: Arc<Facts>, shared: Arc<Shared>) -> Self {
        Self {
            facts,
            shared,
            remote: None,
            cluster_name: None,
            now: None,
            metadata: BTreeMap::new(),
            state: BTreeMap::new(),
            flags: ResponseFlags::NONE,
            detail: None,
            counts: Vec::new(),
            named_counts: Vec::new(),
            cluster_counts: Vec::new(),
            cluster: None,
            peers: Peers::default(),
            messages: (0, 0),
        }
    }

    /// Adds 1 to a counter of the connection manager.
    pub fn count(&mut self, name: &'static str) {
        self.counts.push((name, 1));
    }

    /// Sets one field of a filter's notes.
    pub fn note(&mut self, filter: &str, key: impl Into<Box<str>>, value: MetadataValue) {
        let notes =
            self.metadata.entry(filter.into()).or_insert_with(|| MetadataValue::Struct(BTreeMap::new()));
        if let MetadataValue::Struct(fields) = notes {
            fields.insert(key.into(), value);
        }
    }
}

/// Where a counter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountScope {
    /// Under the connection manager (`http.<prefix>.`).
    Manager,
    /// At the root.
    Process,
}

/// What filters share over all requests of a process.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Faults in progress.
    pub active_faults: Arc<AtomicU32>,
    /// The process was told to fail its health checks.
    pub failing: Arc<AtomicBool>,
    /// Name of the node's cluster (`node.cluster`).
    pub node_cluster: Arc<str>,
    /// Token buckets of local rate limits.
    pub limiters: Arc<Limiters>,
    /// Who this node is.
    pub node: Arc<Node>,
}
