//! A direction between two TCP sockets: bulk stays in the kernel, small messages go through a buffer.
//!
//! Splicing saves both copies of a byte and costs a call more for each message, so a lane splices only
//! while what it reads is large, and goes back when it no longer is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::End;
use super::lane::{Lane, Phase, ROUNDS};
use crate::splice::Pipe;

/// A read of so many bytes is one of a bulk transfer.
const LARGE: usize = 16 * 1024;
/// So many large reads one after the other begin splicing, so many small ones end it.
const STREAK: u8 = 4;

/// What a lane knows about letting the kernel move its bytes.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    /// Held while bytes are in it.
    pipe: Option<Pipe>,
    splices: bool,
    /// Reads that speak for a change.
    streak: u8,
    /// No descriptors for a pipe; copying goes on in user space.
    unavailable: bool,
}

impl Kernel {
    /// Notes the size of a read.
    pub(super) fn seen(&mut self, bytes: usize) {
        let speaks = (bytes >= LARGE) != self.splices;
        self.streak = if speaks { self.streak + 1 } else { 0 };
        if self.streak == STREAK {
            self.splices = !self.splices && !self.unavailable;
            self.streak = 0;
        }
    }

    fn pipe(&mut self) -> Option<&mut Pipe> {
        if self.pipe.is_none() {
            self.pipe = Pipe::take();
            self.unavailable = self.pipe.is_none();
            self.splices &= !self.unavailable;
        }
        self.pipe.as_mut()
    }

    fn release(&mut self) {
        if self.pipe.as_ref().is_some_and(Pipe::is_empty)
            && let Some(pipe) = self.pipe.take()
        {
            pipe.give();
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.release();
    }
}

impl Lane {
    /// Moves between two TCP sockets by whichever way is cheaper, from `after` bytes on; ready when the
    /// lane is over.
    pub(super) fn poll_sockets(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
        after: u64,
    ) -> Poll<()> {
        for _ in 0..ROUNDS {
            match self.phase {
                Phase::Over => return Poll::Ready(()),
                Phase::Closing => {
                    // What is in the pipe goes first.
                    if self.kernel.pipe.as_ref().is_some_and(|pipe| !pipe.is_empty()) {
                        ready!(self.poll_splice(cx, source, sink));
                        continue;
                    }
                    return self.poll_close(cx, Pin::new(sink));
                }
                Phase::Moving => {}
            }
            let holds = self.kernel.pipe.as_ref().is_some_and(|pipe| !pipe.is_empty());
            if holds || (self.kernel.splices && self.bytes >= after && self.is_empty()) {
                ready!(self.poll_splice(cx, source, sink));
            } else {
                ready!(self.poll_round(cx, Pin::new(source), Pin::new(sink)));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One fill of the pipe, or one attempt to empty it.
    fn poll_splice(&mut self, cx: &mut Context<'_>, source: &TcpStream, sink: &TcpStream) -> Poll<()> {
        let Some(pipe) = self.kernel.pipe() else { return Poll::Ready(()) };
        if !pipe.is_empty() {
            match ready!(poll_io(cx, sink, Interest::WRITABLE, |socket| pipe.drain_to(socket))) {
                Ok(_) => self.moved = true,
                Err(error) => return self.sink_failed(&error),
            }
            return Poll::Ready(());
        }
        // Only an empty pipe is filled: then "would block" can only mean the socket.
        match poll_io(cx, source, Interest::READABLE, |socket| pipe.fill_from(socket)) {
            Poll::Pending => {
                // An idle lane holds no pipe, as it holds no buffer.
                self.kernel.release();
                return Poll::Pending;
            }
            Poll::Ready(Ok(0)) => {
                self.source_end = End::Eof;
                self.phase = Phase::Closing;
            }
            Poll::Ready(Ok(count)) => {
                self.bytes += count as u64;
                self.moved = true;
                self.kernel.seen(count);
            }
            Poll::Ready(Err(error)) => {
                self.source_end = End::of(&error);
                self.phase = Phase::Closing;
            }
        }
        Poll::Ready(())
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
