//! The `grpc-timeout` header (gRPC over HTTP/2, "Requests").

use std::time::Duration;

/// Largest number that eight digits can write.
const MOST: u128 = 99_999_999;

/// Reads a `grpc-timeout`: at most eight digits and a unit of `HMSmun`.
#[must_use]
pub fn grpc_timeout(value: &str) -> Option<Duration> {
    let unit = value.chars().last()?;
    let digits = value.get(..value.len() - unit.len_utf8())?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(number.checked_mul(3600)?),
        'M' => Duration::from_secs(number.checked_mul(60)?),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Writes a timeout in the finest unit of milliseconds or above that has room for it.
pub(super) fn written(timeout: Duration) -> String {
    let milliseconds = timeout.as_millis();
    for (size, unit) in [(1, 'm'), (1_000, 'S'), (60_000, 'M')] {
        if milliseconds / size <= MOST {
            return format!("{}{unit}", milliseconds / size);
        }
    }
    format!("{}H", (milliseconds / 3_600_000).min(MOST))
}

/// The timeout that a gRPC request gets by its header (`max_grpc_timeout`, `grpc_timeout_offset`). Zero
/// stands for none, as header and as bound; an offset that would leave nothing is not taken off.
pub(super) fn bounded(
    wanted: Option<Duration>,
    most: Duration,
    offset: Option<Duration>,
) -> Option<Duration> {
    let mut timeout = wanted.unwrap_or_default();
    if let Some(offset) = offset
        && offset < timeout
    {
        timeout -= offset;
    }
    if !most.is_zero() && (timeout.is_zero() || timeout > most) {
        timeout = most;
    }
    Some(timeout).filter(|t| !t.is_zero())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_and_bounds() {
        for (value, want) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("0m", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("123456789m", None),
            ("m", None),
            ("", None),
            ("5x", None),
            ("-5m", None),
            ("5 m", None),
            ("5é", None),
        ] {
            assert_eq!(grpc_timeout(value), want, "{value}");
        }
    }

    proptest! {
        /// What is written reads as the same time, rounded down to the unit, and never as a longer one.
        #[test]
        fn written_times_read_back(milliseconds in 0u64..400_000_000_000) {
            let timeout = Duration::from_millis(milliseconds);
            let read = grpc_timeout(&written(timeout)).unwrap();
            prop_assert!(read <= timeout);
            prop_assert!(timeout - read < Duration::from_secs(3600));
            prop_assert!(milliseconds > 99_999_999 || read == timeout);
        }

        #[test]
        fn bounds_hold(wanted in prop::option::of(0u64..50), most in 0u64..50, offset in prop::option::of(0u64..50)) {
            let ms = Duration::from_millis;
            let got = bounded(wanted.map(ms), ms(most), offset.map(ms));
            prop_assert!(most == 0 || got.is_some_and(|t| t <= ms(most)));
            prop_assert!(got != Some(Duration::ZERO));
            prop_assert!(most != 0 || got <= wanted.map(ms));
        }
    }
}
