//! Opaque TCP.

use std::sync::Arc;
use std::time::Duration;

use weft_types::{Name, Provenance};

use crate::access_log::AccessLog;
use crate::cluster::Metadata;

/// A TCP proxy (`envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`).
#[derive(Debug)]
pub struct TcpProxy {
    /// Prefix of its counters (`tcp.<prefix>.`).
    pub stat_prefix: Name,
    /// Where to; weights with a single entry are irrelevant.
    pub clusters: Vec<TcpTarget>,
    /// No bytes either way for so long closes (default 1 h; `None`: never).
    pub idle_timeout: Option<Duration>,
    /// Longest life of a connection.
    pub max_connection_duration: Option<Duration>,
    /// Connection attempts (default 1).
    pub max_connect_attempts: u32,
    /// Logs.
    pub access_log: Vec<AccessLog>,
    /// Hash by source address for consistent balancing (`hash_policy`).
    pub hash_source_ip: bool,
    /// Object behind it.
    pub provenance: Option<Arc<Provenance>>,
}

/// One target of a TCP proxy.
#[derive(Clone, Debug)]
pub struct TcpTarget {
    /// Cluster.
    pub cluster: Name,
    /// Weight.
    pub weight: u32,
    /// Subset criteria (`metadata_match`, namespace `envoy.lb`).
    pub subset: Metadata,
}
