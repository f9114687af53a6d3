//! A client of an aggregated xDS stream: which resources are wanted, what came, what was made of it.
//!
//! [`Client`] opens no socket and reads no clock: requests come out of it, responses go in, and whoever
//! uses it says what became of each resource. [`drive`] runs one over a gRPC channel.
//!
//! ```text
//!  interests ──► Client ──► requests ──► server
//!                  ▲  │
//!  verdict ────────┘  └──► Delivery (changed, removed) ◄── responses
//! ```
//!
//! # Invariants
//! - Every response to a subscription is answered once: accepted, or refused with the name and fault of
//!   each bad resource. The good ones of the same response count as received (design invariant 2).
//! - What was accepted is remembered over the end of a stream: the next one tells the server which
//!   versions are here, so that nothing is sent twice.
//! - A subscription to names is never opened without a name: an empty one would ask for everything.

pub mod backoff;
mod delta;
pub mod drive;
mod sotw;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use weft_proto::envoy::config::core::v3::Node;
use weft_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use weft_proto::google::protobuf::Any;

pub use subscription::Interest;
use subscription::Subscription;

/// The two forms of the aggregated stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Changes alone go over the wire (`DeltaAggregatedResources`).
    #[default]
    Delta,
    /// Each response holds all resources of its type (`StreamAggregatedResources`).
    StateOfTheWorld,
}

/// How much a server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one response (default 64 MiB); a longer one ends the stream.
    pub max_message_bytes: usize,
    /// Resources of one type (default 100,000); those beyond are refused.
    pub max_resources: usize,
    /// Bytes of a refusal's text (default 8 KiB); the rest is cut.
    pub max_error_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message_bytes: 64 * 1024 * 1024, max_resources: 100_000, max_error_bytes: 8 * 1024 }
    }
}

/// A resource as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Its name.
    pub name: Arc<str>,
    /// The server's version of it; a hash of its bytes where the server has versions of whole types.
    pub version: Arc<str>,
    /// The message.
    pub body: Any,
}

/// What a response brings. It is to be answered by [`Client::judged`].
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Type of the resources.
    pub type_url: Arc<str>,
    /// What the answer refers to.
    pub nonce: String,
    /// Version of the whole response, for people.
    pub version: String,
    /// New resources, and other versions of known ones.
    pub changed: Vec<Received>,
    /// Resources that are gone, or that a subscription names and the server has not.
    pub removed: Vec<Arc<str>>,
    /// What cannot be a resource of this type.
    pub refused: Vec<Refusal>,
    /// Resources that the server says it cannot give now, and why.
    pub errors: Vec<Refusal>,
}

/// Why a resource is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its name.
    pub name: Arc<str>,
    /// Field path and fault, in words.
    pub reason: String,
}

/// A message for the server.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // a few are alive at a time
pub enum Request {
    /// For `DeltaAggregatedResources`.
    Delta(DeltaDiscoveryRequest),
    /// For `StreamAggregatedResources`.
    StateOfTheWorld(DiscoveryRequest),
}

/// A message of the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// From `DeltaAggregatedResources`.
    Delta(DeltaDiscoveryResponse),
    /// From `StreamAggregatedResources`.
    StateOfTheWorld(DiscoveryResponse),
}

/// The state of an aggregated stream's client.
#[derive(Debug)]
pub struct Client {
    node: Node,
    limits: Limits,
    protocol: Protocol,
    subscriptions: Vec<Subscription>,
    open: bool,
    node_told: bool,
    queue: VecDeque<Request>,
}

impl Client {
    /// A client without interests.
    #[must_use]
    pub fn new(node: Node, protocol: Protocol, limits: Limits) -> Self {
        Self {
            node,
            limits,
            protocol,
            subscriptions: Vec::new(),
            open: false,
            node_told: false,
            queue: VecDeque::new(),
        }
    }

    /// The form of the next stream.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The limits that it was made with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes the other form from the next stream on (a server may know only one). What is here stays.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        if self.protocol != protocol {
            self.protocol = protocol;
            self.subscriptions.iter_mut().for_each(Subscription::forget_versions);
        }
    }

    /// Says which resources of a type are wanted. Types are asked for in the order in which they were
    /// first named.
    pub fn set_interest(&mut self, type_url: &str, interest: Interest) {
        let at = match self.subscriptions.iter().position(|s| &*s.type_url == type_url) {
            Some(at) => at,
            None => {
                self.subscriptions.push(Subscription::new(type_url));
                self.subscriptions.len() - 1
            }
        };
        if let Some(subscription) = self.subscriptions.get_mut(at) {
            subscription.want(interest);
            if self.open {
                let request = subscription.update(self.protocol);
                self.push(request);
            }
        }
    }

    /// A stream has begun: its first requests are in the queue.
    pub fn opened(&mut self) {
        self.closed();
        self.open = true;
        let protocol = self.protocol;
        let requests: Vec<_> = self.subscriptions.iter_mut().map(|s| s.update(protocol)).collect();
        requests.into_iter().for_each(|request| self.push(request));
    }

    /// The stream has ended. What was accepted stays known.
    pub fn closed(&mut self) {
        self.open = false;
        self.node_told = false;
        self.queue.clear();
        self.subscriptions.iter_mut().for_each(Subscription::closed);
    }

    /// The next message for the server.
    pub fn next_request(&mut self) -> Option<Request> {
        self.queue.pop_front()
    }

    /// Takes a response. `None`: nobody subscribed to its type.
    pub fn received(&mut self, response: Response) -> Option<Delivery> {
        let type_url = match &response {
            Response::Delta(response) => &response.type_url,
            Response::StateOfTheWorld(response) => &response.type_url,
        };
        let subscription = self.subscriptions.iter_mut().find(|s| &*s.type_url == type_url)?;
        Some(match response {
            Response::Delta(response) => delta::delivery(subscription, response, &self.limits),
            Response::StateOfTheWorld(response) => sotw::delivery(subscription, response, &self.limits),
        })
    }

    /// Answers a delivery: accepted if nothing of it was refused.
    pub fn judged(&mut self, delivery: &Delivery, refusals: &[Refusal]) {
        let all: Vec<&Refusal> = delivery.refused.iter().chain(refusals).collect();
        let error = error_text(&delivery.type_url, &all, self.limits.max_error_bytes);
        let protocol = self.protocol;
        let Some(subscription) = self.subscriptions.iter_mut().find(|s| s.type_url == delivery.type_url)
        else {
            return;
        };
        let refused = |name: &str| all.iter().any(|refusal| &*refusal.name == name);
        subscription.accept(delivery, refused);
        if self.open {
            let request = match protocol {
                Protocol::Delta => delta::answer(delivery, error),
                Protocol::StateOfTheWorld => sotw::answer(subscription, delivery, error),
            };
            self.push(Some(request));
        }
    }

    fn push(&mut self, request: Option<Request>) {
        let Some(mut request) = request else { return };
        if !self.node_told {
            self.node_told = true;
            match &mut request {
                Request::Delta(request) => request.node = Some(self.node.clone()),
                Request::StateOfTheWorld(request) => request.node = Some(self.node.clone()),
            }
        }
        self.queue.push_back(request);
    }
}

/// One line for each refusal; `None` when there is none.
fn error_text(type_url: &str, refusals: &[&Refusal], limit: usize) -> Option<String> {
    if refusals.is_empty() {
        return None;
    }
    let kind = type_url.rsplit(['/', '.']).next().unwrap_or_default();
    let mut text = String::new();
    for (at, Refusal { name, reason }) in refusals.iter().enumerate() {
        let line = format!("{}{kind} {name:?}: {reason}", if at > 0 { "\n" } else { "" });
        if text.len() + line.len() > limit {
            let room = limit.saturating_sub(text.len());
            text.push_str(line.get(..line.floor_char_boundary(room)).unwrap_or_default());
            text.push_str(&format!(" … ({} refused in all)", refusals.len()));
            break;
        }
        text.push_str(&line);
    }
    Some(text)
}
