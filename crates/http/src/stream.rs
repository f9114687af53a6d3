//! What a connection knows of one stream.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::task::Waker;

use bytes::Bytes;
use weft_codec::{ResetReason, StreamId};
use weft_types::{Headers, ResponseHead};

use crate::StreamCounters;

/// Something received that its reader has not taken yet.
#[derive(Debug)]
pub(crate) enum Item {
    Head(Box<ResponseHead>),
    Data(Bytes),
    Trailers(Headers),
}

/// One stream, from its head until both handles are dropped.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Received, in order, not taken yet.
    pub(crate) queue: VecDeque<Item>,
    /// Body bytes in `queue`.
    pub(crate) queued: usize,
    /// Body bytes that the reader took and has not yet given credit for.
    pub(crate) owed: usize,
    /// The peer's message is complete (all of it may still be in `queue`).
    pub(crate) recv_end: bool,
    /// Our message is complete.
    pub(crate) send_end: bool,
    /// Why the stream was cut off.
    pub(crate) reset: Option<ResetReason>,
    /// Raw bytes both ways.
    pub(crate) tunnel: bool,
    /// The reader's handle was dropped: what comes is thrown away.
    pub(crate) recv_dropped: bool,
    /// The sender's handle was dropped.
    pub(crate) send_dropped: bool,
    /// The watcher for the stream's end stopped reading ahead, as too much waits for the reader.
    pub(crate) watch_paused: bool,
    /// A response's head has arrived.
    pub(crate) response_started: bool,
    /// The peer said that it did not process the request.
    pub(crate) not_processed: bool,
    /// Position in the connection's sent bytes at which the request begins.
    pub(crate) starts_at: u64,
    pub(crate) counters: StreamCounters,
    pub(crate) recv_waker: Option<Waker>,
    pub(crate) send_waker: Option<Waker>,
    pub(crate) closed_waker: Option<Waker>,
}

impl Stream {
    pub(crate) fn wake_receiver(&mut self) {
        wake(&mut self.recv_waker);
    }

    pub(crate) fn wake_sender(&mut self) {
        wake(&mut self.send_waker);
    }

    pub(crate) fn wake_all(&mut self) {
        wake(&mut self.recv_waker);
        wake(&mut self.send_waker);
        wake(&mut self.closed_waker);
    }

    /// Lets the watcher for the stream's end read on once no more than `low` bytes wait.
    pub(crate) fn resume_watch(&mut self, low: usize) {
        if self.watch_paused && self.queued <= low {
            self.watch_paused = false;
            wake(&mut self.closed_waker);
        }
    }

    /// Cuts the stream off; the first reason stays.
    pub(crate) fn cut(&mut self, reason: ResetReason) {
        self.reset.get_or_insert(reason);
        self.wake_all();
    }

    /// Whether both messages are complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.recv_end && self.send_end
    }
}

fn wake(slot: &mut Option<Waker>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}

/// Remembers a waker without cloning one that is there already.
pub(crate) fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(known) => known.clone_from(waker),
        empty => *empty = Some(waker.clone()),
    }
}

/// The open streams of a connection.
pub(crate) type Streams = HashMap<StreamId, Stream, BuildHasherDefault<StreamHasher>>;

/// Stream identifiers are small and given out in order by the protocol, and a codec bounds how many
/// are open: one multiplication spreads them well enough.
#[derive(Default)]
pub(crate) struct StreamHasher(u64);

impl Hasher for StreamHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
