//! Timers that are handed on while they are armed.
//!
//! A timer of the runtime costs a lock and a move within its wheel each time that it is set or cleared.
//! Most exchanges end long before any of their times: so a timer that is no longer wanted stays armed
//! and goes to the next who wants one. If that one's time is later, nothing is set: the timer wakes it
//! early, once, and is set then.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Most timers that are kept; each takes about 120 bytes.
const KEPT: usize = 1024;

/// The timers of a worker that nobody uses now.
#[derive(Debug, Default)]
pub(crate) struct Timers(RefCell<Vec<Pin<Box<Sleep>>>>);

/// A timer on loan; it takes one of the runtime's when it is first waited for.
#[derive(Debug)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    from: Rc<Timers>,
}

impl Timer {
    pub(crate) fn new(from: Rc<Timers>) -> Self {
        Self { sleep: None, from }
    }

    /// Ready once `at` has passed; may be asked with another time at each call.
    pub(crate) fn poll_at(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let from = &self.from;
        let sleep = self
            .sleep
            .get_or_insert_with(|| from.0.borrow_mut().pop().unwrap_or_else(|| Box::pin(sleep_until(at))));
        loop {
            if sleep.deadline() > at || sleep.is_elapsed() && sleep.deadline() < at {
                sleep.as_mut().reset(at);
            }
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= at {
                return Poll::Ready(());
            }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(sleep) = self.sleep.take() {
            let mut kept = self.from.0.borrow_mut();
            if kept.len() < KEPT {
                kept.push(sleep);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_handed_on_waits_for_the_time_it_is_asked_for() {
        let timers = Rc::new(Timers::default());
        let begun = Instant::now();
        let wait = async |after: u64| {
            let mut timer = Timer::new(timers.clone());
            poll_fn(|cx| timer.poll_at(begun + Duration::from_millis(after), cx)).await;
            begun.elapsed().as_millis()
        };
        assert_eq!(wait(20).await, 20);
        // Given up while armed for later, then asked for sooner; then asked for later than it is armed for.
        let given_up = tokio::time::timeout(Duration::from_millis(10), wait(500)).await;
        assert!(given_up.is_err());
        assert_eq!(wait(60).await, 60);
        let given_up = tokio::time::timeout(Duration::from_millis(10), wait(100)).await;
        assert!(given_up.is_err());
        assert_eq!(wait(300).await, 300);
        assert_eq!(timers.0.borrow().len(), 1);
    }
}
