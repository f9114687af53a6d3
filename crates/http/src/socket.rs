//! The socket of a connection: reading, writing, probing, closing.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use weft_codec::{Codec, Side};

use crate::ConnError;
use crate::clock;
use crate::connection::{Connection, Shutdown};
use crate::stream::Stream;
use crate::wake::Role;

/// Pieces given to one vectored write.
const WRITE_SLICES: usize = 32;

impl Connection {
    /// Reads once into `input`. Ready when bytes or the end came; pending also when `input` is full.
    pub(crate) fn poll_fill(&mut self, role: Role, cx: &Context<'_>) -> Poll<()> {
        let Some(io) = &mut self.io else {
            self.read_end = true;
            return Poll::Ready(());
        };
        if self.read_end {
            return Poll::Ready(());
        }
        if self.input.len() >= self.options.input_limit {
            return Poll::Pending;
        }
        // The socket had nothing and has not called since: it need not be asked.
        if self.read_waits && self.waiting.waits(role, cx.waker()) {
            return Poll::Pending;
        }
        if self.input.capacity() == 0 {
            self.input = self.options.buffers.take(self.options.read_initial);
        }
        if self.input.capacity() - self.input.len() < self.read_size / 2 {
            self.input.reserve(self.read_size);
        }
        let room = self.input.capacity() - self.input.len();
        self.waiting.asks();
        let mut socket_cx = Context::from_waker(&self.socket_waker);
        let result = pin!(io.read_buf(&mut self.input)).poll(&mut socket_cx);
        self.read_waits = result.is_pending();
        match result {
            Poll::Pending => {
                if self.input.is_empty() {
                    self.options.buffers.give(std::mem::take(&mut self.input));
                }
                if !self.waiting.waits(role, cx.waker()) {
                    // It called meanwhile, from another thread or within its own poll.
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            Poll::Ready(Ok(0)) => self.read_end = true,
            Poll::Ready(Ok(count)) => {
                self.counters.received += count as u64;
                self.last_activity = clock::now();
                if self.input.len() == count {
                    self.input_since = Some(self.last_activity);
                }
                if count == room {
                    self.read_size = (self.read_size * 2).min(self.options.read_max);
                } else if count < self.read_size / 4 {
                    self.read_size = self.options.read_initial;
                }
            }
            // A TLS peer that closes without saying so: what matters is framed by the protocol above.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => self.read_end = true,
            Poll::Ready(Err(error)) => {
                self.read_end = true;
                self.fail(ConnError::io("read", &error));
            }
        }
        Poll::Ready(())
    }

    /// Writes all output, then ends the sending direction if that is wanted. Ready when nothing is
    /// left to do, also after a failure.
    pub(crate) fn poll_flush(&mut self, role: Role, cx: &Context<'_>) -> Poll<()> {
        if self.codec.output().is_empty() && !self.needs_flush && self.shutdown != Shutdown::Wanted {
            return Poll::Ready(());
        }
        // Before the socket is asked, since it may call at once.
        self.waiting.register(role, cx.waker());
        let result = self.poll_write_all();
        self.relieve();
        match ready!(result) {
            Ok(()) => {}
            Err((during, error)) => self.writing_failed(during, &error),
        }
        Poll::Ready(())
    }

    fn poll_write_all(&mut self) -> Poll<Result<(), (&'static str, io::Error)>> {
        let output = self.codec.output();
        let Some(io) = self.io.as_mut().filter(|_| !self.write_failed) else {
            output.advance(output.len());
            self.needs_flush = false;
            self.shutdown = Shutdown::Done;
            return Poll::Ready(Ok(()));
        };
        let mut io = Pin::new(io);
        let mut cx = Context::from_waker(&self.socket_waker);
        let before = output.len();
        while !output.is_empty() {
            let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
            let count = output.slices(&mut slices);
            match io.as_mut().poll_write_vectored(&mut cx, &slices[..count]) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(("write", io::ErrorKind::WriteZero.into())));
                }
                Poll::Ready(Ok(written)) => output.advance(written.min(output.len())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(("write", error))),
            }
        }
        let written = before - output.len();
        if written > 0 {
            self.counters.sent += written as u64;
            self.last_activity = clock::now();
            self.needs_flush = true;
        }
        // A TLS stream may hold bytes back even when it takes no more of ours.
        if self.needs_flush {
            match ready!(io.as_mut().poll_flush(&mut cx)) {
                Ok(()) => self.needs_flush = false,
                Err(error) => return Poll::Ready(Err(("write", error))),
            }
        }
        if !output.is_empty() {
            return Poll::Pending;
        }
        if self.shutdown == Shutdown::Wanted {
            match ready!(io.as_mut().poll_shutdown(&mut cx)) {
                Ok(()) => self.shutdown = Shutdown::Done,
                Err(error) => return Poll::Ready(Err(("shutdown", error))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Lets senders go on once output is below the low watermark.
    fn relieve(&mut self) {
        if self.congested && self.codec.output().len() <= self.options.low_watermark() {
            self.congested = false;
            self.streams.values_mut().for_each(Stream::wake_sender);
        }
    }

    /// A server without a way to reply is over. A client may still find an early response in what
    /// the peer sent before it stopped reading.
    fn writing_failed(&mut self, during: &'static str, error: &io::Error) {
        let output = self.codec.output();
        output.advance(output.len());
        self.write_failed = true;
        self.shutdown = Shutdown::Done;
        self.relieve();
        if self.codec.side() == Side::Server || self.driven {
            self.fail(ConnError::io(during, error));
        } else {
            self.streams.values_mut().for_each(Stream::wake_sender);
        }
    }

    /// Discards what arrives until the peer ends too: ready at its end or at an error.
    pub(crate) fn poll_discard(&mut self, cx: &Context<'_>) -> Poll<()> {
        loop {
            self.input.clear();
            if self.io.is_none() || self.read_end {
                return Poll::Ready(());
            }
            ready!(self.poll_fill(Role::Driver, cx));
        }
    }

    /// Closes the socket. A last, unwaited attempt is made to end it in good order (TLS close_notify).
    pub(crate) fn close(&mut self) {
        if let Some(mut io) = self.io.take() {
            let mut cx = Context::from_waker(Waker::noop());
            if self.shutdown != Shutdown::Done {
                let _ = Pin::new(&mut io).poll_shutdown(&mut cx);
            }
        }
        self.fail(ConnError::Closed);
        self.waiting.wake_by_ref();
    }

    /// Whether an idle connection is still usable: nothing came and it did not end. Does not wait.
    pub(crate) fn is_quiet(&mut self) -> bool {
        if self.is_closed() || self.read_end || !self.input.is_empty() {
            return false;
        }
        let Some(io) = &mut self.io else { return false };
        // The waker that it was asked with before is lost by this.
        self.read_waits = false;
        let mut probe = [0_u8; 1];
        let mut buffer = tokio::io::ReadBuf::new(&mut probe);
        let mut cx = Context::from_waker(Waker::noop());
        if Pin::new(io).poll_read(&mut cx, &mut buffer).is_pending() {
            return true;
        }
        self.close();
        false
    }
}
