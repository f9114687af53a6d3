//! What a filter is.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weft_tables::cluster::MetadataValue;
use weft_tables::filter::{HttpFilterConfig, OpenConfig};
use weft_types::{Detail, Headers, Name, Random, RequestHead, ResponseFlags, ResponseHead};

/// What a filter wants to happen next.
pub enum Flow {
    /// Go on with the next filter.
    Continue,
    /// Answer the client now; the request goes no further. On the response path: replace the response.
    Reply(Box<LocalReply>),
    /// Go on after that time.
    Delay(Duration),
    /// Hold back until the whole body is there, at most this many bytes; then call the body hook with
    /// all of it. More bytes: 413 on the request path, 500 on the response path.
    Buffer(usize),
    /// Wait for an outcome from outside (an authorization service, a lookup), then do as it says.
    Wait(Pin<Box<dyn Future<Output = Flow>>>),
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue => f.write_str("Continue"),
            Self::Reply(reply) => f.debug_tuple("Reply").field(reply).finish(),
            Self::Delay(time) => f.debug_tuple("Delay").field(time).finish(),
            Self::Buffer(limit) => f.debug_tuple("Buffer").field(limit).finish(),
            Self::Wait(_) => f.write_str("Wait"),
        }
    }
}

/// What a filter wants after a piece of body or the trailers.
#[derive(Debug)]
pub enum BodyFlow {
    /// Pass on what is left in the piece.
    Continue,
    /// Answer the client now.
    Reply(Box<LocalReply>),
}

/// A response that the proxy makes itself (invariant 8: always with flags and a detail).
#[derive(Clone, Debug)]
pub struct LocalReply {
    /// Status.
    pub status: u16,
    /// Body; `text/plain` unless a header says otherwise.
    pub body: Bytes,
    /// Further fields.
    pub headers: Headers,
    /// gRPC status to answer a gRPC request with; `None`: derived from the HTTP status.
    pub grpc_status: Option<u32>,
    /// Cause.
    pub detail: Detail,
    /// Flags.
    pub flags: ResponseFlags,
}

impl LocalReply {
    /// A reply of that status, body text and detail word.
    #[must_use]
    pub fn new(status: u16, body: &'static str, word: &'static str) -> Self {
        Self {
            status,
            body: Bytes::from_static(body.as_bytes()),
            headers: Headers::new(),
            grpc_status: None,
            detail: Detail::word(word),
            flags: ResponseFlags::NONE,
        }
    }

    /// The same with a flag.
    #[must_use]
    pub fn flag(mut self, flag: weft_types::ResponseFlag) -> Self {
        self.flags.insert(flag);
        self
    }
}

/// Facts of the connection and the request that do not change: named attributes that policies read.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Peer address of the socket.
    pub direct_remote: Option<SocketAddr>,
    /// Peer address after the PROXY protocol.
    pub source: Option<SocketAddr>,
    /// Client address after `x-forwarded-for`.
    pub remote: Option<SocketAddr>,
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
    /// Name of the route.
    pub route_name: Option<Name>,
    /// Cluster that the route chose.
    pub cluster: Option<Name>,
}

/// What a filter sees and may leave for others while one request passes.
#[derive(Debug, Default)]
pub struct Context {
    /// Facts.
    pub facts: Arc<Facts>,
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
    /// Process-wide counts of things going on, such as active faults.
    pub shared: Shared,
}

/// What filters share over all requests of a process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Faults in progress.
    pub active_faults: Arc<std::sync::atomic::AtomicU32>,
    /// The process was told to fail its health checks.
    pub failing: Arc<std::sync::atomic::AtomicBool>,
    /// Name of the node's cluster (`node.cluster`).
    pub node_cluster: Arc<str>,
}

/// An HTTP filter at work on one request. Hooks that are not written let everything pass.
#[allow(unused_variables)]
pub trait HttpFilter: fmt::Debug {
    /// The request head came.
    fn on_request(
        &mut self,
        head: &mut RequestHead,
        end: bool,
        cx: &mut Context,
        dice: &mut dyn Random,
    ) -> Flow {
        Flow::Continue
    }
    /// A piece of request body came (or all of it, after `Flow::Buffer`). It may be changed or emptied.
    fn on_request_data(&mut self, data: &mut Bytes, end: bool, cx: &mut Context) -> BodyFlow {
        BodyFlow::Continue
    }
    /// Request trailers came.
    fn on_request_trailers(&mut self, trailers: &mut Headers, cx: &mut Context) -> BodyFlow {
        BodyFlow::Continue
    }
    /// The response head came (local replies too, Envoy's encode path).
    fn on_response(&mut self, head: &mut ResponseHead, end: bool, cx: &mut Context) -> Flow {
        Flow::Continue
    }
    /// A piece of response body came.
    fn on_response_data(&mut self, data: &mut Bytes, end: bool, cx: &mut Context) -> BodyFlow {
        BodyFlow::Continue
    }
    /// Response trailers came.
    fn on_response_trailers(&mut self, trailers: &mut Headers, cx: &mut Context) -> BodyFlow {
        BodyFlow::Continue
    }
    /// Whether the body hooks must see request (`.0`) and response (`.1`) bodies.
    fn wants_body(&self) -> (bool, bool) {
        (false, false)
    }
}

/// Makes a filter of the open variant for one request, from its configuration (the route's, if it
/// has one).
pub type OpenFactory = Arc<dyn Fn(&OpenConfig) -> Box<dyn HttpFilter> + Send + Sync>;

/// Filters that the program registers by kind: the open variant.
#[derive(Clone, Default)]
pub struct OpenFilters(pub HashMap<Name, OpenFactory>);

impl fmt::Debug for OpenFilters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The configuration that a filter of the chain runs by for one request: the chain's or the route's.
#[derive(Clone, Debug)]
pub struct Effective<'a> {
    /// Name in the chain.
    pub name: &'a Name,
    /// Configuration.
    pub config: &'a HttpFilterConfig,
}
