//! The state of one connection.
//!
//! Its socket is moved in `socket`; what arrives is handed to streams in `dispatch`, what streams send
//! is in `sending`, what their readers take is in `receiving`. Nothing waits: every `poll_*` returns at
//! once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::BytesMut;
use tokio::time::Instant;
use weft_codec::{Codec, StreamId};
use weft_types::RequestHead;

use crate::stream::{Item, Streams};
use crate::wake::{Role, WakeSet};
use crate::{AnyCodec, ConnCounters, ConnError, ConnOptions, Io};

/// Item queues kept for the next streams of a connection.
const KEPT_QUEUES: usize = 4;

/// How far the sending direction of the socket has been ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    No,
    Wanted,
    Done,
}

/// One connection.
pub(crate) struct Connection {
    /// The socket, until it is closed.
    pub(crate) io: Option<Box<dyn Io>>,
    pub(crate) codec: AnyCodec,
    pub(crate) options: ConnOptions,
    pub(crate) input: BytesMut,
    pub(crate) streams: Streams,
    /// A request that arrived and was not accepted yet; nothing more is parsed meanwhile.
    pub(crate) arrived: Option<(StreamId, Box<RequestHead>)>,
    /// A request that was refused by its head, to be told of; nothing more is parsed meanwhile.
    pub(crate) refused: Option<ConnError>,
    /// Why the connection is over; the first cause stays.
    pub(crate) error: Option<ConnError>,
    /// Whether `accept` has told of `error`.
    pub(crate) error_told: bool,
    /// The peer ended its sending direction.
    pub(crate) read_end: bool,
    /// The codec has been told of `read_end` and has said all.
    pub(crate) read_end_told: bool,
    /// Writing failed: output is thrown away, but what the peer sent before can still be read.
    pub(crate) write_failed: bool,
    pub(crate) shutdown: Shutdown,
    /// The peer takes no new streams.
    pub(crate) peer_draining: bool,
    /// Output passed the high watermark and has not yet fallen below the low one.
    pub(crate) congested: bool,
    /// One task drives the socket for all streams (HTTP/2), or each stream's futures do (HTTP/1.x).
    pub(crate) driven: bool,
    /// A task writes what a sender left behind.
    pub(crate) flushing: bool,
    /// No one can open streams here any more (client side).
    pub(crate) abandoned: bool,
    /// Wire bytes consumed that no event has claimed yet.
    pub(crate) unclaimed: usize,
    pub(crate) counters: ConnCounters,
    pub(crate) heartbeat_acks: u64,
    pub(crate) last_activity: Instant,
    /// When the input that waits began to come.
    pub(crate) input_since: Option<Instant>,
    pub(crate) waiting: Arc<WakeSet>,
    /// Wakes all of `waiting`: the only waker that the socket sees.
    pub(crate) socket_waker: Waker,
    /// The socket had nothing to read when it was last asked, and knows our waker.
    pub(crate) read_waits: bool,
    /// The socket may hold written bytes back (TLS).
    pub(crate) needs_flush: bool,
    /// Room made for the next read.
    pub(crate) read_size: usize,
    spare_queues: Vec<VecDeque<Item>>,
}

impl Connection {
    pub(crate) fn new(io: Box<dyn Io>, codec: AnyCodec, options: ConnOptions, prefix: BytesMut) -> Self {
        let waiting = Arc::new(WakeSet::default());
        Self {
            io: Some(io),
            driven: codec.is_multiplexed(),
            codec,
            streams: Streams::default(),
            arrived: None,
            refused: None,
            error: None,
            error_told: false,
            read_end: false,
            read_end_told: false,
            write_failed: false,
            shutdown: Shutdown::No,
            peer_draining: false,
            congested: false,
            flushing: false,
            abandoned: false,
            unclaimed: 0,
            counters: ConnCounters { received: prefix.len() as u64, ..ConnCounters::default() },
            heartbeat_acks: 0,
            last_activity: crate::clock::now(),
            input_since: if prefix.is_empty() { None } else { Some(crate::clock::now()) },
            input: prefix,
            socket_waker: Waker::from(waiting.clone()),
            waiting,
            read_waits: false,
            needs_flush: false,
            read_size: options.read_initial,
            spare_queues: Vec::new(),
            options,
        }
    }

    /// Whether nothing more can be received or sent.
    pub(crate) fn is_closed(&self) -> bool {
        self.io.is_none() || self.error.is_some()
    }

    /// Whether senders must wait for output to be written.
    pub(crate) fn is_congested(&self) -> bool {
        self.congested
    }

    /// Bytes that may be added to the output before senders must wait; 0 when congested.
    pub(crate) fn output_room(&mut self) -> usize {
        let waiting = self.codec.output().len();
        if waiting >= self.options.high_watermark {
            self.congested = true;
        }
        if self.congested { 0 } else { self.options.high_watermark - waiting }
    }

    /// Forgets a stream whose handles are gone.
    pub(crate) fn forget(&mut self, id: StreamId) {
        if let Some(mut stream) = self.streams.remove(&id) {
            stream.queue.clear();
            if stream.queue.capacity() > 0 && self.spare_queues.len() < KEPT_QUEUES {
                self.spare_queues.push(stream.queue);
            }
        }
        self.waiting.wake_role(Role::Driver);
        if self.driven || !self.streams.is_empty() {
            return;
        }
        if self.abandoned {
            self.close();
        } else if !self.flushing {
            self.waiting.clear();
        }
    }

    /// An empty queue for a new stream.
    pub(crate) fn fresh_queue(&mut self) -> VecDeque<Item> {
        self.spare_queues.pop().unwrap_or_default()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}
