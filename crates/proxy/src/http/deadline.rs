//! The times by which something must have happened to an exchange.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use weft_http::clock;

use tokio::time::Instant;

use crate::timer::{Timer, Timers};

/// Which time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// The route's time for the response (UT).
    Global,
    /// The time for one try.
    PerTry,
    /// No bytes in one try.
    PerTryIdle,
    /// No activity on the stream (SI).
    Idle,
    /// Longest life of the stream, as the route says (DT).
    MaxStream,
    /// Longest life of the stream, as the connection manager says (DT).
    MaxDuration,
    /// The whole request took too long to arrive.
    Request,
    /// Longest life of a try's stream, as the cluster says (UMSDR).
    UpstreamMax,
}

/// The deadlines of an exchange. One timer serves them all: it sleeps to the earliest, and looks
/// again when it wakes, so that activity costs a store and no timer operation. The timer is one that
/// other exchanges used before and is armed still: a short exchange touches no timer wheel at all.
#[derive(Debug)]
pub(crate) struct Deadlines {
    timer: RefCell<Timer>,
    at: [Cell<Option<Instant>>; 8],
    idle: Cell<Option<Duration>>,
    try_idle: Cell<Option<Duration>>,
    last: Cell<Instant>,
}

const ORDER: [Expired; 8] = [
    Expired::Global,
    Expired::PerTry,
    Expired::PerTryIdle,
    Expired::Idle,
    Expired::MaxStream,
    Expired::MaxDuration,
    Expired::Request,
    Expired::UpstreamMax,
];

impl Deadlines {
    pub(crate) fn new(now: Instant, timers: &Rc<Timers>) -> Self {
        Self {
            timer: RefCell::new(Timer::new(timers.clone())),
            at: Default::default(),
            idle: Cell::new(None),
            try_idle: Cell::new(None),
            last: Cell::new(now),
        }
    }

    /// Sets or clears a deadline.
    pub(crate) fn set(&self, which: Expired, at: Option<Instant>) {
        self.at[which as usize].set(at);
    }

    /// Time without activity that is allowed.
    pub(crate) fn set_idle(&self, limit: Option<Duration>) {
        self.idle.set(limit);
    }

    /// Time without activity that one try is allowed.
    pub(crate) fn set_try_idle(&self, limit: Option<Duration>) {
        self.try_idle.set(limit);
    }

    /// Something moved.
    pub(crate) fn touch(&self) {
        if self.idle.get().is_some() || self.try_idle.get().is_some() {
            self.last.set(clock::now());
        }
    }

    fn earliest(&self) -> Option<(Instant, Expired)> {
        let idle = |limit: Option<Duration>, which| limit.map(|l| (self.last.get() + l, which));
        ORDER
            .iter()
            .zip(&self.at)
            .filter_map(|(which, at)| Some((at.get()?, *which)))
            .chain(idle(self.idle.get(), Expired::Idle))
            .chain(idle(self.try_idle.get(), Expired::PerTryIdle))
            .min_by_key(|(at, _)| *at)
    }

    /// Waits until a deadline has passed. Safe to cancel; one task at a time may wait.
    pub(crate) async fn expired(&self) -> Expired {
        poll_fn(|cx| self.poll_expired(cx)).await
    }

    fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<Expired> {
        let Some((at, which)) = self.earliest() else { return Poll::Pending };
        self.timer.borrow_mut().poll_at(at, cx).map(|()| which)
    }
}
