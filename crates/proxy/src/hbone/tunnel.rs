//! One stream as a connection: bytes both ways, ends for each way, resets.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use weft_codec::ResetReason;
use weft_http::{Frame, RecvBody, SendBody, SendReply, StreamError};
use weft_types::ResponseHead;

use crate::stats::HttpCounters;
use crate::upstream::connect::Stream;

/// What a reset of a connection is on a stream: CONNECT_ERROR (RFC 9113 section 8.5).
const RESET: ResetReason = ResetReason::Remote(0xa);
/// Most bytes of one write that are copied at once.
const WRITE_MAX: usize = 64 * 1024;

/// One stream. Dropped before both ways have ended, it is reset.
#[derive(Debug)]
pub(crate) struct Tunnel {
    way_out: WayOut,
    receive: RecvBody,
    /// Received and not read yet.
    held: Bytes,
    received_all: bool,
    local: Option<SocketAddr>,
    /// Where our answer is counted.
    stats: Option<Rc<HttpCounters>>,
}

/// How far our way has come.
#[derive(Debug)]
enum WayOut {
    /// The server has not answered.
    Unanswered(SendReply),
    Open(SendBody),
    Ended(SendBody),
    Refused,
}

impl Tunnel {
    /// The client's end, after the answer; `local` is our end of the connection below.
    pub(super) fn client(send: SendBody, receive: RecvBody, local: Option<SocketAddr>) -> Self {
        Self { local, ..Self::over(WayOut::Open(send), receive) }
    }

    /// The server's end, before its answer.
    pub(super) fn server(reply: SendReply, receive: RecvBody, stats: Rc<HttpCounters>) -> Self {
        Self { stats: Some(stats), ..Self::over(WayOut::Unanswered(reply), receive) }
    }

    fn over(way_out: WayOut, receive: RecvBody) -> Self {
        Self { way_out, receive, held: Bytes::new(), received_all: false, local: None, stats: None }
    }

    /// Tells the client that its destination is reached; once is enough.
    pub(crate) async fn agree(&mut self) {
        self.way_out = match std::mem::replace(&mut self.way_out, WayOut::Refused) {
            WayOut::Unanswered(mut reply) => match reply.head(&ResponseHead::new(200), false).await {
                Ok(()) => {
                    self.count(200);
                    reply.become_tunnel();
                    WayOut::Open(reply.into_body())
                }
                Err(_) => WayOut::Refused,
            },
            other => other,
        };
    }

    /// Tells the client that its destination is not reached; what was agreed to is reset instead.
    pub(crate) async fn refuse(&mut self, status: u16) {
        if let WayOut::Unanswered(mut reply) = std::mem::replace(&mut self.way_out, WayOut::Refused) {
            self.count(status);
            // A client that is gone needs no answer.
            let _ = reply.head(&ResponseHead::new(status), true).await;
        }
    }

    fn count(&self, status: u16) {
        if let Some(stats) = &self.stats {
            stats.responded(status);
        }
    }

    /// Sends the stream's reset.
    pub(crate) fn reset(&mut self) {
        match &mut self.way_out {
            WayOut::Unanswered(reply) => reply.reset(RESET),
            WayOut::Open(send) | WayOut::Ended(send) => send.reset(RESET),
            WayOut::Refused => {}
        }
    }

    /// The bytes that have come and were not read, without waiting.
    pub(super) fn seen(&self) -> &[u8] {
        &self.held
    }

    /// Waits for more bytes to come; false at their end.
    pub(super) async fn see_more(&mut self) -> io::Result<bool> {
        let Some(more) = std::future::poll_fn(|cx| self.poll_piece(cx)).await? else { return Ok(false) };
        let mut all = BytesMut::from(&self.held[..]);
        all.extend_from_slice(&more);
        self.held = all.freeze();
        Ok(true)
    }

    /// The next piece that came; `None` at the end.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if !self.held.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.held))));
        }
        self.poll_piece(cx)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        while !self.received_all {
            match ready!(self.receive.poll_next(cx)).map_err(|error| broken(&error))? {
                Frame::Data(data) => return Poll::Ready(Ok(Some(data))),
                Frame::Trailers(_) => {}
                Frame::End => self.received_all = true,
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Whether a piece is there to be had without waiting.
    pub(super) fn has_more(&self) -> bool {
        !self.held.is_empty() || self.receive.queued_bytes() > 0
    }

    /// Sends `data`, which loses what was sent; with `end` our way ends.
    pub(super) fn poll_send(
        &mut self,
        data: &mut Bytes,
        end: bool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let WayOut::Open(send) = &mut self.way_out else {
            let over = matches!(self.way_out, WayOut::Ended(_)) && data.is_empty();
            return Poll::Ready(if over { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) });
        };
        ready!(send.poll_data(data, end, cx)).map_err(|error| broken(&error))?;
        if end && let WayOut::Open(send) = std::mem::replace(&mut self.way_out, WayOut::Refused) {
            self.way_out = WayOut::Ended(send);
        }
        Poll::Ready(Ok(()))
    }
}

/// A stream's end before its time, in the words of sockets.
fn broken(error: &StreamError) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, format!("the stream was reset: {:?}", error.reason))
}

impl AsyncRead for Tunnel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(mut piece) = ready!(this.poll_next(cx))? else { return Poll::Ready(Ok(())) };
        let count = piece.len().min(room.remaining());
        room.put_slice(&piece[..count]);
        piece.advance(count);
        this.held = piece;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut data = Bytes::copy_from_slice(&bytes[..bytes.len().min(WRITE_MAX)]);
        let whole = data.len();
        let sent = self.get_mut().poll_send(&mut data, false, cx)?;
        match whole - data.len() {
            0 if sent.is_pending() => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection writes what it was given by itself.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(&mut Bytes::new(), true, cx)
    }
}

impl Stream for Tunnel {
    fn reset_on_close(&self) {
        // Closing before the end is a reset already.
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.local
    }

    fn tunnel(&mut self) -> Option<&mut Tunnel> {
        Some(self)
    }
}
