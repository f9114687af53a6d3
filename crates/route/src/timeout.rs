//! How long a request may take.

use std::time::Duration;

use weft_tables::route::{Forward, RetryPolicy};
use weft_types::RequestHead;

use crate::matching::is_grpc;

/// The limits of one request; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From the end of the request to the end of the response.
    pub global: Option<Duration>,
    /// For each try.
    pub per_try: Option<Duration>,
    /// Without bytes in a try.
    pub per_try_idle: Option<Duration>,
    /// The stream as a whole, from its head on.
    pub max_stream: Option<Duration>,
}

/// The limits of a request by its route, retry policy and headers
/// (`x-envoy-upstream-rq-timeout-ms`, `x-envoy-upstream-rq-per-try-timeout-ms`, `grpc-timeout`).
#[must_use]
pub fn timeouts(
    forward: &Forward,
    retry: Option<&RetryPolicy>,
    manager_max_stream: Option<Duration>,
    head: &RequestHead,
) -> Timeouts {
    let milliseconds = |name: &str| {
        head.headers.get_str(name).and_then(|v| v.parse::<u64>().ok()).map(Duration::from_millis)
    };
    let mut global = forward.timeout;
    let mut per_try = retry.and_then(|r| r.per_try_timeout);
    if let Some(wanted) = milliseconds("x-envoy-upstream-rq-timeout-ms") {
        global = Some(wanted).filter(|d| !d.is_zero());
    }
    if let Some(wanted) = milliseconds("x-envoy-upstream-rq-per-try-timeout-ms") {
        per_try = Some(wanted).filter(|d| !d.is_zero());
    }
    // A try that may last as long as the whole, or longer, has no limit of its own.
    if let (Some(all), Some(one)) = (global, per_try)
        && one >= all
    {
        per_try = None;
    }
    Timeouts {
        global,
        per_try,
        per_try_idle: retry.and_then(|r| r.per_try_idle_timeout),
        max_stream: max_stream(forward, manager_max_stream, head),
    }
}

fn max_stream(forward: &Forward, manager: Option<Duration>, head: &RequestHead) -> Option<Duration> {
    let route = &forward.max_stream_duration;
    if let Some(bound) = route.grpc_timeout_max
        && is_grpc(head)
        && let Some(mut wanted) = head.headers.get_str("grpc-timeout").and_then(grpc_timeout)
    {
        if let Some(offset) = route.grpc_timeout_offset
            && wanted > offset
        {
            wanted -= offset;
        }
        if !bound.is_zero() {
            wanted = wanted.min(bound);
        }
        return Some(wanted).filter(|d| !d.is_zero());
    }
    route.limit.or(manager).filter(|d| !d.is_zero())
}

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
