//! The state of one connection and its socket: reading, writing, shutting down.
//!
//! What arrives is handed to streams in `dispatch`, what streams send is in `sending`, what their
//! readers take is in `receiving`. Nothing here waits: every `poll_*` returns at once.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::Instant;
use weft_codec::{Codec, Side, StreamId};
use weft_types::RequestHead;

use crate::stream::{Item, Streams};
use crate::wake::{Role, WakeSet};
use crate::{AnyCodec, ConnCounters, ConnError, ConnOptions, Io};

/// Pieces given to one vectored write.
const WRITE_SLICES: usize = 32;

/// Item queues kept for the next streams of a connection.
const KEPT_QUEUES: usize = 4;

/// How far the sending direction of the socket has been ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    No,
    Wanted,
    Done,
}

/// One connection.
pub(crate) struct Connection {
    io: Option<Box<dyn Io>>,
    pub(crate) codec: AnyCodec,
    pub(crate) options: ConnOptions,
    pub(crate) input: BytesMut,
    pub(crate) streams: Streams,
    /// A request that arrived and was not accepted yet; nothing more is parsed meanwhile.
    pub(crate) arrived: Option<(StreamId, Box<RequestHead>)>,
    /// Why the connection is over; the first cause stays.
    pub(crate) error: Option<ConnError>,
    /// Whether `accept` has told of `error`.
    pub(crate) error_told: bool,
    /// The peer ended its sending direction.
    pub(crate) read_end: bool,
    /// The codec has been told of `read_end` and has said all.
    pub(crate) read_end_told: bool,
    /// Writing failed: output is thrown away, but what the peer sent before can still be read.
    pub(crate) write_failed: bool,
    pub(crate) shutdown: Shutdown,
    /// The peer takes no new streams.
    pub(crate) peer_draining: bool,
    /// Output passed the high watermark and has not yet fallen below the low one.
    congested: bool,
    /// One task drives the socket for all streams (HTTP/2), or each stream's futures do (HTTP/1.x).
    pub(crate) driven: bool,
    /// A task writes what a sender left behind.
    pub(crate) flushing: bool,
    /// No one can open streams here any more (client side).
    pub(crate) abandoned: bool,
    /// Wire bytes consumed that no event has claimed yet.
    pub(crate) unclaimed: usize,
    pub(crate) counters: ConnCounters,
    pub(crate) heartbeat_acks: u64,
    pub(crate) last_activity: Instant,
    pub(crate) waiting: Arc<WakeSet>,
    socket_waker: Waker,
    needs_flush: bool,
    read_size: usize,
    spare_queues: Vec<VecDeque<Item>>,
}

impl Connection {
    pub(crate) fn new(io: Box<dyn Io>, codec: AnyCodec, options: ConnOptions, prefix: BytesMut) -> Self {
        let waiting = Arc::new(WakeSet::default());
        Self {
            io: Some(io),
            driven: codec.is_multiplexed(),
            codec,
            streams: Streams::default(),
            arrived: None,
            error: None,
            error_told: false,
            read_end: false,
            read_end_told: false,
            write_failed: false,
            shutdown: Shutdown::No,
            peer_draining: false,
            congested: false,
            flushing: false,
            abandoned: false,
            unclaimed: 0,
            counters: ConnCounters { received: prefix.len() as u64, ..ConnCounters::default() },
            input: prefix,
            heartbeat_acks: 0,
            last_activity: Instant::now(),
            socket_waker: Waker::from(waiting.clone()),
            waiting,
            needs_flush: false,
            read_size: options.read_initial,
            spare_queues: Vec::new(),
            options,
        }
    }

    /// Whether nothing more can be received or sent.
    pub(crate) fn is_closed(&self) -> bool {
        self.io.is_none() || self.error.is_some()
    }

    /// Whether senders must wait for output to be written.
    pub(crate) fn is_congested(&self) -> bool {
        self.congested
    }

    /// Bytes that may be added to the output before senders must wait; 0 when congested.
    pub(crate) fn output_room(&mut self) -> usize {
        let waiting = self.codec.output().len();
        if waiting >= self.options.high_watermark {
            self.congested = true;
        }
        if self.congested { 0 } else { self.options.high_watermark - waiting }
    }

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
        if self.input.capacity() == 0 {
            self.input = self.options.buffers.take(self.options.read_initial);
        }
        if self.input.capacity() - self.input.len() < self.read_size / 2 {
            self.input.reserve(self.read_size);
        }
        let room = self.input.capacity() - self.input.len();
        self.waiting.register(role, cx.waker());
        let mut socket_cx = Context::from_waker(&self.socket_waker);
        let result = pin!(io.read_buf(&mut self.input)).poll(&mut socket_cx);
        match result {
            Poll::Pending => {
                if self.input.is_empty() {
                    self.options.buffers.give(std::mem::take(&mut self.input));
                }
                return Poll::Pending;
            }
            Poll::Ready(Ok(0)) => self.read_end = true,
            Poll::Ready(Ok(count)) => {
                self.counters.received += count as u64;
                self.last_activity = Instant::now();
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
            self.last_activity = Instant::now();
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
            self.streams.values_mut().for_each(crate::stream::Stream::wake_sender);
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
            self.streams.values_mut().for_each(crate::stream::Stream::wake_sender);
        }
    }

    /// Forgets a stream whose handles are gone.
    pub(crate) fn forget(&mut self, id: StreamId) {
        if let Some(mut stream) = self.streams.remove(&id) {
            stream.queue.clear();
            if stream.queue.capacity() > 0 && self.spare_queues.len() < KEPT_QUEUES {
                self.spare_queues.push(stream.queue);
            }
        }
        self.waiting.wake_role(Role::Driver);
        if self.driven || !self.streams.is_empty() {
            return;
        }
        if self.abandoned {
            self.close();
        } else if !self.flushing {
            self.waiting.clear();
        }
    }

    /// An empty queue for a new stream.
    pub(crate) fn fresh_queue(&mut self) -> VecDeque<Item> {
        self.spare_queues.pop().unwrap_or_default()
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

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}
