//! One direction of a copy.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::kernel::Kernel;
use super::{BUFFER_MAX, BUFFER_MIN, End, buffers};

/// Rounds of one poll; a pair of fast peers must not keep a worker to themselves.
pub(super) const ROUNDS: usize = 32;

/// State of one direction: what was read and not yet written, and how its two ends stand.
#[derive(Debug)]
pub(super) struct Lane {
    /// Bytes read so far.
    pub(super) bytes: u64,
    /// How the side that is read ended.
    pub(super) source_end: End,
    /// How the side that is written to failed; never `Eof`.
    pub(super) sink_end: End,
    reported: u64,
    pub(super) moved: bool,
    /// Empty and without memory while nothing is under way: most connections are idle most of the time.
    held: BytesMut,
    capacity: usize,
    /// Bytes were written that a buffering sink (TLS) may still hold.
    unflushed: bool,
    pub(super) phase: Phase,
    pub(super) kernel: Kernel,
    /// Both connections are dropped when this lane is over: closing the sink says its end.
    pub(super) last: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Moving,
    /// The source ended; the rest is written, then the sink half-closed.
    Closing,
    Over,
}

impl Default for Lane {
    fn default() -> Self {
        Self::starting_with(BytesMut::new())
    }
}

impl Lane {
    /// A lane in which those bytes are waiting already.
    pub(super) fn starting_with(early: BytesMut) -> Self {
        Self {
            bytes: early.len() as u64,
            source_end: End::Open,
            sink_end: End::Open,
            reported: 0,
            moved: false,
            held: early,
            capacity: BUFFER_MIN,
            unflushed: false,
            phase: Phase::Moving,
            kernel: Kernel::default(),
            last: false,
        }
    }

    /// Whether all that was read is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && !self.unflushed
    }

    /// Bytes read since the last call.
    pub(super) fn take_unreported(&mut self) -> u64 {
        let new = self.bytes - self.reported;
        self.reported = self.bytes;
        new
    }

    /// Whether a byte moved in or out since the last call.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Copies through the buffer; ready when the lane is over.
    pub(super) fn poll_move<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut source: Pin<&mut R>,
        mut sink: Pin<&mut W>,
    ) -> Poll<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite,
    {
        for _ in 0..ROUNDS {
            match self.phase {
                Phase::Over => return Poll::Ready(()),
                Phase::Closing => return self.poll_close(cx, sink),
                Phase::Moving => ready!(self.poll_round(cx, source.as_mut(), sink.as_mut())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One read and what it leads to; ready when another may follow.
    pub(super) fn poll_round<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        source: Pin<&mut R>,
        sink: Pin<&mut W>,
    ) -> Poll<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite,
    {
        // Reads smaller than half the buffer are not worth a call while the sink is slow.
        let room = self.held.len() <= self.capacity / 2;
        let mut waiting = !room;
        if room {
            match self.poll_fill(cx, source) {
                Poll::Ready(Ok(0)) => {
                    self.source_end = End::Eof;
                    self.phase = Phase::Closing;
                    return Poll::Ready(());
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    self.source_end = match error.kind() {
                        io::ErrorKind::UnexpectedEof => End::Eof,
                        _ => End::of(&error),
                    };
                    self.phase = Phase::Closing;
                    return Poll::Ready(());
                }
                Poll::Pending => waiting = true,
            }
        }
        match self.poll_drain(cx, sink) {
            Poll::Ready(Err(error)) => self.sink_failed(&error),
            Poll::Ready(Ok(())) if waiting && room => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(()),
            // With room left the source was polled and has registered; else only the sink matters.
            Poll::Pending if waiting => Poll::Pending,
            Poll::Pending => Poll::Ready(()),
        }
    }

    fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        source: Pin<&mut R>,
    ) -> Poll<io::Result<usize>> {
        let room = self.capacity - self.held.len();
        if self.held.capacity() == 0 {
            self.held = buffers::take(room);
        } else {
            self.held.reserve(room);
        }
        let mut space = (&mut self.held).limit(room);
        // Dropping this future loses nothing: it holds no bytes of its own.
        let polled = pin!(source.get_mut().read_buf(&mut space)).poll(cx);
        self.release();
        let count = ready!(polled)?;
        self.bytes += count as u64;
        self.moved |= count > 0;
        self.kernel.seen(count);
        if count == room {
            self.capacity = (self.capacity * 2).min(BUFFER_MAX);
        }
        Poll::Ready(Ok(count))
    }

    /// Lets go of a buffer that holds nothing.
    fn release(&mut self) {
        if self.held.is_empty() && self.held.capacity() > 0 {
            buffers::give(std::mem::take(&mut self.held));
        }
    }

    /// Writes all that is held; ready when nothing is left and it is on its way.
    fn poll_drain<W: AsyncWrite>(
        &mut self,
        cx: &mut Context<'_>,
        mut sink: Pin<&mut W>,
    ) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let count = ready!(sink.as_mut().poll_write(cx, &self.held))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(count);
            self.moved = true;
            self.unflushed = true;
        }
        self.release();
        if self.unflushed {
            ready!(sink.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_close<W: AsyncWrite>(
        &mut self,
        cx: &mut Context<'_>,
        mut sink: Pin<&mut W>,
    ) -> Poll<()> {
        let closed = match ready!(self.poll_drain(cx, sink.as_mut())) {
            // After an error no orderly end is passed on: the peer must not take what came for all.
            Ok(()) if self.source_end == End::Eof && !self.last => ready!(sink.poll_shutdown(cx)),
            other => other,
        };
        match closed {
            // The peer is gone already: nothing is left to close.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => return self.sink_failed(&error),
            Ok(()) => {}
        }
        self.phase = Phase::Over;
        Poll::Ready(())
    }

    pub(super) fn sink_failed(&mut self, error: &io::Error) -> Poll<()> {
        self.sink_end = End::of(error);
        self.phase = Phase::Over;
        Poll::Ready(())
    }
}
