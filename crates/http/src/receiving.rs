//! What readers of streams take: heads, body pieces, trailers, ends.

use std::task::{Context, Poll};

use bytes::Bytes;
use weft_codec::{Codec, ResetReason, Side, StreamId};
use weft_types::{Headers, ResponseHead};

use crate::connection::Connection;
use crate::stream::{Item, remember};
use crate::wake::Role;
use crate::{EndReason, StreamError};

/// A piece of a message's body, or what comes after it.
#[derive(Debug)]
pub enum Frame {
    /// Body bytes; never empty.
    Data(Bytes),
    /// Trailer fields: nothing but `End` follows.
    Trailers(Headers),
    /// The message is complete.
    End,
}

impl Connection {
    /// The next frame of the body. Asking gives credit for the one before.
    pub(crate) fn poll_frame(&mut self, id: StreamId, cx: &Context<'_>) -> Poll<Result<Frame, StreamError>> {
        self.give_credit(id, usize::MAX);
        let limit = self.options.input_limit;
        loop {
            let Some(stream) = self.streams.get_mut(&id) else {
                return Poll::Ready(Err(self.stream_error(id, ResetReason::Cancel)));
            };
            match stream.queue.pop_front() {
                Some(Item::Data(data)) => {
                    stream.queued -= data.len();
                    stream.owed += data.len();
                    stream.resume_watch(limit / 2);
                    self.look_ahead(id);
                    let cut = self.cut_by_breach(id, data.len());
                    return Poll::Ready(cut.map_or(Ok(Frame::Data(data)), Err));
                }
                Some(Item::Trailers(trailers)) => return Poll::Ready(Ok(Frame::Trailers(trailers))),
                // An interim head that nobody asked for.
                Some(Item::Head(_)) => continue,
                None if stream.recv_end => return Poll::Ready(Ok(Frame::End)),
                None => {}
            }
            if let Some(reason) = stream.reset {
                return Poll::Ready(Err(self.stream_error(id, reason)));
            }
            remember(&mut stream.recv_waker, cx.waker());
            if !self.advance(Role::Receive, cx) {
                return Poll::Pending;
            }
        }
    }

    /// The next response head, interim or final.
    pub(crate) fn poll_head(
        &mut self,
        id: StreamId,
        cx: &Context<'_>,
    ) -> Poll<Result<Box<ResponseHead>, StreamError>> {
        loop {
            let Some(stream) = self.streams.get_mut(&id) else {
                return Poll::Ready(Err(self.stream_error(id, ResetReason::Cancel)));
            };
            match stream.queue.pop_front() {
                Some(Item::Head(head)) => return Poll::Ready(Ok(head)),
                // The final head was taken already: there is no other.
                Some(item) => {
                    stream.queue.push_front(item);
                    return Poll::Ready(Err(self.stream_error(id, ResetReason::Internal)));
                }
                None if stream.recv_end => {
                    let reason = stream.reset.unwrap_or(ResetReason::Internal);
                    return Poll::Ready(Err(self.stream_error(id, reason)));
                }
                None => {}
            }
            if let Some(reason) = stream.reset {
                return Poll::Ready(Err(self.stream_error(id, reason)));
            }
            remember(&mut stream.recv_waker, cx.waker());
            if !self.advance(Role::Receive, cx) {
                return Poll::Pending;
            }
        }
    }

    /// Ready when the stream is over before its time: the peer reset it, or its connection ended.
    pub(crate) fn poll_closed(&mut self, id: StreamId, cx: &Context<'_>) -> Poll<StreamError> {
        loop {
            let limit = self.options.input_limit;
            let Some(stream) = self.streams.get_mut(&id) else {
                return Poll::Ready(self.stream_error(id, ResetReason::Cancel));
            };
            if let Some(reason) = stream.reset {
                return Poll::Ready(self.stream_error(id, reason));
            }
            remember(&mut stream.closed_waker, cx.waker());
            if stream.queued >= limit {
                // The reader has enough to do; an end behind what it has not read is not seen yet.
                stream.watch_paused = true;
                let _ = self.poll_flush(Role::Closed, cx);
                return Poll::Pending;
            }
            if !self.advance(Role::Closed, cx) {
                return Poll::Pending;
            }
        }
    }

    /// On an inline connection: parses, else writes what waits and reads. True when something came.
    /// A driven connection's task does that, so nothing can be done here.
    fn advance(&mut self, role: Role, cx: &Context<'_>) -> bool {
        if self.driven {
            return false;
        }
        if self.pump() {
            return true;
        }
        // The caller is about to wait: now is the time to write.
        let _ = self.poll_flush(role, cx);
        if self.read_end || self.error.is_some() || self.arrived.is_some() {
            // A tunnel whose peer has ended: only its other direction moves.
            return false;
        }
        self.poll_fill(role, cx).is_ready()
    }

    /// What came before a breach of the protocol in one piece with it is of no use: an upstream need
    /// not see the start of a request that is known to be broken, and its bytes count for nothing.
    fn cut_by_breach(&mut self, id: StreamId, bytes: usize) -> Option<StreamError> {
        let server = !self.driven && self.codec.side() == Side::Server;
        let stream = self.streams.get_mut(&id)?;
        let reason = stream.reset.filter(|reason| server && *reason == ResetReason::Protocol)?;
        let unread = (bytes + stream.queued) as u64;
        stream.counters.body_received = stream.counters.body_received.saturating_sub(unread);
        Some(self.stream_error(id, reason))
    }

    /// Parses what is there already, so that the reader learns of the end with the last piece.
    fn look_ahead(&mut self, id: StreamId) {
        let waits = self.streams.get(&id).is_some_and(|s| s.queue.is_empty() && !s.recv_end);
        if !self.driven && waits {
            self.pump();
        }
    }

    /// Tells the peer that `bytes` of what the reader took are used up.
    pub(crate) fn give_credit(&mut self, id: StreamId, bytes: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let used = bytes.min(stream.owed);
        if used > 0 {
            stream.owed -= used;
            self.codec.consumed(id, used);
            self.announce_output();
        }
    }

    /// How the receiving half ended, if it has.
    pub(crate) fn end_reason(&self, id: StreamId) -> Option<EndReason> {
        let stream = self.streams.get(&id)?;
        if stream.recv_end { Some(EndReason::Complete) } else { stream.reset.map(EndReason::Reset) }
    }

    /// The reader's handle is gone.
    pub(crate) fn drop_receiver(&mut self, id: StreamId) {
        self.give_credit(id, usize::MAX);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.recv_dropped = true;
        stream.recv_waker = None;
        stream.queue.clear();
        let unread = std::mem::take(&mut stream.queued);
        let (send_end, send_dropped) = (stream.send_end, stream.send_dropped);
        let unfinished = !stream.recv_end && stream.reset.is_none();
        if unread > 0 {
            self.codec.consumed(id, unread);
            self.announce_output();
        }
        if unfinished {
            match self.codec.side() {
                // The response is not wanted any more.
                Side::Client => self.reset(id, ResetReason::Cancel),
                // The response is out; the rest of the request is not wanted (RFC 9113 section 8.1).
                Side::Server if send_end => self.reset(id, ResetReason::Remote(0)),
                Side::Server => {}
            }
        }
        if send_dropped {
            self.forget(id);
        }
    }
}
