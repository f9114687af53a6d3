//! What a filter is.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;
use weft_tables::filter::{HttpFilterConfig, OpenConfig};
use weft_types::{Headers, Name, Random, RequestHead, ResponseHead};

pub use crate::context::{Context, CountScope, Facts, Shared};
pub use crate::reply::LocalReply;

/// What a filter wants to happen next.
pub enum Flow {
    /// Go on with the next filter.
    Continue,
    /// Answer the client now; the request goes no further. On the response path: replace the response.
    Reply(Box<LocalReply>),
    /// Call the hook again after that time.
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
    /// Whether the body hooks may change request (`.0`) and response (`.1`) bodies.
    fn changes_body(&self) -> (bool, bool) {
        self.wants_body()
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

/// The configuration that a filter of the chain runs by for one request.
#[derive(Clone, Debug)]
pub struct Effective<'a> {
    /// Name in the chain.
    pub name: &'a Name,
    /// The most specific configuration: that of a route's level, else the chain's.
    pub config: &'a HttpFilterConfig,
    /// The chain's configuration.
    pub base: &'a HttpFilterConfig,
    /// Those of the levels of the route, most specific first, for filters that put them together.
    pub levels: SmallVec<[&'a HttpFilterConfig; 4]>,
}
