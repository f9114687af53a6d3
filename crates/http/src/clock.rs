//! The time, read once a turn.
//!
//! A request asks for the time a score of times: when its head came, when its upstream began, which
//! deadline is next. Each reading costs as much as a small system call on some machines, and within one
//! poll of a task nothing but microseconds pass. So a task that runs by [`turns`] reads each clock at most
//! once a poll.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use pin_project_lite::pin_project;
use tokio::time::Instant;

thread_local! {
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

/// The times that were read in the turn that runs.
#[derive(Clone, Copy, Default)]
struct Turn {
    now: Option<Instant>,
    wall: Option<SystemTime>,
}

/// The time: of this turn within [`turns`], else of this moment.
#[must_use]
pub fn now() -> Instant {
    let Some(turn) = TURN.get() else { return Instant::now() };
    turn.now.unwrap_or_else(|| {
        let now = Instant::now();
        TURN.set(Some(Turn { now: Some(now), ..turn }));
        now
    })
}

/// The time of day: of this turn within [`turns`], else of this moment.
#[must_use]
pub fn wall() -> SystemTime {
    let Some(turn) = TURN.get() else { return SystemTime::now() };
    turn.wall.unwrap_or_else(|| {
        let wall = SystemTime::now();
        TURN.set(Some(Turn { wall: Some(wall), ..turn }));
        wall
    })
}

/// Runs a task whose polls each see one time.
pub fn turns<F: Future>(task: F) -> Turns<F> {
    Turns { task }
}

pin_project! {
    /// What [`turns`] makes. A type of its own, since an `async fn` would hold its task twice.
    #[derive(Debug)]
    pub struct Turns<F> {
        #[pin]
        task: F,
    }
}

impl<F: Future> Future for Turns<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _over = Over(TURN.replace(Some(Turn::default())));
        self.project().task.poll(cx)
    }
}

/// Puts back what was before, also when the task panics.
struct Over(Option<Turn>);

impl Drop for Over {
    fn drop(&mut self) {
        TURN.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_turn_has_one_time_and_the_next_has_another() {
        let pause = || std::thread::sleep(Duration::from_millis(2));
        turns(async {
            let (first, wall) = (now(), super::wall());
            pause();
            assert_eq!((now(), super::wall()), (first, wall));
            tokio::task::yield_now().await;
            assert!(now() >= first + Duration::from_millis(2) && super::wall() > wall);
        })
        .await;
        let first = now();
        pause();
        assert!(now() > first, "outside of turns time flows");
    }
}
