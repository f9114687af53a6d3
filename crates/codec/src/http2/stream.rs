//! One stream's state (RFC 9113 section 5.1), each half on its own.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use bytes::Bytes;
use weft_types::Headers;

use super::window::{ReceiveWindow, SendWindow};

/// The half that the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    /// A client waits for the final response head.
    Head,
    /// Data or trailers may come.
    Body,
    /// END_STREAM came.
    Ended,
}

/// The half that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// A server has not sent its final response head.
    Head,
    /// Data or trailers may be sent.
    Body,
    /// The end was given by the caller, but data wait for credit.
    Ending,
    /// END_STREAM was written.
    Ended,
}

/// What closes the sending half, once pending data are out.
#[derive(Debug, Default)]
pub(super) enum Ending {
    /// Nothing yet.
    #[default]
    Open,
    /// END_STREAM on the last DATA frame.
    Data,
    /// Trailers.
    Trailers(Box<Headers>),
}

/// A stream that is open or half-closed.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
    pub(super) receive_window: ReceiveWindow,
    pub(super) send_window: SendWindow,
    /// Data beyond the peer's credit, in order. No more than the caller gave.
    pub(super) pending: VecDeque<Bytes>,
    /// Bytes in `pending`.
    pub(super) pending_bytes: usize,
    pub(super) ending: Ending,
    /// Whether the stream stands in the round robin of those that wait for connection credit.
    pub(super) queued: bool,
    /// Whether the caller wants to know when capacity comes: it saw none, or left data pending.
    pub(super) waits: Cell<bool>,
    /// Body bytes given to the caller and not yet `consumed`.
    pub(super) unconsumed: usize,
    /// Body bytes still to come by `content-length`.
    pub(super) body_left: Option<u64>,
    /// A client's request was HEAD: the response has no body whatever its length says.
    pub(super) to_head: bool,
    /// A client's request was CONNECT: a 2xx makes it a tunnel.
    pub(super) to_connect: bool,
}

impl Stream {
    pub(super) fn new(
        receiving: Receiving,
        sending: Sending,
        receive: ReceiveWindow,
        send: SendWindow,
    ) -> Self {
        Self {
            receiving,
            sending,
            receive_window: receive,
            send_window: send,
            pending: VecDeque::new(),
            pending_bytes: 0,
            ending: Ending::Open,
            queued: false,
            waits: Cell::new(false),
            unconsumed: 0,
            body_left: None,
            to_head: false,
            to_connect: false,
        }
    }

    /// Whether both halves are over.
    pub(super) fn is_closed(&self) -> bool {
        self.receiving == Receiving::Ended && self.sending == Sending::Ended
    }

    /// Counts body bytes against the declared length; `false` when they are too many or, with `end`,
    /// too few (RFC 9113 section 8.1.1).
    #[must_use]
    pub(super) fn count_body(&mut self, bytes: usize, end: bool) -> bool {
        let Some(left) = self.body_left else { return true };
        let Some(left) = left.checked_sub(bytes as u64) else { return false };
        self.body_left = Some(left);
        !end || left == 0
    }

    /// Takes the next piece of at most `most` bytes off the pending data.
    pub(super) fn take_pending(&mut self, most: usize) -> Bytes {
        let Some(front) = self.pending.front_mut() else { return Bytes::new() };
        let piece = if front.len() <= most {
            self.pending.pop_front().unwrap_or_default()
        } else {
            front.split_to(most)
        };
        self.pending_bytes -= piece.len();
        piece
    }
}

/// Hashes stream numbers by one multiplication. A peer that chooses colliding numbers gains little:
/// the table holds no more than the allowed number of streams.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A table by stream number.
pub(super) type ByStream<T> = HashMap<u32, T, BuildHasherDefault<NumberHasher>>;
