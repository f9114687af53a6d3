//! What a codec reports and what it can be told: the seam between protocols and the pipeline.

use bytes::{Bytes, BytesMut};
use weft_types::{Headers, RequestHead, ResponseHead, Version};

use crate::Output;

/// A request/response exchange on a connection. HTTP/1.x numbers its exchanges 1, 2, 3 …; HTTP/2
/// uses its stream identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// Which end of the connection the codec is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Receives requests.
    Server,
    /// Sends requests.
    Client,
}

/// Why a stream ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// The peer refused it before any processing (HTTP/2 REFUSED_STREAM): safe to send again.
    Refused,
    /// The peer reset it with this HTTP/2 error code (CANCEL is 8, NO_ERROR 0 …).
    Remote(u32),
    /// The peer broke the protocol on this stream.
    Protocol,
    /// The peer's message breaks a rule of messages: Envoy's detail word for which.
    Malformed(&'static str),
    /// The peer's message is above a limit, or of a kind that we refuse: Envoy's detail word for which.
    Unwelcome(&'static str),
    /// The connection ended under it.
    ConnectionClosed,
    /// We give it up: not needed any more.
    Cancel,
    /// We give it up: an error of ours.
    Internal,
}

/// What arrived, in wire order. For each stream: (interim responses)*, one head, data*, optionally
/// trailers; `end` is set on the last of them. After `Reset` nothing more comes for the stream.
#[derive(Debug)]
pub enum Event {
    /// A request began (server side).
    Request {
        /// Stream.
        stream: StreamId,
        /// Its head.
        head: Box<RequestHead>,
        /// Whether neither data nor trailers follow.
        end: bool,
    },
    /// A request was refused by its head and its stream was reset: no other event tells of it
    /// (server side, HTTP/2).
    Refused {
        /// Stream.
        stream: StreamId,
        /// Envoy's detail word.
        word: &'static str,
        /// Whether the head broke the protocol, rather than one of our limits.
        malformed: bool,
    },
    /// A response's head, interim ones (1xx but 101) included (client side).
    Response {
        /// Stream.
        stream: StreamId,
        /// Its head.
        head: Box<ResponseHead>,
        /// Whether neither data nor trailers follow.
        end: bool,
    },
    /// A piece of body. The receiver owes the codec [`Codec::consumed`] for it.
    Data {
        /// Stream.
        stream: StreamId,
        /// The bytes; may be empty only with `end`.
        data: Bytes,
        /// Whether this was the last piece and no trailers follow.
        end: bool,
    },
    /// Trailer fields; always the end of the stream's receiving half.
    Trailers {
        /// Stream.
        stream: StreamId,
        /// The fields.
        trailers: Headers,
    },
    /// The stream is gone.
    Reset {
        /// Stream.
        stream: StreamId,
        /// Why.
        reason: ResetReason,
    },
    /// More can be sent on the stream (flow-control credit came in), or the last of what waited in
    /// the codec is out. Said once, to a caller that saw no capacity or left data waiting.
    Writable {
        /// Stream.
        stream: StreamId,
    },
    /// The peer will take no new streams: those above `last` were not processed and may be sent
    /// again elsewhere. HTTP/1.x reports `Connection: close` of a response so.
    GoAway {
        /// The last stream that the peer processed or may process.
        last: StreamId,
        /// HTTP/2 error code; 0 is a graceful end.
        code: u32,
    },
    /// The peer answered our heartbeat.
    HeartbeatAck,
}

/// Input that breaks the protocol for the connection as a whole, or a command that makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
#[error("{word}: {reason}")]
pub struct CodecError {
    /// Envoy's detail word where it has one (`http1.codec_error`, `http2.violation.of.messaging.rule` …).
    pub word: &'static str,
    /// What exactly was wrong, for people.
    pub reason: String,
    /// The status of the reply that a server should make before it closes, if one can still be made
    /// (400, 431, 426 …); its bytes are made by [`Codec::error_reply`].
    pub status: Option<u16>,
    /// Body of that reply instead of the status's phrase.
    pub body: Option<&'static str>,
    /// It is in the head of a request (server side). No event tells of that request, but a request
    /// it was: it counts as one, and is logged.
    pub in_head: bool,
}

impl CodecError {
    /// The body of the reply that a server makes.
    #[must_use]
    pub fn reply_body(&self) -> &'static str {
        self.body.or_else(|| self.status.map(crate::http1::phrase)).unwrap_or_default()
    }
}

/// What the caller adds to a reply that a codec makes.
#[derive(Clone, Debug, Default)]
pub struct ErrorReply {
    /// Fields that need a clock or a configuration (`date`, `server`).
    pub fields: Headers,
}

/// One end of one connection of some protocol.
///
/// The caller's loop: append received bytes to a buffer; call `receive` until it yields `Ok(None)`;
/// act; write out `output()`. After an error the connection is over: send `error_reply` if there is
/// one, flush, close.
pub trait Codec {
    /// Takes the next event from `input`, consuming the bytes it understood. `Ok(None)`: more input
    /// is needed (or the codec holds back until a command frees it, such as the previous HTTP/1.1
    /// exchange's end). Bytes that stay in `input` are given again at the next call, with more.
    ///
    /// # Errors
    /// The peer broke the protocol or a limit; the connection must end.
    fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, CodecError>;

    /// The peer half-closed: no more input will come. Yields the events that follow from that, one
    /// a call (the end of a body delimited by close, resets of streams cut off), then `Ok(None)`.
    ///
    /// # Errors
    /// The end came where the protocol forbids it.
    fn receive_eof(&mut self) -> Result<Option<Event>, CodecError>;

    /// Opens a stream with a request (client side).
    ///
    /// # Errors
    /// The connection takes no new stream now ([`Codec::can_open`] tells), or the head can't be
    /// expressed.
    fn send_request(&mut self, head: &RequestHead, end: bool) -> Result<StreamId, CodecError>;

    /// Sends a response head (server side); interim ones first, then one final.
    ///
    /// # Errors
    /// The stream is unknown or the head can't be expressed.
    fn send_response(&mut self, stream: StreamId, head: &ResponseHead, end: bool) -> Result<(), CodecError>;

    /// Sends body bytes. All are taken; what exceeds the peer's credit is kept and goes out as
    /// credit comes. A caller that respects [`Codec::capacity`] keeps that buffer empty.
    ///
    /// # Errors
    /// The stream is unknown or its sending half is over.
    fn send_data(&mut self, stream: StreamId, data: Bytes, end: bool) -> Result<(), CodecError>;

    /// Sends trailers and ends the sending half. HTTP/1.0 and non-chunked bodies drop them.
    ///
    /// # Errors
    /// The stream is unknown or its sending half is over.
    fn send_trailers(&mut self, stream: StreamId, trailers: &Headers) -> Result<(), CodecError>;

    /// Ends a stream before its time. For HTTP/1.x the connection cannot be used again.
    fn reset(&mut self, stream: StreamId, reason: ResetReason);

    /// How many body bytes may be sent on the stream now without being buffered here.
    fn capacity(&self, stream: StreamId) -> usize;

    /// The receiver of the stream's data has used `bytes` of them: the peer gets credit for as many.
    fn consumed(&mut self, stream: StreamId, bytes: usize);

    /// Bytes to write to the peer. The caller drains it.
    fn output(&mut self) -> &mut Output;

    /// Whether a client may open another stream now.
    fn can_open(&self) -> bool;

    /// How many streams are open.
    fn open_streams(&self) -> usize;

    /// Whether the connection must be closed once `output` is written: no stream is open and none
    /// can come.
    fn is_finished(&self) -> bool;

    /// Drain hint: tell the peer to open no more streams (`Connection: close` on the next response;
    /// GOAWAY). Open streams go on. With `last_call` false HTTP/2 sends only the warning GOAWAY
    /// (highest stream id), so that streams in flight are not lost; call again with true later.
    fn start_drain(&mut self, last_call: bool);

    /// Sends a heartbeat where the protocol has one (HTTP/2 PING); returns whether it did.
    fn heartbeat(&mut self) -> bool;

    /// Writes the bytes of a reply to input that `error` refused, as far as the protocol has one
    /// (HTTP/1.x: a full response with `Connection: close`; HTTP/2: GOAWAY with its code).
    fn error_reply(&mut self, error: &CodecError, with: &ErrorReply);

    /// From now on both directions of the stream are raw bytes (after a 101 or a 2xx to CONNECT in
    /// HTTP/1.1): input becomes `Data` events, `send_data` is written as it is, ends are half-closes.
    /// HTTP/2 needs nothing and does nothing.
    fn become_tunnel(&mut self, stream: StreamId);

    /// The protocol version spoken.
    fn version(&self) -> Version;

    /// The side this codec is.
    fn side(&self) -> Side;
}
