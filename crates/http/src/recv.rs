//! Handles by which a message's reader takes it.

use std::future::poll_fn;
use std::task::{Context, Poll};

use weft_codec::StreamId;
use weft_types::ResponseHead;

use crate::shared::Shared;
use crate::{EndReason, Frame, StreamCounters, StreamError};

/// The body that is being received on a stream. Dropping it before its end says that the rest is not
/// wanted: a client's stream is reset, a server's is reset once the response is complete.
#[derive(Debug)]
pub struct RecvBody {
    shared: Shared,
    stream: StreamId,
}

impl RecvBody {
    pub(crate) fn new(shared: Shared, stream: StreamId) -> Self {
        Self { shared, stream }
    }

    /// The next piece. Asking for it gives the peer credit for the one before. Safe to cancel.
    ///
    /// # Errors
    /// The stream was cut off; what came before has been given out.
    pub async fn next(&mut self) -> Result<Frame, StreamError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`RecvBody::next`], for callers with a poll function of their own.
    ///
    /// # Errors
    /// The stream was cut off.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        self.shared.get().poll_frame(self.stream, cx)
    }

    /// Gives credit for `bytes` of the last piece already now, rather than with the next call.
    pub fn release(&mut self, bytes: usize) {
        self.shared.get().give_credit(self.stream, bytes);
    }

    /// Whether nothing but [`Frame::End`] will come. It is known with the last piece, where the
    /// protocol tells, so that this piece can be sent on together with the end.
    #[must_use]
    pub fn is_end(&self) -> bool {
        let connection = self.shared.get();
        connection.streams.get(&self.stream).is_none_or(|s| s.recv_end && s.queue.is_empty())
    }

    /// How the receiving half ended; `None` while it goes on.
    #[must_use]
    pub fn end_reason(&self) -> Option<EndReason> {
        self.shared.get().end_reason(self.stream)
    }

    /// Body bytes received and not yet taken.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.shared.get().streams.get(&self.stream).map_or(0, |s| s.queued)
    }

    /// Bytes of the stream so far, both directions.
    #[must_use]
    pub fn counters(&self) -> StreamCounters {
        self.shared.get().streams.get(&self.stream).map(|s| s.counters).unwrap_or_default()
    }

    /// The stream's number on its connection.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream
    }
}

impl Drop for RecvBody {
    fn drop(&mut self) {
        self.shared.get().drop_receiver(self.stream);
    }
}

/// The response that is being received on a client's stream: heads first, then the body. Dropping it
/// before the response's end resets the stream.
#[derive(Debug)]
pub struct RecvResponse {
    body: RecvBody,
}

impl RecvResponse {
    pub(crate) fn new(shared: Shared, stream: StreamId) -> Self {
        Self { body: RecvBody::new(shared, stream) }
    }

    /// The next head: interim ones (100, 103 …), then one final. Safe to cancel.
    ///
    /// # Errors
    /// The stream was cut off before a head came.
    pub async fn head(&mut self) -> Result<Box<ResponseHead>, StreamError> {
        poll_fn(|cx| self.poll_head(cx)).await
    }

    /// As [`RecvResponse::head`], for callers with a poll function of their own.
    ///
    /// # Errors
    /// The stream was cut off before a head came.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Box<ResponseHead>, StreamError>> {
        self.body.shared.get().poll_head(self.body.stream, cx)
    }

    /// The body, after the final head.
    #[must_use]
    pub fn into_body(self) -> RecvBody {
        self.body
    }

    /// The body in place, for callers that keep the whole.
    pub fn body(&mut self) -> &mut RecvBody {
        &mut self.body
    }
}
