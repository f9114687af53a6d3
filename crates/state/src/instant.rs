//! Points in time as atomics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A point in time that threads may set and read, kept as nanoseconds after an origin that the owner
/// supplies with each call; unset at first.
#[derive(Debug, Default)]
pub struct AtomicInstant(AtomicU64);

impl AtomicInstant {
    /// Sets the time. Times before the origin count as the origin.
    pub fn set(&self, origin: Instant, time: Instant) {
        let nanos = u64::try_from(time.saturating_duration_since(origin).as_nanos()).unwrap_or(u64::MAX - 1);
        self.0.store(nanos.saturating_add(1), Relaxed);
    }

    /// Takes the time away.
    pub fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    /// The time, if one is set.
    #[must_use]
    pub fn get(&self, origin: Instant) -> Option<Instant> {
        let stored = self.0.load(Relaxed);
        origin.checked_add(Duration::from_nanos(stored.checked_sub(1)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_time_and_tells_unset_from_the_origin() {
        let origin = Instant::now();
        let time = AtomicInstant::default();
        assert_eq!(time.get(origin), None);
        time.set(origin, origin);
        assert_eq!(time.get(origin), Some(origin));
        let later = origin + Duration::from_millis(1500);
        time.set(origin, later);
        assert_eq!(time.get(origin), Some(later));
        time.clear();
        assert_eq!(time.get(origin), None);
    }
}
