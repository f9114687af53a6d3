//! The protocols that a connection can speak.

use bytes::{Bytes, BytesMut};
use weft_codec::{Codec, CodecError, ErrorReply, Event, Limits, Output, ResetReason, Side, StreamId};
use weft_types::{Headers, RequestHead, ResponseHead, Version};

/// One of the codecs. An enum for the two that carry nearly all traffic, so that their calls are
/// direct; one open variant for whatever joins later.
pub enum AnyCodec {
    /// HTTP/1.0 and HTTP/1.1.
    Http1(Box<weft_codec::http1::Http1>),
    /// HTTP/2.
    Http2(Box<weft_codec::http2::Http2>),
    /// Any other protocol. It is driven inline as HTTP/1.x is, unless its version is HTTP/2 or above.
    Custom(Box<dyn Codec>),
}

impl AnyCodec {
    /// HTTP/1.x for `side`; `scheme` (`http` or `https`) is what requests get that do not say.
    #[must_use]
    pub fn http1(side: Side, limits: Limits, scheme: &str) -> Self {
        Self::Http1(Box::new(weft_codec::http1::Http1::new(side, limits, scheme)))
    }

    /// HTTP/2 for `side`.
    #[must_use]
    pub fn http2(side: Side, limits: Limits, scheme: &str) -> Self {
        Self::Http2(Box::new(weft_codec::http2::Http2::new(side, limits, scheme)))
    }

    /// Whether many streams share the connection, so that one task must own the socket.
    #[must_use]
    pub fn is_multiplexed(&self) -> bool {
        self.version() >= Version::Http2
    }
}

impl std::fmt::Debug for AnyCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnyCodec({} {:?})", self.version().as_str(), self.side())
    }
}

macro_rules! each {
    ($codec:ident, $inner:ident => $call:expr) => {
        match $codec {
            AnyCodec::Http1($inner) => $call,
            AnyCodec::Http2($inner) => $call,
            AnyCodec::Custom($inner) => $call,
        }
    };
}

impl Codec for AnyCodec {
    fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, CodecError> {
        each!(self, c => c.receive(input))
    }

    fn receive_eof(&mut self) -> Result<Option<Event>, CodecError> {
        each!(self, c => c.receive_eof())
    }

    fn send_request(&mut self, head: &RequestHead, end: bool) -> Result<StreamId, CodecError> {
        each!(self, c => c.send_request(head, end))
    }

    fn send_response(&mut self, stream: StreamId, head: &ResponseHead, end: bool) -> Result<(), CodecError> {
        each!(self, c => c.send_response(stream, head, end))
    }

    fn send_data(&mut self, stream: StreamId, data: Bytes, end: bool) -> Result<(), CodecError> {
        each!(self, c => c.send_data(stream, data, end))
    }

    fn send_trailers(&mut self, stream: StreamId, trailers: &Headers) -> Result<(), CodecError> {
        each!(self, c => c.send_trailers(stream, trailers))
    }

    fn reset(&mut self, stream: StreamId, reason: ResetReason) {
        each!(self, c => c.reset(stream, reason));
    }

    fn capacity(&self, stream: StreamId) -> usize {
        each!(self, c => c.capacity(stream))
    }

    fn consumed(&mut self, stream: StreamId, bytes: usize) {
        each!(self, c => c.consumed(stream, bytes));
    }

    fn output(&mut self) -> &mut Output {
        each!(self, c => c.output())
    }

    fn can_open(&self) -> bool {
        each!(self, c => c.can_open())
    }

    fn open_streams(&self) -> usize {
        each!(self, c => c.open_streams())
    }

    fn is_finished(&self) -> bool {
        each!(self, c => c.is_finished())
    }

    fn start_drain(&mut self, last_call: bool) {
        each!(self, c => c.start_drain(last_call));
    }

    fn heartbeat(&mut self) -> bool {
        each!(self, c => c.heartbeat())
    }

    fn error_reply(&mut self, error: &CodecError, with: &ErrorReply) {
        each!(self, c => c.error_reply(error, with));
    }

    fn become_tunnel(&mut self, stream: StreamId) {
        each!(self, c => c.become_tunnel(stream));
    }

    fn version(&self) -> Version {
        each!(self, c => c.version())
    }

    fn side(&self) -> Side {
        each!(self, c => c.side())
    }
}
