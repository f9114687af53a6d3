//! A stream of which some bytes were read early.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::copy::buffers;

/// Smallest read of [`Prefixed::fill`], bytes.
const READ_SIZE: usize = 4096;

/// A stream with bytes in front. Detection reads into the prefix, and whoever reads the stream later
/// gets them again: unlike `MSG_PEEK` this needs no second copy and sees growth without polling.
#[derive(Debug)]
pub struct Prefixed<S> {
    prefix: BytesMut,
    stream: S,
}

impl<S> Prefixed<S> {
    /// A stream of which nothing was read yet.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self { prefix: BytesMut::new(), stream }
    }

    /// A stream in front of which those bytes come.
    #[must_use]
    pub fn with_prefix(prefix: BytesMut, stream: S) -> Self {
        Self { prefix, stream }
    }

    /// What was read early and not consumed.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Removes up to `count` bytes from the front: they were for the detector (PROXY protocol).
    pub fn consume(&mut self, count: usize) -> Bytes {
        self.prefix.split_to(count.min(self.prefix.len())).freeze()
    }

    /// Takes all that was read early and not consumed: from then on the stream alone is what is left.
    pub fn take_prefix(&mut self) -> BytesMut {
        std::mem::take(&mut self.prefix)
    }

    /// The stream itself.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream itself; reading from it here would bypass the prefix.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The prefix and the stream.
    #[must_use]
    pub fn into_parts(self) -> (BytesMut, S) {
        (self.prefix, self.stream)
    }
}

impl<S: AsyncRead + Unpin> Prefixed<S> {
    /// Reads more into the prefix, up to `limit` bytes in all. Returns how many came: 0 at the end of
    /// the stream or when the limit is reached already. May be dropped without loss at any time.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn fill(&mut self, limit: usize) -> io::Result<usize> {
        let room = limit.saturating_sub(self.prefix.len());
        if room == 0 {
            return Ok(0);
        }
        poll_fn(|cx| {
            if self.prefix.capacity() == 0 {
                self.prefix = buffers::take(room.min(READ_SIZE));
            }
            self.prefix.reserve(room.min(READ_SIZE));
            let mut space = (&mut self.prefix).limit(room);
            let polled = pin!(self.stream.read_buf(&mut space)).poll(cx);
            if polled.is_pending() && self.prefix.is_empty() {
                // Whoever sends nothing holds no buffer.
                buffers::give(std::mem::take(&mut self.prefix));
            }
            polled
        })
        .await
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.prefix.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let count = this.prefix.len().min(buf.remaining());
        buf.put_slice(this.prefix.get(..count).unwrap_or_default());
        this.prefix.advance(count);
        if this.prefix.is_empty() {
            // Its memory is not needed for the rest of the connection's life.
            buffers::give(std::mem::take(&mut this.prefix));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn replays_what_was_read_early_and_never_reads_past_the_limit() {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(b"PROXY x\r\nGET / HTTP/1.1\r\n").await.unwrap();
        let mut stream = Prefixed::new(server);
        assert_eq!(stream.fill(4).await.unwrap(), 4);
        assert_eq!(stream.prefix(), b"PROX");
        assert_eq!(stream.fill(4).await.unwrap(), 0);
        stream.fill(100).await.unwrap();
        assert_eq!(&stream.consume(9)[..], b"PROXY x\r\n");
        client.write_all(b"\r\n").await.unwrap();
        drop(client);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"GET / HTTP/1.1\r\n\r\n");
    }
}
