//! Token buckets.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// A token bucket shared by all workers (`envoy.type.v3.TokenBucket`; local rate limit, connection
/// rate limit). It starts full and is filled by `tokens_per_fill` each `fill_interval`, up to
/// `max_tokens`. Keep buckets in a [`crate::Registry`] by the key that the filter's configuration
/// makes, so that they outlive it.
#[derive(Debug)]
pub struct TokenBucket {
    level: Mutex<Fill>,
}

#[derive(Debug)]
struct Fill {
    tokens: u32,
    filled_at: Instant,
}

/// Size and pace of a bucket, from the current configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Most tokens at once.
    pub max_tokens: u32,
    /// Tokens that each interval adds.
    pub tokens_per_fill: u32,
    /// Interval; never zero.
    pub fill_interval: Duration,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(pace: &Pace, now: Instant) -> Self {
        Self { level: Mutex::new(Fill { tokens: pace.max_tokens, filled_at: now }) }
    }

    /// Takes a token; false when none is left.
    #[must_use]
    pub fn try_take(&self, pace: &Pace, now: Instant) -> bool {
        let mut fill = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        fill.top_up(pace, now);
        let granted = fill.tokens > 0;
        fill.tokens = fill.tokens.saturating_sub(1);
        granted
    }

    /// Tokens left now, and the time until the next fill (`x-ratelimit-*` headers).
    #[must_use]
    pub fn remaining(&self, pace: &Pace, now: Instant) -> (u32, Duration) {
        let mut fill = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        fill.top_up(pace, now);
        let next = fill.filled_at + pace.fill_interval;
        (fill.tokens, next.saturating_duration_since(now))
    }
}

impl Fill {
    fn top_up(&mut self, pace: &Pace, now: Instant) {
        let interval = pace.fill_interval.max(Duration::from_nanos(1));
        let elapsed = now.saturating_duration_since(self.filled_at);
        let fills = elapsed.as_nanos() / interval.as_nanos();
        if fills > 0 {
            let added = fills.saturating_mul(u128::from(pace.tokens_per_fill));
            let tokens = added.saturating_add(u128::from(self.tokens));
            self.tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
            let rest = elapsed.as_nanos() % interval.as_nanos();
            self.filled_at =
                now.checked_sub(Duration::from_nanos(u64::try_from(rest).unwrap_or(0))).unwrap_or(now);
        }
        self.tokens = self.tokens.min(pace.max_tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { max_tokens: 3, tokens_per_fill: 2, fill_interval: Duration::from_secs(1) };

    #[test]
    fn starts_full_and_fills_by_whole_intervals() {
        let start = Instant::now();
        let bucket = TokenBucket::new(&PACE, start);
        assert_eq!((0..5).filter(|_| bucket.try_take(&PACE, start)).count(), 3);
        let almost = start + Duration::from_millis(999);
        assert!(!bucket.try_take(&PACE, almost));
        let later = start + Duration::from_millis(1500);
        assert_eq!(bucket.remaining(&PACE, later), (2, Duration::from_millis(500)));
        assert_eq!((0..5).filter(|_| bucket.try_take(&PACE, later)).count(), 2);
        // The half second that was left over counts: the next fill is at 2 s, not at 2.5 s.
        assert!(bucket.try_take(&PACE, start + Duration::from_secs(2)));
    }

    #[test]
    fn a_long_pause_fills_no_higher_than_the_maximum_and_a_smaller_pace_takes_effect() {
        let start = Instant::now();
        let bucket = TokenBucket::new(&PACE, start);
        let later = start + Duration::from_secs(1_000_000);
        assert_eq!(bucket.remaining(&PACE, later).0, 3);
        let smaller = Pace { max_tokens: 1, ..PACE };
        assert_eq!((0..5).filter(|_| bucket.try_take(&smaller, later)).count(), 1);
    }
}
