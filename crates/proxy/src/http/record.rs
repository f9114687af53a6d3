//! What is known of an exchange, for logs, counters and traces.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::SystemTime;

use tokio::time::Instant;
use weft_balance::HostHandle;
use weft_tls::PeerFacts;
use weft_types::{Detail, Headers, Name, RequestHead, ResponseFlag, ResponseFlags, ResponseHead, Version};

/// One exchange as it will be reported: exactly once, when it ends for whatever reason.
#[derive(Debug)]
pub(crate) struct Record {
    /// When the request's head was there.
    pub(crate) began: SystemTime,
    /// The same on the monotonic clock.
    pub(crate) start: Instant,
    /// The request as it is now (filters and routes change it).
    pub(crate) request: Box<RequestHead>,
    /// The response that the client got.
    pub(crate) response: Option<ResponseHead>,
    /// Its trailers.
    pub(crate) trailers: Option<Headers>,
    pub(crate) flags: ResponseFlags,
    pub(crate) detail: Option<Detail>,
    /// Name of the route that took it.
    pub(crate) route: Option<Name>,
    /// Virtual host that took it.
    pub(crate) virtual_host: Option<Name>,
    pub(crate) upstream: Upstream,
    pub(crate) times: Times,
    pub(crate) bytes_received: u64,
    /// Body of an answer of our own, for formats that show it.
    pub(crate) local_body: bytes::Bytes,
    pub(crate) bytes_sent: u64,
    pub(crate) downstream_wire_received: u64,
    pub(crate) downstream_wire_sent: u64,
    /// Address of the client as far as it is trusted.
    pub(crate) client: Option<SocketAddr>,
}

/// The upstream side of an exchange: of the last attempt.
#[derive(Debug, Default)]
pub(crate) struct Upstream {
    pub(crate) cluster: Option<Name>,
    pub(crate) host: Option<weft_tables::address::SocketAddress>,
    /// The host with all that is known of it.
    pub(crate) endpoint: Option<HostHandle>,
    /// What TLS told of it; `None`: plaintext, or no connection.
    pub(crate) peer: Option<Rc<PeerFacts>>,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) attempts: u32,
    pub(crate) transport_failure: Option<String>,
    pub(crate) version: Option<Version>,
    pub(crate) wire_received: u64,
    pub(crate) wire_sent: u64,
}

/// Moments of an exchange.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// The last byte of the request came.
    pub(crate) request_complete: Option<Instant>,
    /// The first byte of the request went up.
    pub(crate) upstream_first_sent: Option<Instant>,
    /// The last byte of the request went up.
    pub(crate) upstream_last_sent: Option<Instant>,
    /// The response's head came.
    pub(crate) upstream_head: Option<Instant>,
    /// The response's last byte came.
    pub(crate) upstream_complete: Option<Instant>,
    /// The first byte went down.
    pub(crate) downstream_first_sent: Option<Instant>,
    /// The last byte went down.
    pub(crate) downstream_complete: Option<Instant>,
}

impl Record {
    pub(crate) fn new(request: Box<RequestHead>, began: SystemTime, start: Instant) -> Self {
        Self {
            began,
            start,
            request,
            response: None,
            trailers: None,
            flags: ResponseFlags::NONE,
            detail: None,
            route: None,
            virtual_host: None,
            upstream: Upstream::default(),
            times: Times::default(),
            bytes_received: 0,
            local_body: bytes::Bytes::new(),
            bytes_sent: 0,
            downstream_wire_received: 0,
            downstream_wire_sent: 0,
            client: None,
        }
    }

    pub(crate) fn flag(&mut self, flag: ResponseFlag) {
        self.flags.insert(flag);
    }
}
