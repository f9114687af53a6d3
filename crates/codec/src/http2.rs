//! HTTP/2 (RFC 9113) with extended CONNECT (RFC 8441), both sides.
//!
//! ```text
//!             ┌ frame ─► receive ─► receive_head (hpack, incoming) ─► Event
//!  bytes ─────┤                  ├► receive_data  (windows)         ─► Event
//!             └ settings         └► control       (SETTINGS, PING …)
//!  commands ──► send (hpack, outgoing; pending data wait for credit) ──► Output
//! ```
//!
//! Invariants:
//! - a malformed message ends the connection, or only its stream with
//!   [`Limits::stream_error_on_invalid`]; one above our limits its stream; broken framing, HPACK or
//!   flow control the connection;
//! - each header block is decoded, also those of streams that nobody wants: HPACK stays in step;
//! - data that arrived are credited to the peer when they were [`Codec::consumed`], or their stream
//!   is gone;
//! - a frame that makes us answer or moves nothing is counted ([`Limits::max_control_frames`]).
//!
//! A server does not answer a head above its limits with 431: like Envoy it resets the stream with
//! INTERNAL_ERROR.

mod closed;
mod codec;
mod control;
mod error_code;
mod field_rules;
mod flood;
mod frame;
mod incoming;
mod outgoing;
mod receive;
mod receive_data;
mod receive_head;
mod send;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod window;

use std::collections::VecDeque;

use crate::hpack::{Decoder, Encoder};
use crate::{CodecError, Event, Limits, Output, ResetReason, Side, StreamId};

use closed::{Closed, RecentlyClosed};
use flood::FloodGuard;
use frame::{FrameHeader, HEADER_BYTES, MAX_31_BITS, flag, kind};
use receive_head::HeaderBlock;
use settings::{DEFAULT_WINDOW, PeerSettings};
use stream::{ByStream, Stream};
use window::{ReceiveWindow, SendWindow};

pub use error_code::ErrorCode;
pub use error_code::word::BROKEN;

#[cfg(doc)]
use crate::Codec;

/// What a client sends before its first frame (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How far the peer's opening has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// A server waits for the preface.
    Preface,
    /// The first frame must be SETTINGS.
    Settings,
    /// It is done.
    Done,
}

/// Why the connection is over.
#[derive(Clone, Debug)]
struct Failure {
    code: ErrorCode,
    error: CodecError,
    /// Whether the caller knows: an event of the stream that it came by may go before.
    told: bool,
}

/// One end of an HTTP/2 connection.
#[derive(Debug)]
pub struct Http2 {
    side: Side,
    limits: Limits,
    /// The scheme that the transport implies.
    scheme: Box<str>,
    output: Output,
    /// Events of frames already read; no more than one for each open stream and one.
    events: VecDeque<Event>,

    opening: Opening,
    /// A header block whose CONTINUATION is awaited.
    block: Option<HeaderBlock>,
    decoder: Decoder,
    encoder: Encoder,
    /// Room for a block being encoded.
    scratch: Vec<u8>,

    peer: PeerSettings,
    /// Our SETTINGS are not acknowledged yet.
    settings_pending: bool,

    streams: ByStream<Stream>,
    closed: RecentlyClosed,
    /// Highest stream that the peer opened.
    last_peer: u32,
    /// Next stream that we open.
    next_local: u32,

    send_window: SendWindow,
    receive_window: ReceiveWindow,
    /// Streams with pending data and credit of their own that wait for the connection's, in turn.
    queue: VecDeque<u32>,

    flood: FloodGuard,
    /// GOAWAY sent: streams of the peer above the number are not taken.
    goaway_sent: Option<u32>,
    /// GOAWAY received.
    goaway_received: Option<u32>,
    /// Number in the last heartbeat's PING; whether its answer is awaited.
    heartbeat: u64,
    heartbeat_pending: bool,
    failure: Option<Failure>,
}

impl Http2 {
    /// One end of a new connection. Its opening (preface, SETTINGS, WINDOW_UPDATE) is in the output
    /// at once. `scheme` is `http` or `https`, as the transport implies.
    #[must_use]
    pub fn new(side: Side, limits: Limits, scheme: &str) -> Self {
        let mut output = Output::new();
        if side == Side::Client {
            output.put(PREFACE);
        }
        frame::write(&mut output, kind::SETTINGS, 0, 0, &settings::initial_payload(&limits, side));
        // The connection's window can only be raised above its initial size.
        let window = limits.initial_connection_window.clamp(DEFAULT_WINDOW, MAX_31_BITS);
        let increment = window - DEFAULT_WINDOW;
        if increment > 0 {
            frame::write(&mut output, kind::WINDOW_UPDATE, 0, 0, &increment.to_be_bytes());
        }
        Self {
            side,
            scheme: scheme.into(),
            output,
            events: VecDeque::new(),
            opening: if side == Side::Server { Opening::Preface } else { Opening::Settings },
            block: None,
            decoder: Decoder::new(limits.hpack_table_size.max(settings::DEFAULT_TABLE_SIZE) as usize),
            encoder: Encoder::new(),
            scratch: Vec::new(),
            peer: PeerSettings::default(),
            settings_pending: true,
            streams: ByStream::default(),
            closed: RecentlyClosed::default(),
            last_peer: 0,
            next_local: if side == Side::Client { 1 } else { 2 },
            send_window: SendWindow::new(DEFAULT_WINDOW),
            receive_window: ReceiveWindow::new(window),
            queue: VecDeque::new(),
            flood: FloodGuard::new(limits.max_control_frames),
            goaway_sent: None,
            goaway_received: None,
            heartbeat: 0,
            heartbeat_pending: false,
            failure: None,
            limits,
        }
    }

    /// The code with which the connection failed, if it did.
    #[must_use]
    pub fn failure_code(&self) -> Option<ErrorCode> {
        self.failure.as_ref().map(|f| f.code)
    }

    /// Whether the stream's number was never used. Numbers of the peer's kind are idle above its
    /// highest, those of ours above what we opened.
    fn is_idle(&self, stream: u32) -> bool {
        if self.is_of_peer(stream) { stream > self.last_peer } else { stream >= self.next_local }
    }

    /// Whether the peer is the one to open streams of that number.
    fn is_of_peer(&self, stream: u32) -> bool {
        (stream % 2 == 1) == (self.side == Side::Server)
    }

    /// The window that a new stream receives with: ours once the peer acknowledged it, the
    /// protocol's until then.
    fn new_receive_window(&self) -> ReceiveWindow {
        let size = settings::initial_stream_window(&self.limits);
        ReceiveWindow::new(if self.settings_pending { DEFAULT_WINDOW } else { size })
    }

    /// Removes a stream if both halves are over.
    fn close_if_done(&mut self, stream: u32) {
        if self.streams.get(&stream).is_some_and(Stream::is_closed) {
            self.drop_stream(stream, Closed::Ended);
            self.flood.completed();
        }
    }

    /// Removes a stream. What of its data is not consumed no longer holds up the connection: as in
    /// Envoy, it is bounded by the stream's window alone from here on.
    fn drop_stream(&mut self, stream: u32, how: Closed) -> Option<Stream> {
        let gone = self.streams.remove(&stream)?;
        self.closed.remember(stream, how);
        if gone.queued {
            self.queue.retain(|id| *id != stream);
        }
        self.release_connection(gone.unconsumed);
        Some(gone)
    }

    /// Resets a stream and remembers to ignore what is still under way on it.
    fn write_reset(&mut self, stream: u32, code: u32) {
        frame::write(&mut self.output, kind::RST_STREAM, 0, stream, &code.to_be_bytes());
        if self.drop_stream(stream, Closed::ByUs).is_none() {
            self.closed.remember(stream, Closed::ByUs);
        }
    }

    /// Counts bytes as used for the connection's window.
    fn release_connection(&mut self, bytes: usize) {
        if let Some(increment) = self.receive_window.release(bytes) {
            frame::write(&mut self.output, kind::WINDOW_UPDATE, 0, 0, &increment.to_be_bytes());
        }
    }

    fn event_reset(&mut self, stream: u32, reason: ResetReason) {
        self.events.push_back(Event::Reset { stream: StreamId(stream), reason });
    }
}
