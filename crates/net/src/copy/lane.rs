//! One direction of a copy.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest};
use tokio::net::TcpStream;

use super::{BUFFER_MAX, BUFFER_MIN, End};
use crate::splice::Pipe;

/// Rounds of one poll; a pair of fast peers must not keep a worker to themselves.
const ROUNDS: usize = 32;

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
    moved: bool,
    held: BytesMut,
    capacity: usize,
    /// Bytes were written that a buffering sink (TLS) may still hold.
    unflushed: bool,
    phase: Phase,
    kernel: Kernel,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Moving,
    /// The source ended; the rest is written, then the sink half-closed.
    Closing,
    Over,
}

#[derive(Debug)]
enum Kernel {
    Untried,
    Pipe(Pipe),
    /// No descriptors for a pipe; copying goes on in user space.
    Unavailable,
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
            kernel: Kernel::Untried,
        }
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
                Phase::Moving => {}
            }
            // Reads smaller than half the buffer are not worth a call while the sink is slow.
            let room = self.held.len() <= self.capacity / 2;
            let mut waiting = !room;
            if room {
                match self.poll_fill(cx, source.as_mut()) {
                    Poll::Ready(Ok(0)) => {
                        self.source_end = End::Eof;
                        self.phase = Phase::Closing;
                        continue;
                    }
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => {
                        self.source_end = match error.kind() {
                            io::ErrorKind::UnexpectedEof => End::Eof,
                            _ => End::of(&error),
                        };
                        self.phase = Phase::Closing;
                        continue;
                    }
                    Poll::Pending => waiting = true,
                }
            }
            match self.poll_drain(cx, sink.as_mut()) {
                Poll::Ready(Err(error)) => return self.sink_failed(&error),
                Poll::Ready(Ok(())) if waiting && room => {
                    // An idle lane holds no buffer: most connections are idle most of the time.
                    self.held = BytesMut::new();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) => {}
                // With room left the source was polled and has registered; else only the sink matters.
                Poll::Pending if waiting => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        source: Pin<&mut R>,
    ) -> Poll<io::Result<usize>> {
        let room = self.capacity - self.held.len();
        self.held.reserve(room);
        let mut space = (&mut self.held).limit(room);
        // Dropping this future loses nothing: it holds no bytes of its own.
        let count = ready!(pin!(source.get_mut().read_buf(&mut space)).poll(cx))?;
        self.bytes += count as u64;
        self.moved |= count > 0;
        if count == room {
            self.capacity = (self.capacity * 2).min(BUFFER_MAX);
        }
        Poll::Ready(Ok(count))
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
        if self.unflushed {
            ready!(sink.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close<W: AsyncWrite>(&mut self, cx: &mut Context<'_>, mut sink: Pin<&mut W>) -> Poll<()> {
        let closed = match ready!(self.poll_drain(cx, sink.as_mut())) {
            // After an error no orderly end is passed on: the peer must not take what came for all.
            Ok(()) if self.source_end == End::Eof => ready!(sink.poll_shutdown(cx)),
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

    fn sink_failed(&mut self, error: &io::Error) -> Poll<()> {
        self.sink_end = End::of(error);
        self.phase = Phase::Over;
        Poll::Ready(())
    }

    /// Whether the kernel may take over from here: nothing is held, and there is a pipe.
    pub(super) fn start_splice(&mut self) -> bool {
        match self.kernel {
            Kernel::Pipe(_) => true,
            Kernel::Unavailable => false,
            Kernel::Untried if self.held.is_empty() && !self.unflushed && self.phase == Phase::Moving => {
                self.kernel = Pipe::new().map_or(Kernel::Unavailable, Kernel::Pipe);
                matches!(self.kernel, Kernel::Pipe(_))
            }
            Kernel::Untried => false,
        }
    }

    /// Moves bytes inside the kernel; ready when the lane is over.
    pub(super) fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
    ) -> Poll<()> {
        for _ in 0..ROUNDS {
            match self.phase {
                Phase::Over => return Poll::Ready(()),
                Phase::Closing => return self.poll_close(cx, Pin::new(sink)),
                Phase::Moving => {}
            }
            let Kernel::Pipe(pipe) = &mut self.kernel else { return Poll::Ready(()) };
            if pipe.is_empty() {
                // Only an empty pipe is filled: then "would block" can only mean the socket.
                let filled = poll_io(cx, source, Interest::READABLE, |socket| pipe.fill_from(socket));
                match ready!(filled) {
                    Ok(0) => {
                        self.source_end = End::Eof;
                        self.phase = Phase::Closing;
                    }
                    Ok(count) => {
                        self.bytes += count as u64;
                        self.moved = true;
                    }
                    Err(error) => {
                        self.source_end = End::of(&error);
                        self.phase = Phase::Closing;
                    }
                }
            } else {
                match ready!(poll_io(cx, sink, Interest::WRITABLE, |socket| pipe.drain_to(socket))) {
                    Ok(_) => self.moved = true,
                    Err(error) => return self.sink_failed(&error),
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Tries a call on a socket until it is done or would block, and then waits for readiness.
fn poll_io(
    cx: &mut Context<'_>,
    socket: &TcpStream,
    interest: Interest,
    mut call: impl FnMut(&TcpStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        if interest.is_readable() {
            ready!(socket.poll_read_ready(cx))?;
        } else {
            ready!(socket.poll_write_ready(cx))?;
        }
        match socket.try_io(interest, || call(socket)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}
