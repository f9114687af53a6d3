//! What is known of a request or connection when it is logged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use weft_tables::address::SocketAddress;
use weft_tables::cluster::{Metadata, MetadataValue};
use weft_types::{Detail, Headers, RequestHead, ResponseFlags, ResponseHead, Version};

/// A borrowed view of one request, or of one connection that carries no HTTP. Start from
/// [`LogRecord::default`] and fill in what is known; the rest is logged as `-`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogRecord<'a> {
    /// Wall-clock time at which the request began.
    pub start: Option<SystemTime>,
    /// Wall-clock time now.
    pub now: Option<SystemTime>,
    /// From the beginning to the end, or to now.
    pub duration: Option<Duration>,
    /// Other points in time.
    pub times: Times,
    /// Request head, as it went upstream.
    pub request: Option<&'a RequestHead>,
    /// Response head, as it went downstream.
    pub response: Option<&'a ResponseHead>,
    /// Response trailers.
    pub trailers: Option<&'a Headers>,
    /// Protocol of the client.
    pub protocol: Option<Version>,
    /// Status of the response; `None`: none was sent, logged as 0.
    pub status: Option<u16>,
    /// Response flags.
    pub flags: ResponseFlags,
    /// Response code details.
    pub detail: Option<&'a Detail>,
    /// Connection termination details; empty: none.
    pub termination: &'a str,
    /// Body bytes from the client (or bytes, without HTTP).
    pub bytes_received: u64,
    /// Body bytes to the client.
    pub bytes_sent: u64,
    /// What the client's connection counts.
    pub downstream_wire: WireBytes,
    /// What the upstream's stream counts.
    pub upstream_wire: WireBytes,
    /// The body of a reply that the proxy made itself.
    pub local_reply_body: &'a [u8],
    /// Name of the route.
    pub route_name: &'a str,
    /// Metadata of the route.
    pub route_metadata: Option<&'a Metadata>,
    /// Name of the virtual cluster.
    pub virtual_cluster: &'a str,
    /// Identifier of the stream: the request ID.
    pub stream_id: &'a str,
    /// A fresh identifier (`%UNIQUE_ID%`); whoever logs makes it, since it needs dice.
    pub unique_id: &'a str,
    /// Trace identifier.
    pub trace_id: &'a str,
    /// Name of this machine.
    pub hostname: &'a str,
    /// Kind of log entry: `DownstreamEnd`, `TcpConnectionEnd` …
    pub log_type: &'a str,
    /// The request is a health check.
    pub health_check: bool,
    /// The request is traced.
    pub traced: bool,
    /// The client's connection.
    pub downstream: DownstreamFacts<'a>,
    /// Where the request went; all empty when it went nowhere.
    pub upstream: UpstreamFacts<'a>,
    /// Dynamic metadata, by filter name.
    pub dynamic_metadata: Option<&'a BTreeMap<Box<str>, MetadataValue>>,
    /// Filter state, as text.
    pub filter_state: Option<&'a BTreeMap<Box<str>, Box<str>>>,
}

/// The client's connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct DownstreamFacts<'a> {
    /// Number of the connection.
    pub connection_id: u64,
    /// The client, after PROXY protocol and `x-forwarded-for`.
    pub remote: Option<SocketAddr>,
    /// The socket's peer.
    pub direct_remote: Option<SocketAddr>,
    /// The address that the client spoke to (the original destination, if restored).
    pub local: Option<SocketAddr>,
    /// The socket's own address.
    pub direct_local: Option<SocketAddr>,
    /// Server name asked for; empty: none.
    pub server_name: &'a str,
    /// Name of the filter chain.
    pub filter_chain: &'a str,
    /// Why the transport failed; empty: it did not.
    pub failure: &'a str,
    /// TLS, if there is.
    pub tls: Option<TlsFacts<'a>>,
}

/// Where the request went.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamFacts<'a> {
    /// Name of the cluster.
    pub cluster: &'a str,
    /// Name of the cluster in counters (`alt_stat_name`).
    pub cluster_stat_name: &'a str,
    /// Metadata of the cluster.
    pub cluster_metadata: Option<&'a Metadata>,
    /// The host's address.
    pub host: Option<&'a SocketAddress>,
    /// The host's name; empty: none.
    pub host_name: &'a str,
    /// Metadata of the host.
    pub host_metadata: Option<&'a Metadata>,
    /// Addresses of all hosts tried, in order.
    pub hosts_attempted: &'a [SocketAddress],
    /// Tries.
    pub attempts: u32,
    /// Own address of the connection.
    pub local: Option<SocketAddr>,
    /// Peer address of the connection.
    pub remote: Option<SocketAddr>,
    /// Number of the connection.
    pub connection_id: u64,
    /// Protocol spoken.
    pub protocol: Option<Version>,
    /// Why the transport failed; empty: it did not.
    pub failure: &'a str,
    /// TLS, if there is.
    pub tls: Option<TlsFacts<'a>>,
}

/// Bytes on the wire, heads and framing included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireBytes {
    /// All bytes received.
    pub received: u64,
    /// All bytes sent.
    pub sent: u64,
    /// Bytes of heads received.
    pub headers_received: u64,
    /// Bytes of heads sent.
    pub headers_sent: u64,
}

/// TLS of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsFacts<'a> {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'a str,
    /// OpenSSL name of the cipher suite.
    pub cipher: &'a str,
    /// Session identifier, hexadecimal.
    pub session_id: &'a str,
    /// The peer's certificate.
    pub peer: CertificateFacts<'a>,
    /// Our certificate.
    pub local: CertificateFacts<'a>,
    /// JA3 fingerprint of the ClientHello.
    pub ja3: &'a str,
    /// JA4 fingerprint of the ClientHello.
    pub ja4: &'a str,
}

/// A certificate.
#[derive(Clone, Copy, Debug, Default)]
pub struct CertificateFacts<'a> {
    /// Subject, RFC 2253.
    pub subject: &'a str,
    /// Issuer, RFC 2253.
    pub issuer: &'a str,
    /// Serial number, hexadecimal.
    pub serial: &'a str,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint_256: &'a str,
    /// SHA-1 of the certificate, hexadecimal.
    pub fingerprint_1: &'a str,
    /// The certificate, PEM, percent-encoded.
    pub pem: &'a str,
    /// URI names.
    pub uris: &'a [Box<str>],
    /// DNS names.
    pub dns: &'a [Box<str>],
    /// IP addresses.
    pub ips: &'a [Box<str>],
    /// E-mail addresses.
    pub emails: &'a [Box<str>],
    /// Valid from.
    pub not_before: Option<SystemTime>,
    /// Valid until.
    pub not_after: Option<SystemTime>,
}

/// A point in the life of a request (the names of `%COMMON_DURATION%`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// `DS_RX_END`: the last byte of the request came.
    DownstreamRxEnd,
    /// `US_CX_BEG`: connecting upstream began.
    UpstreamConnectStart,
    /// `US_CX_END`: the connection stood.
    UpstreamConnectEnd,
    /// `US_HS_END`: TLS stood.
    UpstreamHandshakeEnd,
    /// `US_TX_BEG`: the first byte went upstream.
    UpstreamTxStart,
    /// `US_TX_END`: the last byte went upstream.
    UpstreamTxEnd,
    /// `US_RX_BEG`: the first byte of the response came.
    UpstreamRxStart,
    /// `US_RX_END`: the last byte of the response came.
    UpstreamRxEnd,
    /// `DS_TX_BEG`: the first byte went to the client.
    DownstreamTxStart,
    /// `DS_TX_END`: the last byte went to the client.
    DownstreamTxEnd,
    /// TLS with the client stood.
    DownstreamHandshakeEnd,
    /// The client acknowledged the last byte.
    DownstreamAck,
    /// The pool had a connection for the request.
    PoolReady,
}

/// When the points of [`TimePoint`] were reached, counted from the request's beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times([Option<Duration>; 13]);

impl Times {
    /// Notes a point. A later note replaces an earlier one.
    pub fn set(&mut self, point: TimePoint, since_start: Duration) {
        if let Some(slot) = self.0.get_mut(point as usize) {
            *slot = Some(since_start);
        }
    }

    /// Notes a point unless it is noted already.
    pub fn set_first(&mut self, point: TimePoint, since_start: Duration) {
        if self.get(point).is_none() {
            self.set(point, since_start);
        }
    }

    /// When the point was reached.
    #[must_use]
    pub fn get(&self, point: TimePoint) -> Option<Duration> {
        self.0.get(point as usize).copied().flatten()
    }
}
