//! What senders give: heads, body pieces under back-pressure, trailers, ends, resets.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use weft_codec::{Codec, CodecError, ResetReason, Side, StreamId};
use weft_types::{Headers, RequestHead, ResponseHead};

use crate::connection::{Connection, Shutdown};
use crate::stream::remember;
use crate::wake::Role;
use crate::{ConnError, StreamError};

/// What a command sent, for the counters.
#[derive(Clone, Copy)]
enum Part {
    /// A head or trailers.
    Head,
    /// So many body bytes.
    Body(usize),
}

impl Connection {
    /// Opens a stream.
    pub(crate) fn open(&mut self, head: &RequestHead, end: bool) -> Result<StreamId, ConnError> {
        if self.is_closed() || self.read_end || self.write_failed {
            return Err(self.error.clone().unwrap_or(ConnError::Closed));
        }
        if !self.codec.can_open() {
            return Err(ConnError::NotOpen);
        }
        let before = self.codec.output().len();
        let id = self.codec.send_request(head, end)?;
        let wire = self.grown(before);
        let mut stream = self.fresh_stream();
        stream.send_end = end;
        stream.starts_at = self.counters.sent + before as u64;
        stream.counters.head_sent = wire;
        stream.counters.wire_sent = wire;
        self.streams.insert(id, stream);
        self.announce_output();
        Ok(id)
    }

    /// Sends a response's head.
    pub(crate) fn respond(
        &mut self,
        id: StreamId,
        head: &ResponseHead,
        end: bool,
    ) -> Result<(), StreamError> {
        self.check_sendable(id)?;
        let before = self.codec.output().len();
        let result = self.codec.send_response(id, head, end);
        self.sent(id, before, Part::Head, end, result)
    }

    /// Sends what of `data` fits, and waits for the rest to fit. On an inline connection writes at once.
    pub(crate) fn poll_send(
        &mut self,
        id: StreamId,
        data: &mut Bytes,
        end: bool,
        cx: &Context<'_>,
    ) -> Poll<Result<(), StreamError>> {
        loop {
            if let Err(error) = self.check_sendable(id) {
                return Poll::Ready(Err(error));
            }
            if data.is_empty() {
                if end {
                    let before = self.codec.output().len();
                    let result = self.codec.send_data(id, Bytes::new(), true);
                    return Poll::Ready(self.sent(id, before, Part::Body(0), true, result));
                }
                return Poll::Ready(Ok(()));
            }
            let room = self.codec.capacity(id).min(self.output_room());
            if room == 0 {
                ready!(self.poll_room(id, cx));
                continue;
            }
            let piece = data.split_to(room.min(data.len()));
            let last = end && data.is_empty();
            let length = piece.len();
            let before = self.codec.output().len();
            let result = self.codec.send_data(id, piece, last);
            if let Err(error) = self.sent(id, before, Part::Body(length), last, result) {
                return Poll::Ready(Err(error));
            }
            if data.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Ready when it is worth looking again whether more can be sent.
    fn poll_room(&mut self, id: StreamId, cx: &Context<'_>) -> Poll<()> {
        if let Some(stream) = self.streams.get_mut(&id) {
            remember(&mut stream.send_waker, cx.waker());
        }
        self.announce_output();
        if !self.driven {
            let flushed = self.poll_flush(Role::Send, cx).is_ready();
            if self.error.is_some() || self.write_failed || (flushed && self.codec.capacity(id) > 0) {
                return Poll::Ready(());
            }
            if !self.is_congested() && self.codec.capacity(id) > 0 {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Sends trailers, the end of the message.
    pub(crate) fn send_trailers(&mut self, id: StreamId, trailers: &Headers) -> Result<(), StreamError> {
        self.check_sendable(id)?;
        let before = self.codec.output().len();
        let result = self.codec.send_trailers(id, trailers);
        self.sent(id, before, Part::Head, true, result)
    }

    /// Ends a stream before its time.
    pub(crate) fn reset(&mut self, id: StreamId, reason: ResetReason) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.reset.is_some() {
            return;
        }
        stream.cut(reason);
        if self.error.is_none() {
            self.codec.reset(id, reason);
        }
        if !self.driven && self.codec.side() == Side::Client {
            // Closing is how an HTTP/1.x server learns of it.
            self.close();
        }
        self.waiting.wake_role(Role::Driver);
    }

    /// From now on the stream is raw bytes both ways; halves that had ended are open again.
    pub(crate) fn become_tunnel(&mut self, id: StreamId) {
        self.codec.become_tunnel(id);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.tunnel = true;
            if !self.driven {
                stream.recv_end = false;
                stream.send_end = false;
            }
            stream.wake_sender();
        }
    }

    /// The sender's handle is gone.
    pub(crate) fn drop_sender(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.send_dropped = true;
        stream.send_waker = None;
        stream.closed_waker = None;
        let recv_dropped = stream.recv_dropped;
        if !stream.send_end {
            self.reset(id, self.give_up_reason());
        } else if recv_dropped && self.codec.side() == Side::Server {
            let stream = self.streams.get(&id);
            if stream.is_some_and(|s| !s.recv_end && s.reset.is_none()) {
                self.reset(id, ResetReason::Remote(0));
            }
        }
        if recv_dropped {
            self.forget(id);
        }
    }

    /// A server that drops its reply failed; a client that drops its request gave up.
    fn give_up_reason(&self) -> ResetReason {
        match self.codec.side() {
            Side::Server => ResetReason::Internal,
            Side::Client => ResetReason::Cancel,
        }
    }

    /// Lets the driver write what a command left in the output.
    pub(crate) fn announce_output(&mut self) {
        if self.driven && !self.codec.output().is_empty() {
            self.waiting.wake_role(Role::Driver);
        }
    }

    fn check_sendable(&self, id: StreamId) -> Result<(), StreamError> {
        let Some(stream) = self.streams.get(&id) else {
            return Err(self.stream_error(id, ResetReason::Cancel));
        };
        match stream.reset {
            Some(reason) => Err(self.stream_error(id, reason)),
            None if stream.send_end => Err(self.stream_error(id, ResetReason::Internal)),
            None if self.write_failed => Err(self.stream_error(id, ResetReason::ConnectionClosed)),
            None => Ok(()),
        }
    }

    /// Books what a command added to the output. A command that the codec refuses ends the stream.
    fn sent(
        &mut self,
        id: StreamId,
        before: usize,
        part: Part,
        end: bool,
        result: Result<(), CodecError>,
    ) -> Result<(), StreamError> {
        let wire = self.grown(before);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.counters.wire_sent += wire;
            match part {
                Part::Head => stream.counters.head_sent += wire,
                Part::Body(length) => stream.counters.body_sent += length as u64,
            }
        }
        if let Err(error) = result {
            self.reset(id, ResetReason::Internal);
            let mut failure = self.stream_error(id, ResetReason::Internal);
            failure.connection = Some(ConnError::Codec(error));
            return Err(failure);
        }
        if end {
            self.message_sent(id);
        }
        self.announce_output();
        Ok(())
    }

    fn message_sent(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.send_end = true;
        if stream.tunnel && !self.driven {
            self.shutdown = Shutdown::Wanted;
        }
        let unread = stream.recv_dropped && !stream.recv_end;
        if unread && self.codec.side() == Side::Server {
            self.reset(id, ResetReason::Remote(0));
        }
        if !self.driven && self.codec.open_streams() == 0 {
            self.waiting.wake_role(Role::Driver);
        }
    }

    fn grown(&mut self, before: usize) -> u64 {
        self.codec.output().len().saturating_sub(before) as u64
    }
}
