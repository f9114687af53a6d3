//! The seam: [`Codec`] for [`Http2`].

use bytes::{Bytes, BytesMut};
use weft_types::{Headers, RequestHead, ResponseHead, Version};

use super::closed::Closed;
use super::{ErrorCode, Http2, MAX_31_BITS, frame, kind};
use crate::{Codec, CodecError, ErrorReply, Event, Output, ResetReason, Side, StreamId};

impl Codec for Http2 {
    fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, CodecError> {
        self.next_event(input)
    }

    /// Open streams are reset, one a call, the oldest first.
    fn receive_eof(&mut self) -> Result<Option<Event>, CodecError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        let Some(oldest) = self.streams.keys().copied().min() else { return Ok(None) };
        self.drop_stream(oldest, Closed::ByPeer);
        Ok(Some(Event::Reset { stream: StreamId(oldest), reason: ResetReason::ConnectionClosed }))
    }

    fn send_request(&mut self, head: &RequestHead, end: bool) -> Result<StreamId, CodecError> {
        self.open_stream(head, end).map(StreamId)
    }

    fn send_response(&mut self, stream: StreamId, head: &ResponseHead, end: bool) -> Result<(), CodecError> {
        self.respond(stream.0, head, end)
    }

    fn send_data(&mut self, stream: StreamId, data: Bytes, end: bool) -> Result<(), CodecError> {
        self.send_body(stream.0, data, end)
    }

    fn send_trailers(&mut self, stream: StreamId, trailers: &Headers) -> Result<(), CodecError> {
        self.end_with_trailers(stream.0, trailers)
    }

    fn reset(&mut self, stream: StreamId, reason: ResetReason) {
        self.give_up(stream.0, reason);
    }

    fn capacity(&self, stream: StreamId) -> usize {
        self.stream_capacity(stream.0)
    }

    /// A stream that is gone needs none: its bytes were credited when it went.
    fn consumed(&mut self, stream: StreamId, bytes: usize) {
        self.consume(stream.0, bytes);
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn can_open(&self) -> bool {
        self.may_open()
    }

    fn open_streams(&self) -> usize {
        self.streams.len()
    }

    fn is_finished(&self) -> bool {
        let no_more = match self.side {
            Side::Server => self.goaway_sent.is_some_and(|last| last < MAX_31_BITS),
            Side::Client => self.goaway_sent.is_some() || self.goaway_received.is_some(),
        };
        self.failure.as_ref().is_some_and(|failure| failure.told)
            || (no_more && self.streams.is_empty() && self.events.is_empty())
    }

    fn start_drain(&mut self, last_call: bool) {
        let (warned, last) = match self.side {
            Side::Server if last_call => {
                (self.goaway_sent.is_some_and(|last| last < MAX_31_BITS), self.last_peer)
            }
            Side::Server => (self.goaway_sent.is_some(), MAX_31_BITS),
            Side::Client => (self.goaway_sent.is_some(), 0),
        };
        if !warned && self.failure.is_none() {
            self.write_goaway(last, ErrorCode::NoError);
        }
    }

    /// One PING is under way at a time: while its answer is awaited, none is sent.
    fn heartbeat(&mut self) -> bool {
        if self.heartbeat_pending || self.failure.is_some() {
            return false;
        }
        self.heartbeat += 1;
        self.heartbeat_pending = true;
        frame::write(&mut self.output, kind::PING, 0, 0, &self.heartbeat.to_be_bytes());
        true
    }

    fn error_reply(&mut self, _error: &CodecError, _with: &ErrorReply) {
        let code = self.failure.as_ref().map_or(ErrorCode::ProtocolError, |f| f.code);
        let last = self.goaway_sent.map_or(self.last_peer, |before| before.min(self.last_peer));
        self.write_goaway(last, code);
    }

    fn become_tunnel(&mut self, _stream: StreamId) {}

    fn version(&self) -> Version {
        Version::Http2
    }

    fn side(&self) -> Side {
        self.side
    }
}
