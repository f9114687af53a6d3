//! How long to wait before the next try.

use std::time::Duration;

/// Waits that double from try to try, each drawn between nothing and its bound (full jitter): many
/// proxies that lost one server do not come back as one.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    tries: u32,
}

impl Default for Backoff {
    /// From 250 ms up to 10 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(10))
    }
}

impl Backoff {
    /// The first wait is at most `base`, none is longer than `max`.
    #[must_use]
    pub fn new(base: Duration, max: Duration) -> Self {
        Self { base, max, tries: 0 }
    }

    /// The next wait; `draw` is a uniform random number.
    pub fn next(&mut self, draw: u64) -> Duration {
        let bound = self.base.saturating_mul(2u32.saturating_pow(self.tries)).min(self.max);
        self.tries = self.tries.saturating_add(1).min(31);
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(draw % micros)
    }

    /// It worked: the next wait is short again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_shrink_after_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let longest = |b: &mut Backoff| b.next(u64::MAX).as_millis() + 1;
        for bound in [100, 200, 400, 800, 1000, 1000] {
            let bound = Duration::from_millis(bound);
            let mut probe = backoff.clone();
            let drawn = probe.next(u64::try_from(bound.as_micros()).unwrap() - 1);
            assert_eq!(drawn, bound - Duration::from_micros(1));
            assert!(longest(&mut backoff) <= bound.as_millis() + 1);
        }
        backoff.reset();
        assert!(backoff.next(u64::MAX) < Duration::from_millis(100));
        for _ in 0..100 {
            assert!(backoff.next(u64::MAX) < Duration::from_secs(1));
        }
    }
}
