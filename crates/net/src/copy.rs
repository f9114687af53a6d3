//! Copying between two connections in both directions.
//!
//! ```text
//!        ┌── Lane a→b: read a ─► bytes ─► write b ──┐
//!   a ◄──┤                                          ├──► b
//!        └── Lane b→a: write a ◄─ bytes ◄─ read b ──┘
//! ```
//!
//! A side that ends half-closes the other (FIN passes on as FIN) while the opposite direction goes on.
//! An error of either side ends both, once the other has what was read before it ([`FLUSH_LIMIT`]).
//! A TLS peer that goes without close_notify has ended, not failed, as in Envoy.

pub(crate) mod buffers;
mod kernel;
mod lane;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::stream::Stream;
use lane::Lane;

/// First size of a direction's buffer, bytes.
pub const BUFFER_MIN: usize = 16 * 1024;
/// Size to which it grows when reads fill it, bytes.
pub const BUFFER_MAX: usize = 64 * 1024;
/// Bytes of one direction after which the kernel may move the rest (`splice(2)`), as long as it comes in
/// large pieces.
pub const SPLICE_AFTER: u64 = 64 * 1024;

/// Time in which the other side may take what was read before one side failed; that long a slow reader
/// can hold a dead pair.
pub const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// One of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first: downstream, by custom.
    A,
    /// The second: upstream, by custom.
    B,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// How a side's connection stood when copying was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Neither ended nor failed: the other side or the idle timeout ended it.
    #[default]
    Open,
    /// It sent its end (FIN, or TLS close_notify).
    Eof,
    /// It was reset, or writing found it closed.
    Reset,
    /// Another error.
    Failed(io::ErrorKind),
}

impl End {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Self::Reset
            }
            kind => Self::Failed(kind),
        }
    }

    fn is_error(self) -> bool {
        matches!(self, Self::Reset | Self::Failed(_))
    }
}

/// What happened, for the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Bytes read from A.
    pub from_a: u64,
    /// Bytes read from B.
    pub from_b: u64,
    /// How A ended.
    pub a: End,
    /// How B ended.
    pub b: End,
    /// Which side ended first; `None` when the idle timeout ended both.
    pub first: Option<Side>,
    /// Nothing moved for the idle time.
    pub idle: bool,
}

/// How to copy.
#[derive(Clone, Copy, Debug)]
pub struct CopyOptions {
    /// Time without a byte either way after which copying ends (`None`: no limit; Envoy
    /// `idle_timeout` of the TCP proxy, default 1 h there).
    pub idle: Option<Duration>,
    /// Bytes after which the kernel moves the rest, between two TCP sockets ([`SPLICE_AFTER`];
    /// `u64::MAX`: never).
    pub splice_after: u64,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { idle: None, splice_after: SPLICE_AFTER }
    }
}

/// Told of bytes as they come: for live counters.
pub trait Meter {
    /// `bytes` more were read from `side`.
    fn read(&mut self, side: Side, bytes: u64);
}

impl Meter for () {
    fn read(&mut self, _side: Side, _bytes: u64) {}
}

impl<F: FnMut(Side, u64)> Meter for F {
    fn read(&mut self, side: Side, bytes: u64) {
        self(side, bytes);
    }
}

/// Copies between any two streams until both ended, one failed, or the idle time passed. `early` was
/// read from A already and goes to B first; it counts as read.
pub async fn copy<A, B>(
    a: &mut A,
    b: &mut B,
    early: BytesMut,
    options: CopyOptions,
    meter: &mut impl Meter,
) -> CopyReport
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    run(&mut Userspace { a, b }, early, options, meter).await
}

/// As [`copy`], for bare sockets: large transfers between two TCP sockets stay in the kernel. Both are to
/// be dropped afterwards: the last of the two ends is said by closing.
pub async fn copy_sockets(
    a: &mut Stream,
    b: &mut Stream,
    early: BytesMut,
    options: CopyOptions,
    meter: &mut impl Meter,
) -> CopyReport {
    match (a, b) {
        (Stream::Tcp(a), Stream::Tcp(b)) => {
            let after = options.splice_after;
            run(&mut Sockets { a, b, after }, early, options, meter).await
        }
        (a, b) => copy(a, b, early, options, meter).await,
    }
}

/// The way in which a lane moves its bytes.
trait Mover {
    /// Moves what can be moved from `from` to the other side; ready when the lane is over.
    fn poll_lane(&mut self, from: Side, lane: &mut Lane, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether dropping both connections, once both lanes are over, says all that an orderly end says.
    fn ends_by_drop(&self) -> bool {
        false
    }
}

struct Userspace<'s, A, B> {
    a: &'s mut A,
    b: &'s mut B,
}

impl<A, B> Mover for Userspace<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_lane(&mut self, from: Side, lane: &mut Lane, cx: &mut Context<'_>) -> Poll<()> {
        match from {
            Side::A => lane.poll_move(cx, Pin::new(self.a), Pin::new(self.b)),
            Side::B => lane.poll_move(cx, Pin::new(self.b), Pin::new(self.a)),
        }
    }
}

struct Sockets<'s> {
    a: &'s mut TcpStream,
    b: &'s mut TcpStream,
    after: u64,
}

impl Mover for Sockets<'_> {
    fn poll_lane(&mut self, from: Side, lane: &mut Lane, cx: &mut Context<'_>) -> Poll<()> {
        match from {
            Side::A => lane.poll_sockets(cx, self.a, self.b, self.after),
            Side::B => lane.poll_sockets(cx, self.b, self.a, self.after),
        }
    }

    fn ends_by_drop(&self) -> bool {
        true
    }
}

async fn run(
    mover: &mut impl Mover,
    early: BytesMut,
    options: CopyOptions,
    meter: &mut impl Meter,
) -> CopyReport {
    let mut report = CopyReport::default();
    let mut from_a = Lane::starting_with(early);
    let mut from_b = Lane::default();
    let mut last = Instant::now();
    let mut flushing = false;
    // Kept far away when there is no idle limit: then it never fires.
    let never = Duration::from_secs(86_400 * 365);
    let mut timer = std::pin::pin!(tokio::time::sleep(options.idle.unwrap_or(never)));
    poll_fn(|cx| {
        let done_a = mover.poll_lane(Side::A, &mut from_a, cx).is_ready();
        report.note(Side::A, &from_a);
        from_b.last = done_a && mover.ends_by_drop();
        let done_b = mover.poll_lane(Side::B, &mut from_b, cx).is_ready();
        report.note(Side::B, &from_b);
        from_a.last = done_b && mover.ends_by_drop();
        for (side, lane) in [(Side::A, &mut from_a), (Side::B, &mut from_b)] {
            let read = lane.take_unreported();
            if read > 0 {
                meter.read(side, read);
            }
            if lane.take_moved() && options.idle.is_some() {
                last = Instant::now();
            }
        }
        if done_a && done_b {
            return Poll::Ready(());
        }
        let (a_failed, b_failed) = (report.a.is_error(), report.b.is_error());
        if a_failed || b_failed {
            // What was read before the error still goes to the other side.
            let rest = (a_failed && !b_failed && !done_a) || (b_failed && !a_failed && !done_b);
            if !flushing {
                flushing = true;
                timer.as_mut().reset(Instant::now() + FLUSH_LIMIT);
            }
            let over = !rest || timer.as_mut().poll_elapsed_at(cx);
            return if over { Poll::Ready(()) } else { Poll::Pending };
        }
        let Some(idle) = options.idle else { return Poll::Pending };
        while timer.as_mut().poll_elapsed_at(cx) {
            let until = last + idle;
            if until <= Instant::now() {
                report.idle = true;
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    })
    .await;
    report.from_a = from_a.bytes;
    report.from_b = from_b.bytes;
    report
}

/// Polling a timer as a question.
trait Elapsed {
    fn poll_elapsed_at(self, cx: &mut Context<'_>) -> bool;
}

impl Elapsed for Pin<&mut tokio::time::Sleep> {
    fn poll_elapsed_at(self, cx: &mut Context<'_>) -> bool {
        std::future::Future::poll(self, cx).is_ready()
    }
}

impl CopyReport {
    /// Takes over what a lane knows of the two sides; what came first stays.
    fn note(&mut self, from: Side, lane: &Lane) {
        for (side, end) in [(from, lane.source_end), (from.other(), lane.sink_end)] {
            if end == End::Open {
                continue;
            }
            self.first.get_or_insert(side);
            let known = match side {
                Side::A => &mut self.a,
                Side::B => &mut self.b,
            };
            // An error after an orderly end is the worse news, and the end of it.
            if *known == End::Open || (*known == End::Eof && end.is_error()) {
                *known = end;
            }
        }
    }
}

#[cfg(test)]
mod tests;
