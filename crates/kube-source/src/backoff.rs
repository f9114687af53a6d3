//! Pauses between attempts that fail.

use std::time::Duration;

/// First pause.
const FIRST: Duration = Duration::from_millis(100);
/// Longest pause. An API server that comes back is asked again within that time.
const LONGEST: Duration = Duration::from_secs(3);

/// Doubles from attempt to attempt.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    pub(crate) fn reset(&mut self) {
        self.0 = FIRST;
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }
}
