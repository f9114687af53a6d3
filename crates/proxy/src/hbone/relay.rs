//! Bytes between a connection and a stream: pieces are handed on, not copied.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Sleep, sleep};
use weft_http::clock;
use weft_net::copy::{BUFFER_MAX, BUFFER_MIN, FLUSH_LIMIT, Meter};
use weft_net::{CopyReport, End, Side};

use super::buffers;
use super::tunnel::Tunnel;

/// Rounds of one poll: fast peers must not keep a worker to themselves.
const ROUNDS: usize = 16;
/// Pieces of one write.
const SLICES: usize = 16;

/// Copies between `socket` and `tunnel` until both ways have ended, one side fails, or nothing has moved
/// for the idle time. `early` was read from the socket already. `side` is the socket's, for the report.
pub(crate) async fn relay<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut S,
    tunnel: &mut Tunnel,
    side: Side,
    early: BytesMut,
    idle: Option<Duration>,
    meter: &mut impl Meter,
) -> CopyReport {
    let mut out = Out { bytes: early.len() as u64, held: early.freeze(), size: BUFFER_MIN, ..Out::default() };
    let mut back = Back::default();
    let (mut report, mut counted) = (CopyReport::default(), (0, 0));
    let mut last = clock::now();
    let mut timer: Pin<&mut Option<Sleep>> = pin!(idle.map(sleep));
    let mut flushing = false;
    poll_fn(|cx| {
        let sent = out.poll(socket, tunnel, cx).is_ready();
        note(&mut report, side, [out.source, back.sink], [back.source, out.sink]);
        let came = back.poll(socket, tunnel, cx).is_ready();
        note(&mut report, side, [out.source, back.sink], [back.source, out.sink]);
        let now = (out.bytes, back.bytes);
        if now != counted {
            meter.read(side, now.0 - counted.0);
            meter.read(side.other(), now.1 - counted.1);
            counted = now;
            if idle.is_some() {
                last = clock::now();
            }
        }
        if sent && came {
            return Poll::Ready(());
        }
        let failed = |end: End| !matches!(end, End::Open | End::Eof);
        if failed(report.a) || failed(report.b) {
            // What was read before the error still goes to the other side, if that lives.
            let rest = failed(report.a) != failed(report.b) && !(sent && came);
            if !flushing {
                flushing = true;
                timer.set(Some(sleep(FLUSH_LIMIT)));
            }
            let over = !rest || out.is_idle() && back.is_idle() || elapsed(timer.as_mut(), cx);
            return if over { Poll::Ready(()) } else { Poll::Pending };
        }
        let Some(idle) = idle else { return Poll::Pending };
        while elapsed(timer.as_mut(), cx) {
            let until = last + idle;
            if until <= clock::now() {
                report.idle = true;
                return Poll::Ready(());
            }
            timer.set(Some(tokio::time::sleep_until(until)));
        }
        Poll::Pending
    })
    .await;
    if report.first == Some(side) && matches!(if side == Side::A { report.a } else { report.b }, End::Reset) {
        // What broke here breaks there.
        tunnel.reset();
    }
    (report.from_a, report.from_b) =
        if side == Side::A { (out.bytes, back.bytes) } else { (back.bytes, out.bytes) };
    report
}

fn elapsed(timer: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> bool {
    timer.as_pin_mut().is_some_and(|timer| timer.poll(cx).is_ready())
}

/// Takes over how both sides stand; what came first stays.
fn note(report: &mut CopyReport, side: Side, socket: [End; 2], tunnel: [End; 2]) {
    for (which, ends) in [(side, socket), (side.other(), tunnel)] {
        for end in ends {
            if end == End::Open {
                continue;
            }
            report.first.get_or_insert(which);
            let known = if which == Side::A { &mut report.a } else { &mut report.b };
            if *known == End::Open || (*known == End::Eof && end != End::Eof) {
                *known = end;
            }
        }
    }
}

fn end_of(error: &io::Error) -> End {
    match error.kind() {
        // A TLS peer that goes without saying so has ended.
        io::ErrorKind::UnexpectedEof => End::Eof,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            End::Reset
        }
        kind => End::Failed(kind),
    }
}

/// From the socket into the stream.
#[derive(Default)]
struct Out {
    bytes: u64,
    held: Bytes,
    /// Room made for the next read.
    size: usize,
    source: End,
    sink: End,
    over: bool,
}

impl Out {
    fn is_idle(&self) -> bool {
        self.over || self.held.is_empty()
    }

    fn poll<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        tunnel: &mut Tunnel,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        for _ in 0..ROUNDS {
            if self.over {
                return Poll::Ready(());
            }
            if !self.held.is_empty()
                && let Err(error) = ready!(tunnel.poll_send(&mut self.held, false, cx))
            {
                return self.sink_failed(&error);
            }
            match self.source {
                End::Open => {}
                End::Eof => {
                    if let Err(error) = ready!(tunnel.poll_send(&mut Bytes::new(), true, cx)) {
                        return self.sink_failed(&error);
                    }
                    self.over = true;
                    continue;
                }
                End::Reset | End::Failed(_) => {
                    self.over = true;
                    continue;
                }
            }
            let mut buffer = buffers::take(self.size);
            let room = buffer.capacity();
            let read = pin!(socket.read_buf(&mut buffer)).poll(cx);
            match read {
                Poll::Pending => {
                    buffers::give(buffer);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => self.source = End::Eof,
                Poll::Ready(Ok(count)) => {
                    self.bytes += count as u64;
                    self.held = buffer.split().freeze();
                    if count == room {
                        self.size = (self.size * 2).min(BUFFER_MAX);
                    }
                }
                Poll::Ready(Err(error)) => self.source = end_of(&error),
            }
            buffers::give(buffer);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn sink_failed(&mut self, error: &io::Error) -> Poll<()> {
        self.sink = end_of(error);
        self.over = true;
        Poll::Ready(())
    }
}

/// From the stream into the socket.
#[derive(Default)]
struct Back {
    bytes: u64,
    held: VecDeque<Bytes>,
    source: End,
    sink: End,
    unflushed: bool,
    over: bool,
}

impl Back {
    fn is_idle(&self) -> bool {
        self.over || (self.held.is_empty() && !self.unflushed)
    }

    fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        tunnel: &mut Tunnel,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        for _ in 0..ROUNDS {
            if self.over {
                return Poll::Ready(());
            }
            let waits = self.fetch(tunnel, cx);
            if let Err(error) = ready!(self.poll_write(Pin::new(&mut *socket), cx)) {
                self.sink = end_of(&error);
                self.over = true;
                return Poll::Ready(());
            }
            match self.source {
                End::Open if waits => return Poll::Pending,
                End::Open => {}
                End::Eof => {
                    // Who is gone already has nothing to end.
                    let _ = ready!(Pin::new(&mut *socket).poll_shutdown(cx));
                    self.over = true;
                }
                End::Reset | End::Failed(_) => self.over = true,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes what has come, as much as one write takes; true if nothing more has.
    fn fetch(&mut self, tunnel: &mut Tunnel, cx: &mut Context<'_>) -> bool {
        while self.source == End::Open && self.held.len() < SLICES {
            // Once something is there, more is taken only if that needs no waiting.
            if !self.held.is_empty() && !tunnel.has_more() {
                return false;
            }
            match tunnel.poll_next(cx) {
                Poll::Ready(Ok(Some(piece))) => {
                    self.bytes += piece.len() as u64;
                    self.held.push_back(piece);
                }
                Poll::Ready(Ok(None)) => self.source = End::Eof,
                Poll::Ready(Err(error)) => self.source = end_of(&error),
                Poll::Pending => return true,
            }
        }
        false
    }

    /// Writes all that is held; ready when it is on its way.
    fn poll_write<W: AsyncWrite>(
        &mut self,
        mut sink: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(first) = self.held.front() {
            let mut count = if self.held.len() == 1 {
                ready!(sink.as_mut().poll_write(cx, first))?
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                for (slice, piece) in slices.iter_mut().zip(&self.held) {
                    *slice = IoSlice::new(piece);
                }
                let used = self.held.len().min(SLICES);
                ready!(sink.as_mut().poll_write_vectored(cx, &slices[..used]))?
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            while let Some(piece) = self.held.front_mut()
                && count > 0
            {
                let done = count.min(piece.len());
                piece.advance(done);
                count -= done;
                if piece.is_empty() {
                    self.held.pop_front();
                }
            }
        }
        if self.unflushed {
            ready!(sink.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
