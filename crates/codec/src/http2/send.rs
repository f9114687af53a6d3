//! Commands to frames; data beyond the peer's credit wait and go out in turns.

use bytes::Bytes;
use weft_types::{Headers, Method, RequestHead, ResponseHead};

use super::error_code::code_of;
use super::outgoing::{self, unsendable};
use super::stream::{Ending, Receiving, Sending, Stream};
use super::{ErrorCode, Http2, MAX_31_BITS, SendWindow, flag, frame, kind};
use crate::{CodecError, Event, Output, ResetReason, Side, StreamId};

/// Largest DATA frame that we send, bytes, so that streams share a connection in small turns.
const MAX_DATA_FRAME: usize = 16_384;

/// Room for header blocks above this is given back after a block, bytes.
const KEEP_SCRATCH: usize = 4096;

impl Http2 {
    /// See [`crate::Codec::send_request`].
    pub(super) fn open_stream(&mut self, head: &RequestHead, end: bool) -> Result<u32, CodecError> {
        if !self.may_open() {
            return Err(unsendable("the connection takes no new stream"));
        }
        // A stream opened before the peer's settings came takes its chance.
        if head.protocol.is_some() && self.peer.received && !self.peer.connect_protocol {
            return Err(unsendable("the peer does not take extended CONNECT"));
        }
        let mut block = std::mem::take(&mut self.scratch);
        block.clear();
        let encoded = outgoing::encode_request(&mut self.encoder, head, &self.scheme, &mut block);
        self.scratch = block;
        encoded?;
        let id = self.next_local;
        self.next_local += 2;
        self.write_scratch(id, end);
        let sending = if end { Sending::Ended } else { Sending::Body };
        let credit = SendWindow::new(self.peer.initial_window);
        let mut stream = Stream::new(Receiving::Head, sending, self.new_receive_window(), credit);
        stream.to_head = head.method == Method::Head;
        stream.to_connect = head.method == Method::Connect;
        self.streams.insert(id, stream);
        Ok(id)
    }

    /// Whether a new stream may be opened now. Until the peer told its limit, 100 is assumed, which
    /// it should not go below (RFC 9113 section 6.5.2).
    pub(super) fn may_open(&self) -> bool {
        let peer_limit = match self.peer.max_concurrent_streams {
            Some(limit) => limit,
            None if self.peer.received => u32::MAX,
            None => 100,
        };
        self.side == Side::Client
            && self.failure.is_none()
            && self.goaway_sent.is_none()
            && self.goaway_received.is_none()
            && self.next_local <= MAX_31_BITS
            && self.streams.len() < peer_limit.min(self.limits.max_concurrent_streams) as usize
    }

    /// See [`crate::Codec::send_response`].
    pub(super) fn respond(&mut self, id: u32, head: &ResponseHead, end: bool) -> Result<(), CodecError> {
        let state = self.streams.get(&id).map(|s| s.sending);
        if self.side != Side::Server || state != Some(Sending::Head) {
            return Err(unsendable(format!("stream {id} takes no response head")));
        }
        if head.is_interim() && end {
            return Err(unsendable("an interim response can't end its stream"));
        }
        let mut block = std::mem::take(&mut self.scratch);
        block.clear();
        let encoded = outgoing::encode_response(&mut self.encoder, head, &mut block);
        self.scratch = block;
        encoded?;
        self.write_scratch(id, end);
        if let Some(stream) = self.streams.get_mut(&id)
            && !head.is_interim()
        {
            stream.sending = if end { Sending::Ended } else { Sending::Body };
        }
        self.close_if_done(id);
        Ok(())
    }

    /// See [`crate::Codec::send_data`].
    pub(super) fn send_body(&mut self, id: u32, mut data: Bytes, end: bool) -> Result<(), CodecError> {
        let max_frame = self.max_data_frame();
        let stream = open_body(&mut self.streams, id)?;
        if end {
            stream.sending = Sending::Ending;
            stream.ending = Ending::Data;
        }
        let mut end_written = false;
        while stream.pending.is_empty() && !data.is_empty() {
            let credit = self.send_window.available().min(stream.send_window.available());
            if credit == 0 {
                break;
            }
            let piece = data.split_to(data.len().min(credit).min(max_frame));
            end_written = end && data.is_empty();
            write_data(&mut self.output, &mut self.send_window, stream, id, piece, end_written);
            self.flood.work();
        }
        if data.is_empty() {
            if stream.pending.is_empty() && end {
                self.finish_sending(id, end_written);
            }
            return Ok(());
        }
        stream.pending_bytes += data.len();
        stream.pending.push_back(data);
        stream.waits.set(true);
        self.enqueue(id);
        Ok(())
    }

    /// See [`crate::Codec::send_trailers`].
    pub(super) fn end_with_trailers(&mut self, id: u32, trailers: &Headers) -> Result<(), CodecError> {
        outgoing::check(trailers)?;
        let stream = open_body(&mut self.streams, id)?;
        stream.sending = Sending::Ending;
        // A block without fields would be an odd frame; an empty DATA frame ends the stream as well.
        stream.ending =
            if trailers.is_empty() { Ending::Data } else { Ending::Trailers(Box::new(trailers.clone())) };
        if stream.pending.is_empty() {
            self.finish_sending(id, false);
        }
        Ok(())
    }

    /// See [`crate::Codec::reset`].
    pub(super) fn give_up(&mut self, id: u32, reason: ResetReason) {
        let Some(stream) = self.streams.get(&id) else { return };
        // A whole response was given; the rest of the request is not needed (section 8.1).
        let answered = self.side == Side::Server && stream.sending == Sending::Ended;
        let code = match reason {
            ResetReason::Cancel if answered => ErrorCode::NoError.value(),
            reason => code_of(reason),
        };
        self.write_reset(id, code);
    }

    /// See [`crate::Codec::capacity`].
    pub(super) fn stream_capacity(&self, id: u32) -> usize {
        let Some(stream) = self.streams.get(&id) else { return 0 };
        let capacity = self.capacity_of(stream);
        if capacity == 0 {
            stream.waits.set(true);
        }
        capacity
    }

    fn capacity_of(&self, stream: &Stream) -> usize {
        if !stream.pending.is_empty() || !matches!(stream.sending, Sending::Head | Sending::Body) {
            return 0;
        }
        self.send_window.available().min(stream.send_window.available())
    }

    /// Tells the caller that a stream for which it waits has capacity.
    pub(super) fn announce_capacity(&mut self, id: u32) {
        if let Some(stream) = self.streams.get(&id)
            && stream.waits.get()
            && self.capacity_of(stream) > 0
        {
            stream.waits.set(false);
            self.events.push_back(Event::Writable { stream: StreamId(id) });
        }
    }

    pub(super) fn announce_all_capacity(&mut self) {
        let mut waiting: Vec<u32> =
            self.streams.iter().filter(|(_, s)| s.waits.get()).map(|(id, _)| *id).collect();
        waiting.sort_unstable();
        for id in waiting {
            self.announce_capacity(id);
        }
    }

    /// Puts a stream into the round robin if it has pending data and credit of its own.
    pub(super) fn enqueue(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !stream.queued
            && !stream.pending.is_empty()
            && stream.send_window.available() > 0
        {
            stream.queued = true;
            self.queue.push_back(id);
        }
    }

    pub(super) fn enqueue_all(&mut self) {
        let mut pending: Vec<u32> =
            self.streams.iter().filter(|(_, s)| !s.pending.is_empty()).map(|(id, _)| *id).collect();
        pending.sort_unstable();
        for id in pending {
            self.enqueue(id);
        }
    }

    /// Sends pending data, one frame a stream and turn, as far as the connection's credit goes.
    pub(super) fn flush_pending(&mut self) {
        while self.send_window.available() > 0 {
            let Some(id) = self.queue.pop_front() else { return };
            self.take_turn(id);
        }
    }

    fn take_turn(&mut self, id: u32) {
        let max_frame = self.max_data_frame();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.queued = false;
        let credit = self.send_window.available().min(stream.send_window.available());
        let piece = stream.take_pending(credit.min(max_frame));
        let done = stream.pending.is_empty();
        let end = done && matches!(stream.ending, Ending::Data);
        if !piece.is_empty() {
            write_data(&mut self.output, &mut self.send_window, stream, id, piece, end);
            self.flood.work();
        }
        if done {
            if stream.sending == Sending::Ending {
                // The last word to a caller that waits: there is no capacity to come.
                self.events.push_back(Event::Writable { stream: StreamId(id) });
            }
            self.finish_sending(id, end);
        } else {
            self.enqueue(id);
        }
    }

    /// Ends the sending half if that was asked for; no data are pending.
    fn finish_sending(&mut self, id: u32, end_written: bool) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        match std::mem::take(&mut stream.ending) {
            Ending::Open => return,
            Ending::Data if end_written => {}
            Ending::Data => frame::write(&mut self.output, kind::DATA, flag::END_STREAM, id, &[]),
            Ending::Trailers(trailers) => {
                let mut block = std::mem::take(&mut self.scratch);
                block.clear();
                outgoing::encode_trailers(&mut self.encoder, &trailers, &mut block);
                self.scratch = block;
                self.write_scratch(id, true);
            }
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.sending = Sending::Ended;
        }
        self.close_if_done(id);
    }

    /// Writes the block in `scratch`.
    fn write_scratch(&mut self, id: u32, end: bool) {
        let max_frame = self.peer.max_frame_size as usize;
        frame::write_block(&mut self.output, id, end, &self.scratch, max_frame);
        self.scratch.clear();
        self.scratch.shrink_to(KEEP_SCRATCH);
        self.flood.work();
    }

    fn max_data_frame(&self) -> usize {
        MAX_DATA_FRAME.min(self.peer.max_frame_size as usize)
    }
}

/// The stream, if body data may be sent on it.
fn open_body(streams: &mut super::stream::ByStream<Stream>, id: u32) -> Result<&mut Stream, CodecError> {
    streams
        .get_mut(&id)
        .filter(|stream| stream.sending == Sending::Body)
        .ok_or_else(|| unsendable(format!("stream {id} takes no data")))
}

fn write_data(
    output: &mut Output,
    connection: &mut SendWindow,
    stream: &mut Stream,
    id: u32,
    piece: Bytes,
    end: bool,
) {
    connection.spend(piece.len());
    stream.send_window.spend(piece.len());
    let flags = if end { flag::END_STREAM } else { 0 };
    frame::write_header(output, piece.len(), kind::DATA, flags, id);
    output.push(piece);
}
