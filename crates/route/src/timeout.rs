//! How long a request may take.

use std::time::Duration;

use weft_tables::route::{Forward, MaxStreamDuration, RetryPolicy};
use weft_types::RequestHead;

use crate::matching::is_grpc;

mod grpc;

pub use grpc::grpc_timeout;

const GLOBAL: &str = "x-envoy-upstream-rq-timeout-ms";
const PER_TRY: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";
const STREAM: &str = "x-envoy-upstream-stream-duration-ms";

/// The limits of one request; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From the end of the request to the end of the response: 504, UT, `response_timeout`.
    pub global: Option<Duration>,
    /// For each try: 504, UT, `upstream_per_try_timeout`.
    pub per_try: Option<Duration>,
    /// Without bytes in a try.
    pub per_try_idle: Option<Duration>,
    /// The stream as a whole, from its head on (`max_stream_duration`, `grpc-timeout`): 504 or 408
    /// without flag, `max_duration_timeout`. Zero ends it at once.
    pub max_stream: Option<Duration>,
    /// The stream to the upstream (`x-envoy-upstream-stream-duration-ms`): 504, UMSDR.
    pub upstream_stream: Option<Duration>,
    /// What `grpc-timeout` tells the upstream; `None`: as it came.
    pub grpc: Option<Duration>,
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
    timeouts_respecting(forward, retry, manager_max_stream, head, false)
}

/// The same; with `respect_expected` (`respect_expected_rq_timeout`) what a proxy in front expects
/// (`x-envoy-expected-rq-timeout-ms`) is the timeout and goes before the other header.
#[must_use]
pub fn timeouts_respecting(
    forward: &Forward,
    retry: Option<&RetryPolicy>,
    manager_max_stream: Option<Duration>,
    head: &RequestHead,
    respect_expected: bool,
) -> Timeouts {
    // Envoy: a route with max_stream_duration has no timeout of the old kind unless a header says so.
    let old_kind = forward.max_stream_duration == MaxStreamDuration::default();
    let bound = forward.max_grpc_timeout.filter(|_| old_kind && is_grpc(head));
    let mut global = match bound {
        Some(most) => grpc::bounded(wanted(head), most, forward.grpc_timeout_offset),
        None => forward.timeout.filter(|_| old_kind),
    };
    let expected = respect_expected.then(|| milliseconds(head, EXPECTED)).flatten();
    if let Some(wanted) = expected.or_else(|| milliseconds(head, GLOBAL)) {
        global = Some(wanted).filter(|d| !d.is_zero());
    }
    let mut per_try = retry.and_then(|r| r.per_try_timeout).filter(|d| !d.is_zero());
    if let Some(wanted) = milliseconds(head, PER_TRY) {
        per_try = Some(wanted).filter(|d| !d.is_zero());
    }
    // A try that may last as long as the whole, or longer, has no limit of its own.
    if let (Some(all), Some(one)) = (global, per_try)
        && one >= all
    {
        per_try = None;
    }
    let (max_stream, told) = max_stream(&forward.max_stream_duration, manager_max_stream, head);
    Timeouts {
        global,
        per_try,
        per_try_idle: retry.and_then(|r| r.per_try_idle_timeout),
        max_stream,
        upstream_stream: milliseconds(head, STREAM).filter(|d| !d.is_zero()),
        grpc: if bound.is_some() { per_try.or(global) } else { told },
    }
}

/// Takes the headers that limits were read from off a request, and writes those by which the upstream
/// learns of them (`x-envoy-expected-rq-timeout-ms`, `grpc-timeout`; the first not with
/// `suppress_envoy_headers`).
pub fn announce(head: &mut RequestHead, limits: &Timeouts, suppress_envoy_headers: bool) {
    head.headers.remove_all(&[GLOBAL, PER_TRY, STREAM]);
    if !suppress_envoy_headers && let Some(expected) = limits.per_try.or(limits.global) {
        head.headers.set(EXPECTED, expected.as_millis().to_string());
    }
    if let Some(timeout) = limits.grpc {
        head.headers.set("grpc-timeout", grpc::written(timeout));
    }
}

/// The limit of the stream as a whole, and what the upstream is told of it in `grpc-timeout`.
fn max_stream(
    route: &MaxStreamDuration,
    manager: Option<Duration>,
    head: &RequestHead,
) -> (Option<Duration>, Option<Duration>) {
    if let (Some(most), Some(asked)) = (route.grpc_timeout_max, wanted(head)) {
        let capped = if most.is_zero() { asked } else { asked.min(most) };
        let limit = capped.saturating_sub(route.grpc_timeout_offset.unwrap_or_default());
        return (Some(limit), (limit != asked).then_some(limit));
    }
    (route.limit.or(manager).filter(|d| !d.is_zero()), None)
}

/// The client's `grpc-timeout`.
fn wanted(head: &RequestHead) -> Option<Duration> {
    head.headers.get_str("grpc-timeout").and_then(|value| grpc_timeout(value.trim()))
}

fn milliseconds(head: &RequestHead, name: &str) -> Option<Duration> {
    head.headers.get_str(name).and_then(|v| v.trim().parse::<u64>().ok()).map(Duration::from_millis)
}

#[cfg(test)]
mod tests;
