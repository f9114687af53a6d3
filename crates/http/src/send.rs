//! Handles by which a message's sender gives it.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use weft_codec::{ResetReason, StreamId};
use weft_types::{Headers, ResponseHead};

use crate::shared::Shared;
use crate::{StreamCounters, StreamError};

/// A request's body that is being sent. Dropping it before its end resets the stream with `Cancel`.
///
/// On an inline (HTTP/1.x) connection a head waits in the output for what follows, so that both leave
/// in one write: `data`, `trailers`, `flush`, `closed` and reading the response write it.
#[derive(Debug)]
pub struct SendBody {
    shared: Shared,
    stream: StreamId,
}

impl SendBody {
    pub(crate) fn new(shared: Shared, stream: StreamId) -> Self {
        Self { shared, stream }
    }

    /// Sends body bytes, with `end` also the end of the message. Completes when all are taken, which
    /// waits for the peer's credit and for room in the output. If cancelled, a part may have been sent.
    ///
    /// # Errors
    /// The stream was cut off, or its sending half was over.
    pub async fn data(&mut self, mut data: Bytes, end: bool) -> Result<(), StreamError> {
        poll_fn(|cx| self.shared.get().poll_send(self.stream, &mut data, end, cx)).await?;
        self.shared.write_now().await;
        Ok(())
    }

    /// As [`SendBody::data`], for callers with a poll function of their own: takes off `data` what was sent.
    /// For multiplexed connections, whose driver writes; on others nothing is written before [`Self::flush`].
    ///
    /// # Errors
    /// The stream was cut off, or its sending half was over.
    pub fn poll_data(
        &mut self,
        data: &mut Bytes,
        end: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), StreamError>> {
        self.shared.get().poll_send(self.stream, data, end, cx)
    }

    /// Sends trailers and with them the end of the message.
    ///
    /// # Errors
    /// The stream was cut off, or its sending half was over.
    pub async fn trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        self.shared.get().send_trailers(self.stream, trailers)?;
        self.shared.write_now().await;
        Ok(())
    }

    /// Waits until all that was given is written to the socket. HTTP/2: hands it to the driver.
    pub async fn flush(&mut self) {
        self.shared.flush().await;
    }

    /// Ends the stream before its time, both halves. HTTP/1.x then closes the connection.
    pub fn reset(&mut self, reason: ResetReason) {
        self.shared.get().reset(self.stream, reason);
    }

    /// Waits until the stream is cut off: reset by the peer, or its connection gone. Pending for ever
    /// on a stream that ends well. Safe to cancel; other handles may be used meanwhile.
    pub async fn closed(&self) -> StreamError {
        poll_fn(|cx| self.shared.get().poll_closed(self.stream, cx)).await
    }

    /// Makes the stream raw bytes both ways, after a 101 or a 2xx to CONNECT: `RecvBody::next` then
    /// gives what comes, `data` sends as it is, and `end` half-closes. HTTP/2 streams are so already.
    pub fn become_tunnel(&self) {
        self.shared.get().become_tunnel(self.stream);
    }

    /// Bytes of the connection that wait to be written.
    #[must_use]
    pub fn unwritten_bytes(&self) -> usize {
        self.shared.output_len()
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

impl Drop for SendBody {
    fn drop(&mut self) {
        self.shared.get().drop_sender(self.stream);
    }
}

/// The reply to a request: interim heads, a final head, then as [`SendBody`]. Dropping it before its
/// end resets the stream with `Internal`.
#[derive(Debug)]
pub struct SendReply {
    body: SendBody,
}

impl SendReply {
    pub(crate) fn new(shared: Shared, stream: StreamId) -> Self {
        Self { body: SendBody::new(shared, stream) }
    }

    /// Sends a head: interim ones first, then one final. A final head that does not end the message
    /// is written with what follows it (see [`SendBody`]); others at once.
    ///
    /// # Errors
    /// The stream was cut off, a final head was sent before, or the head cannot be expressed.
    pub async fn head(&mut self, head: &ResponseHead, end: bool) -> Result<(), StreamError> {
        self.body.shared.get().respond(self.body.stream, head, end)?;
        if end || head.status < 200 {
            self.body.shared.write_now().await;
        }
        Ok(())
    }

    /// What is left to send after the final head.
    #[must_use]
    pub fn into_body(self) -> SendBody {
        self.body
    }

    /// Sends body bytes; see [`SendBody::data`].
    ///
    /// # Errors
    /// The stream was cut off, or its sending half was over.
    pub async fn data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.body.data(data, end).await
    }

    /// Sends trailers and with them the end of the message.
    ///
    /// # Errors
    /// The stream was cut off, or its sending half was over.
    pub async fn trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        self.body.trailers(trailers).await
    }

    /// Waits until all that was given is written; see [`SendBody::flush`].
    pub async fn flush(&mut self) {
        self.body.flush().await;
    }

    /// Ends the stream before its time, both halves.
    pub fn reset(&mut self, reason: ResetReason) {
        self.body.reset(reason);
    }

    /// Waits until the client is gone; see [`SendBody::closed`].
    pub async fn closed(&self) -> StreamError {
        self.body.closed().await
    }

    /// Whether all of the request has arrived, as far as it can be told without reading the socket.
    #[must_use]
    pub fn request_arrived(&self) -> bool {
        let mut connection = self.body.shared.get();
        while connection.pump() {}
        connection.streams.get(&self.body.stream).is_none_or(|stream| stream.recv_end)
    }

    /// Makes the stream raw bytes both ways; see [`SendBody::become_tunnel`].
    pub fn become_tunnel(&self) {
        self.body.become_tunnel();
    }

    /// Bytes of the connection that wait to be written.
    #[must_use]
    pub fn unwritten_bytes(&self) -> usize {
        self.body.unwritten_bytes()
    }

    /// Bytes of the stream so far, both directions.
    #[must_use]
    pub fn counters(&self) -> StreamCounters {
        self.body.counters()
    }

    /// The stream's number on its connection.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.body.stream
    }
}
