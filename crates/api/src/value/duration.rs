//! Durations, as Go writes them: `5s`, `0.5s`, `1h30m`, `250ms`.

use std::time::Duration;

use crate::decode::Decode;
use crate::decode::tree::Node;
use crate::diagnostic::{Code, Severity};
use crate::report::Report;

/// Shortest duration of most fields (the CRDs' rule).
const SHORTEST: Duration = Duration::from_millis(1);

/// Longest duration, about 292 years: what Go's time.Duration holds.
const LONGEST: Duration = Duration::from_nanos(i64::MAX as u64);

impl Decode for Duration {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        read(node, report, SHORTEST)
    }
}

/// Reads a duration that is not shorter than `least`.
pub(crate) fn read(node: &Node<'_>, report: &mut Report, least: Duration) -> Option<Duration> {
    let text = String::decode(node, report)?;
    let refuse = |report: &mut Report, message, hint: &str| {
        report.record(Severity::Error, Code::Duration, Some(node.place), message, Some(hint.to_owned()));
        None
    };
    match parse(&text) {
        Some(duration) if duration < least => {
            let message = format!("{} is too short", crate::decode::shorten(&text));
            refuse(report, message, "1ms is the shortest; leave the field out for its default")
        }
        Some(duration) => Some(duration),
        None => {
            let message = format!("{:?} is not a duration", crate::decode::shorten(&text));
            refuse(report, message, "write 5s, 250ms or 1m30s")
        }
    }
}

/// Reads one or more decimal numbers, each with its unit.
fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut sum: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let units = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(units);
        let nanos: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || number.len() > 40 {
            return None;
        }
        if !whole.is_empty() {
            sum = sum.checked_add(whole.parse::<u128>().ok()?.checked_mul(nanos)?)?;
        }
        // Nine decimals reach every nanosecond of a second, fifteen those of an hour.
        let fraction = fraction.get(..15.min(fraction.len()))?;
        if !fraction.is_empty() {
            let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
            sum = sum.checked_add(fraction.parse::<u128>().ok()?.checked_mul(nanos)? / scale)?;
        }
        rest = after;
    }
    let duration = Duration::from_nanos(u64::try_from(sum).ok()?);
    (!text.is_empty() && duration <= LONGEST).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("5s", 5_000),
            ("0.5s", 500),
            (".5s", 500),
            ("250ms", 250),
            ("15m", 900_000),
            ("1h30m0.25s", 5_400_250),
            ("0s", 0),
            ("0", 0),
            ("1000us", 1),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "5", "s", ".s", "-5s", "+5s", "5 s", "1e3s", "5d", "5s5", "1..5s", "9999999999999h", "٣s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
