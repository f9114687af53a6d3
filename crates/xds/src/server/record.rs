//! What is known of streams, for people.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use weft_proto::envoy::config::core::v3::Node;

/// A response by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Its nonce.
    pub nonce: String,
    /// Generation of the set that it was made from.
    pub generation: u64,
    /// Version of the whole as sent.
    pub version: String,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// Type.
    pub type_url: Arc<str>,
    /// The response that was refused.
    pub response: Stamp,
    /// Code of `google.rpc`.
    pub code: i32,
    /// In the client's words, cut at a limit.
    pub message: String,
    /// Names of what was new in that response, the first [`Nack::NAMES`].
    pub names: Vec<Arc<str>>,
    /// Time since the stream was opened.
    pub after: Duration,
}

impl Nack {
    /// Most names that are remembered of one refusal.
    pub const NAMES: usize = 16;
}

/// One type on one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeStatus {
    /// All are subscribed to.
    pub wildcard: bool,
    /// Names that are subscribed to one by one.
    pub names: usize,
    /// Resources that the client has been told of.
    pub told: usize,
    /// The last response.
    pub sent: Stamp,
    /// The last that was accepted.
    pub acked: Stamp,
    /// The last that was refused; empty if none.
    pub nacked: Stamp,
    /// Nothing is on its way, and nothing left to send.
    pub in_sync: bool,
    /// Responses sent.
    pub responses: u64,
    /// Resources in them.
    pub resources: u64,
    /// Removals in them.
    pub removals: u64,
    /// Bytes of resources in them.
    pub bytes: u64,
    /// Responses accepted.
    pub acks: u64,
    /// Responses refused.
    pub nacks: u64,
    /// Requests that answered to a response other than the last.
    pub stale: u64,
}

/// A session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionStatus {
    /// Generation of the set that the client shall have.
    pub generation: u64,
    /// By type URL.
    pub types: BTreeMap<Arc<str>, TypeStatus>,
    /// The last refusals, oldest first.
    pub nacks: VecDeque<Arc<Nack>>,
}

/// A stream.
#[derive(Clone, Debug)]
pub struct StreamStatus {
    /// Counts streams of this process.
    pub id: u64,
    /// Delta or state of the world.
    pub protocol: &'static str,
    /// Who opened it, as authenticated.
    pub caller: String,
    /// The node as it told.
    pub node: Arc<Node>,
    /// When.
    pub opened: SystemTime,
    /// Its session, as it was after the last event.
    pub session: SessionStatus,
}

/// The open streams of a process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    open: BTreeMap<u64, StreamStatus>,
    closed: BTreeMap<Arc<str>, Totals>,
}

/// What was sent of one type since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Responses sent.
    pub responses: u64,
    /// Resources in them.
    pub resources: u64,
    /// Bytes of resources in them.
    pub bytes: u64,
    /// Responses refused.
    pub nacks: u64,
}

impl Totals {
    fn add(&mut self, status: &TypeStatus) {
        self.responses += status.responses;
        self.resources += status.resources;
        self.bytes += status.bytes;
        self.nacks += status.nacks;
    }
}

/// Most types that totals are kept of; clients choose their names.
const TOTALS: usize = 256;

impl Streams {
    /// All open streams, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<StreamStatus> {
        self.lock().open.values().cloned().collect()
    }

    /// What was sent of each type since the process began, on streams that are closed too.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<Arc<str>, Totals> {
        let inner = self.lock();
        let mut totals = inner.closed.clone();
        for (type_url, status) in inner.open.values().flat_map(|stream| &stream.session.types) {
            totals.entry(type_url.clone()).or_default().add(status);
        }
        totals
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn open(&self, protocol: &'static str, caller: String, node: Arc<Node>) -> Open {
        let mut inner = self.lock();
        inner.last += 1;
        let id = inner.last;
        let session = SessionStatus::default();
        let status = StreamStatus { id, protocol, caller, node, opened: SystemTime::now(), session };
        inner.open.insert(id, status);
        drop(inner);
        Open { streams: self.clone(), id }
    }

    /// The streams; a panic elsewhere leaves them as good as they were.
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open stream in the list; dropping it takes it out.
#[derive(Debug)]
pub(super) struct Open {
    streams: Streams,
    pub(super) id: u64,
}

impl Open {
    pub(super) fn update(&self, session: SessionStatus) {
        if let Some(status) = self.streams.lock().open.get_mut(&self.id) {
            status.session = session;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut inner = self.streams.lock();
        let Some(stream) = inner.open.remove(&self.id) else { return };
        for (type_url, status) in &stream.session.types {
            if inner.closed.len() < TOTALS || inner.closed.contains_key(type_url) {
                inner.closed.entry(type_url.clone()).or_default().add(status);
            }
        }
    }
}
