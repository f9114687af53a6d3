//! From received bytes to the streams that they belong to.

use weft_codec::{Codec, CodecError, ErrorReply, Event, ResetReason, Side, StreamId};

use crate::connection::Connection;
use crate::stream::{Item, Stream};
use crate::wake::Role;
use crate::{ConnError, StreamError};

impl Connection {
    /// Takes one event from what was received. False when more input is needed, when a request waits
    /// to be accepted, or when the connection is over.
    pub(crate) fn pump(&mut self) -> bool {
        if self.error.is_some() || self.arrived.is_some() || self.refused.is_some() {
            return false;
        }
        let before = self.input.len();
        match self.codec.receive(&mut self.input) {
            Ok(event) => {
                self.unclaimed += before.saturating_sub(self.input.len());
                if let Some(event) = event {
                    self.dispatch(event);
                    return true;
                }
                if self.driven {
                    // Whole frames that made no event are the connection's, not the next stream's.
                    self.unclaimed = 0;
                }
            }
            Err(error) => {
                self.refuse(error);
                return true;
            }
        }
        self.read_end && self.pump_end()
    }

    /// Takes one event of those that follow from the end of input.
    fn pump_end(&mut self) -> bool {
        if self.read_end_told {
            return false;
        }
        match self.codec.receive_eof() {
            Ok(Some(event)) => self.dispatch(event),
            Ok(None) => {
                self.read_end_told = true;
                self.cut_off_at_end();
            }
            Err(error) => {
                self.read_end_told = true;
                self.broken(error);
            }
        }
        true
    }

    /// No exchange survives the end of its connection, except a tunnel's other direction.
    fn cut_off_at_end(&mut self) {
        let driven = self.driven;
        for stream in self.streams.values_mut() {
            let half_closed = stream.tunnel && !driven;
            if !stream.is_complete() && !half_closed {
                stream.cut(ResetReason::ConnectionClosed);
            }
        }
    }

    fn dispatch(&mut self, event: Event) {
        let wire = std::mem::take(&mut self.unclaimed) as u64;
        match event {
            Event::Request { stream: id, head, end } => {
                let mut stream = self.fresh_stream();
                stream.recv_end = end;
                stream.counters.head_received = wire;
                stream.counters.wire_received = wire;
                self.streams.insert(id, stream);
                self.arrived = Some((id, head));
                self.waiting.wake_role(Role::Driver);
            }
            Event::Refused { word, malformed, .. } => {
                self.refused = Some(ConnError::Refused { word, malformed });
                self.waiting.wake_role(Role::Driver);
            }
            Event::Response { stream: id, head, end } => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.counters.head_received += wire;
                    stream.counters.wire_received += wire;
                    stream.response_started = true;
                    stream.recv_end = end;
                    stream.queue.push_back(Item::Head(head));
                    stream.wake_receiver();
                }
            }
            Event::Data { stream: id, data, end } => self.take_data(id, data, end, wire),
            Event::Trailers { stream: id, trailers } => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.counters.head_received += wire;
                    stream.counters.wire_received += wire;
                    stream.recv_end = true;
                    stream.queue.push_back(Item::Trailers(trailers));
                    stream.wake_receiver();
                }
            }
            Event::Reset { stream: id, reason } => self.peer_reset(id, reason, wire),
            Event::Writable { stream: id } => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.wake_sender();
                }
            }
            Event::GoAway { last, .. } => self.peer_goes_away(last),
            Event::HeartbeatAck => self.heartbeat_acks += 1,
        }
    }

    fn take_data(&mut self, id: StreamId, data: bytes::Bytes, end: bool, wire: u64) {
        let length = data.len();
        let Some(stream) = self.streams.get_mut(&id).filter(|s| !s.recv_dropped) else {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.recv_end |= end;
            }
            // Nobody wants it, but the connection's credit must come back.
            self.codec.consumed(id, length);
            return;
        };
        stream.counters.body_received += length as u64;
        stream.counters.wire_received += wire;
        stream.recv_end |= end;
        if length > 0 {
            stream.queued += length;
            stream.queue.push_back(Item::Data(data));
        }
        stream.wake_receiver();
    }

    fn peer_reset(&mut self, id: StreamId, reason: ResetReason, wire: u64) {
        if self.arrived.as_ref().is_some_and(|(arrived, _)| *arrived == id) {
            self.arrived = None;
            self.streams.remove(&id);
            return;
        }
        let server = self.codec.side() == Side::Server;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.counters.wire_received += wire;
            stream.not_processed |= reason == ResetReason::Refused;
            if server && self.driven {
                // The codec counts them as used: kept, they would be under no limit.
                stream.queue.clear();
                stream.queued = 0;
                stream.recv_end = false;
            }
            stream.cut(reason);
        }
    }

    /// Streams above the last that the peer takes were not processed.
    fn peer_goes_away(&mut self, last: StreamId) {
        self.peer_draining = true;
        if self.codec.side() == Side::Client {
            for (id, stream) in &mut self.streams {
                if *id > last && !stream.response_started {
                    stream.not_processed = true;
                    stream.cut(ResetReason::Refused);
                }
            }
        }
    }

    /// The peer broke the protocol, and cannot be answered.
    fn broken(&mut self, error: CodecError) {
        self.end_streams(ResetReason::Protocol);
        self.error = Some(ConnError::Codec(error));
        self.waiting.wake_role(Role::Driver);
    }

    /// Answers what is no request, or not a whole one yet, and ends the connection.
    pub(crate) fn refuse(&mut self, error: CodecError) {
        let fields = self.options.error_fields.as_ref().map(|make| make()).unwrap_or_default();
        self.codec.error_reply(&error, &ErrorReply { fields });
        self.broken(error);
    }

    /// The connection is over for that cause; the first cause stays.
    pub(crate) fn fail(&mut self, error: ConnError) {
        self.end_streams(ResetReason::ConnectionClosed);
        self.error.get_or_insert(error);
        self.waiting.wake_role(Role::Driver);
    }

    fn end_streams(&mut self, reason: ResetReason) {
        for stream in self.streams.values_mut() {
            if stream.is_complete() { stream.wake_all() } else { stream.cut(reason) }
        }
    }

    /// A stream's state with a recycled queue.
    pub(crate) fn fresh_stream(&mut self) -> Stream {
        self.counters.streams += 1;
        Stream { queue: self.fresh_queue(), ..Stream::default() }
    }

    /// What to tell a handle whose stream was cut off for `reason`.
    pub(crate) fn stream_error(&self, id: StreamId, reason: ResetReason) -> StreamError {
        let stream = self.streams.get(&id);
        StreamError {
            reason,
            response_started: stream.is_some_and(|s| s.response_started),
            possibly_processed: stream.is_some_and(|s| !s.not_processed && self.counters.sent > s.starts_at),
            connection: self.error.clone(),
        }
    }
}
