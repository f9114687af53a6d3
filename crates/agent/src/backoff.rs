//! How long to wait before the next attempt.

use std::time::Duration;

use weft_types::random::Random;

/// Wait after the first failure.
pub const FIRST: Duration = Duration::from_millis(250);
/// Longest wait, before jitter.
pub const LONGEST: Duration = Duration::from_secs(15);

/// The wait after `failures` failures in a row (at least 1): doubled each time up to [`LONGEST`], of which
/// `dice` (0..1) takes away up to half, so that proxies that failed together do not come back together.
#[must_use]
pub fn wait(failures: u32, dice: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let dice = if dice.is_nan() { 0.0 } else { dice.clamp(0.0, 1.0) };
    doubled.mul_f64(1.0 - dice / 2.0)
}

/// A number over 0..1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are a double's own precision")]
pub(crate) fn dice(random: &mut impl Random) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_somewhere() {
        assert_eq!(wait(1, 0.0), FIRST);
        assert_eq!(wait(2, 0.0), FIRST * 2);
        assert_eq!(wait(u32::MAX, 0.0), LONGEST);
        assert_eq!(wait(1, 1.0), FIRST / 2);
        assert_eq!(wait(1, f64::NAN), FIRST);
    }
}
