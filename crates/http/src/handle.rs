//! A connection seen from outside its streams.

use std::cell::RefCell;
use std::rc::Weak;

use tokio::time::Instant;
use weft_codec::Codec;

use crate::ConnCounters;
use crate::connection::Connection;
use crate::shared::Shared;

/// A cheap handle to a connection that does not keep it alive: for drain, heartbeats, idle timers and
/// counts. On a connection that is gone, or from within its own byte stream, its commands do nothing.
#[derive(Clone)]
pub struct ConnHandle(Weak<RefCell<Connection>>);

impl ConnHandle {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self(shared.downgrade())
    }

    /// Asks the peer to open no more streams; open ones go on. HTTP/2 first sends a warning, and with
    /// `last_call` the final GOAWAY: call it again with true about a second later.
    pub fn start_drain(&self, last_call: bool) {
        self.with(|c| {
            c.codec.start_drain(last_call);
            c.waiting.wake_role(crate::wake::Role::Driver);
        });
    }

    /// Sends a heartbeat where the protocol has one (HTTP/2 PING). Whether it did.
    pub fn heartbeat(&self) -> bool {
        self.with(|c| {
            let sent = c.codec.heartbeat();
            c.announce_output();
            sent
        })
        .unwrap_or(false)
    }

    /// How many heartbeats the peer has answered.
    #[must_use]
    pub fn heartbeat_acks(&self) -> u64 {
        self.with(|c| c.heartbeat_acks).unwrap_or(0)
    }

    /// When the socket last moved a byte in either direction; `None` when the connection is gone.
    #[must_use]
    pub fn last_activity(&self) -> Option<Instant> {
        self.with(|c| c.last_activity)
    }

    /// How many streams have a handle in use; 0 means that the connection is idle.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.with(|c| c.streams.len()).unwrap_or(0)
    }

    /// Whether input has come that makes no message yet: on an idle HTTP/1.x connection, the start of
    /// a request's head (for Envoy's `request_headers_timeout`).
    #[must_use]
    pub fn has_partial_input(&self) -> bool {
        self.with(|c| !c.input.is_empty()).unwrap_or(false)
    }

    /// Since when input waits that makes no message yet.
    #[must_use]
    pub fn partial_since(&self) -> Option<Instant> {
        self.with(|c| if c.input.is_empty() { None } else { c.input_since }).flatten()
    }

    /// Answers what is not a whole request yet with that status and body, and ends the connection.
    pub fn refuse(&self, word: &'static str, status: u16, body: &'static str) {
        let (reason, status, body) = (body.to_owned(), Some(status), Some(body));
        let error = weft_codec::CodecError { word, reason, status, body, in_head: true };
        self.with(|c| c.refuse(error));
    }

    /// Bytes and streams so far.
    #[must_use]
    pub fn counters(&self) -> ConnCounters {
        self.with(|c| c.counters).unwrap_or_default()
    }

    /// Whether the connection is gone or over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.with(|c| c.is_closed()).unwrap_or(true)
    }

    /// Closes the connection at once: its streams see `ConnectionClosed`.
    pub fn abort(&self) {
        self.with(Connection::close);
    }

    fn with<R>(&self, act: impl FnOnce(&mut Connection) -> R) -> Option<R> {
        // In use: called from the byte stream's own code, for instance when it is dropped.
        let shared = Shared::upgrade(&self.0)?;
        let mut connection = shared.try_get()?;
        Some(act(&mut connection))
    }
}

impl std::fmt::Debug for ConnHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Shared::upgrade(&self.0) {
            Some(shared) => write!(f, "ConnHandle({shared:?})"),
            None => f.write_str("ConnHandle(gone)"),
        }
    }
}
