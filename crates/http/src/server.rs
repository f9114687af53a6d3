//! The downstream end: requests come in, replies go out.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::BytesMut;
use weft_codec::Codec;
use weft_types::{RequestHead, Version};

use crate::connection::{Connection, Shutdown};
use crate::shared::Shared;
use crate::wake::Role;
use crate::{AnyCodec, ConnError, ConnHandle, ConnOptions, Io, RecvBody, SendReply};

/// A request with the means to read its body and to reply.
#[derive(Debug)]
pub struct Exchange {
    /// The request's head.
    pub head: Box<RequestHead>,
    /// The request's body.
    pub body: RecvBody,
    /// The reply.
    pub reply: SendReply,
}

/// A downstream connection. Its owner calls [`ServerConn::accept`] in a loop; on an HTTP/2 connection
/// that is also what moves all streams' bytes, so exchanges go to tasks of their own (`spawn_local`)
/// and the loop comes back at once. HTTP/1.x exchanges may be handled in place.
///
/// Must be used within a `tokio::task::LocalSet`. Dropping it closes the connection; streams still
/// open see `ConnectionClosed`.
#[derive(Debug)]
pub struct ServerConn {
    shared: Shared,
}

impl ServerConn {
    /// A connection over `io`. `prefix` holds bytes that were read from it already, to find out the
    /// protocol.
    #[must_use]
    pub fn new(io: impl Io, codec: AnyCodec, options: ConnOptions, prefix: BytesMut) -> Self {
        Self { shared: Shared::new(Connection::new(Box::new(io), codec, options, prefix)) }
    }

    /// The next request. `None` when the connection is over and all that can be written is written:
    /// the peer closed, an error was told, or the drain is complete. Then call [`ServerConn::close`].
    /// An error comes once; its reply, if there is one, is being written. Only after
    /// [`ConnError::Refused`] more requests can come. Safe to cancel.
    pub async fn accept(&mut self) -> Option<Result<Exchange, ConnError>> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// As [`ServerConn::accept`], for callers with a poll function of their own.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Exchange, ConnError>>> {
        self.shared.get().poll_request(cx).map(|next| {
            Some(match next? {
                Ok((stream, head)) => Ok(Exchange {
                    head,
                    body: RecvBody::new(self.shared.clone(), stream),
                    reply: SendReply::new(self.shared.clone(), stream),
                }),
                Err(error) => Err(error),
            })
        })
    }

    /// Ends the connection in good order after `accept` gave `None`: ends our direction, then throws
    /// away what still comes until the peer ends too. Without that, bytes of the peer under way could
    /// destroy the last reply. Bound it by a timeout (Envoy `delayed_close_timeout`, 1 s).
    pub async fn close(self) {
        {
            let mut connection = self.shared.get();
            if connection.shutdown == Shutdown::No {
                connection.shutdown = Shutdown::Wanted;
            }
        }
        poll_fn(|cx| self.shared.get().poll_flush(Role::Driver, cx)).await;
        poll_fn(|cx| self.shared.get().poll_discard(cx)).await;
    }

    /// Closes at once if nothing can be lost by it: all is written, and the client has said that it sends no
    /// more. Whether it did. Only for sockets without a protocol between, such as TLS, that has an end of
    /// its own.
    #[must_use]
    pub fn close_at_once(&self) -> bool {
        let connection = &mut *self.shared.get();
        let AnyCodec::Http1(codec) = &mut connection.codec else { return false };
        let clean = codec.said_last()
            && codec.output().is_empty()
            && connection.input.is_empty()
            && connection.error.is_none()
            && !connection.needs_flush;
        if clean {
            // Closing the socket ends our direction, too.
            connection.shutdown = Shutdown::Done;
            connection.close();
        }
        clean
    }

    /// Starts the drain; see [`ConnHandle::start_drain`].
    pub fn start_drain(&self, last_call: bool) {
        self.handle().start_drain(last_call);
    }

    /// A handle for whoever drains connections and watches their idleness.
    #[must_use]
    pub fn handle(&self) -> ConnHandle {
        ConnHandle::new(&self.shared)
    }

    /// The protocol version spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.shared.get().codec.version()
    }
}

impl Drop for ServerConn {
    fn drop(&mut self) {
        self.shared.get().close();
    }
}

type Arrived = (weft_codec::StreamId, Box<RequestHead>);

impl Connection {
    fn poll_request(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Arrived, ConnError>>> {
        loop {
            if let Some(arrived) = self.arrived.take() {
                return Poll::Ready(Some(Ok(arrived)));
            }
            if let Some(refused) = self.refused.take() {
                return Poll::Ready(Some(Err(refused)));
            }
            if let Some(error) = self.error.clone()
                && !std::mem::replace(&mut self.error_told, true)
            {
                return Poll::Ready(Some(Err(error)));
            }
            if !self.is_over() && !self.is_occupied() && self.pump() {
                continue;
            }
            let flushed = self.poll_flush(Role::Driver, cx).is_ready();
            if self.error.is_some() && !self.error_told {
                continue;
            }
            if self.is_over() {
                return if flushed { Poll::Ready(None) } else { Poll::Pending };
            }
            if self.is_occupied() || self.poll_fill(Role::Driver, cx).is_pending() {
                if !self.is_occupied() && self.input.len() >= self.options.input_limit {
                    self.fail(ConnError::InputLimit(self.options.input_limit));
                    continue;
                }
                self.waiting.register(Role::Driver, cx.waker());
                return Poll::Pending;
            }
        }
    }

    /// Whether nothing more will happen but writing.
    fn is_over(&self) -> bool {
        self.error.is_some() || self.codec.is_finished() || (self.read_end_told && !self.is_occupied())
    }

    /// Whether an exchange's own futures move the bytes now.
    fn is_occupied(&self) -> bool {
        !self.driven && !self.streams.is_empty() && self.codec.open_streams() > 0
    }
}
