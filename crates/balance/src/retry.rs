//! Whether a request is tried again, and when (`RetryPolicy`, VS-20).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use weft_match::{HeaderMatcher, HeaderTest};
use weft_state::{Permit, Resources};
use weft_tables::cluster::Breakers;
use weft_tables::route::{ResetHeader, RetryHeader, RetryOn, RetryPolicy};
use weft_types::{Headers, Random, RequestHead, ResponseHead};

use crate::host_set::HostHandle;

/// Retries when only a request header asks for them (Envoy: one).
const DEFAULT_RETRIES: u32 = 1;
/// Base of the back-off when no policy says (`upstream.base_retry_backoff_ms`).
const DEFAULT_BACK_OFF: Duration = Duration::from_millis(25);
/// Most tokens that are read from one of a request's retry headers.
const MAX_HEADER_TOKENS: usize = 64;

/// Request fields that steer retries; they are consumed here and go no further.
pub const CONSUMED_HEADERS: [&str; 7] = [
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-upstream-rq-per-try-timeout-ms",
];

/// Removes the fields that [`RetryState::new`] has read.
pub fn consume_headers(headers: &mut Headers) {
    headers.remove_all(&CONSUMED_HEADERS);
}

/// How a try ended.
#[derive(Clone, Copy, Debug)]
pub enum Attempt<'a> {
    /// A response head came. A gRPC status counts only when the head carries it (trailers-only).
    Response(&'a ResponseHead),
    /// The stream ended before a response head.
    Reset {
        /// Why.
        reset: Reset,
        /// The request's head had been sent to the upstream.
        request_started: bool,
    },
    /// The try's own time was over before a response head.
    PerTryTimeout {
        /// The request's head had been sent to the upstream.
        request_started: bool,
    },
}

/// Why a stream ended before a response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// No connection could be made, or not in time.
    ConnectFailure,
    /// The upstream refused the stream unprocessed (HTTP/2 REFUSED_STREAM).
    Refused,
    /// The upstream reset the stream.
    Remote,
    /// The connection ended.
    ConnectionTermination,
    /// The upstream broke the protocol.
    ProtocolError,
    /// We reset it.
    Local,
    /// A circuit breaker refused it: never retried.
    Overflow,
}

/// What to do after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again.
    Retry {
        /// Wait so long first.
        after: Duration,
        /// The upstream said when (`upstream_rq_retry_backoff_ratelimited`, else `…_exponential`).
        rate_limited: bool,
    },
    /// Pass on what came.
    No(Refusal),
}

/// Why a request is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The policy does not ask for it. `after_retry`: an earlier retry brought this outcome
    /// (`upstream_rq_retry_success`).
    NotRetriable {
        /// A retry had been made.
        after_retry: bool,
    },
    /// All retries are used (`upstream_rq_retry_limit_exceeded`, flag URX).
    Exhausted,
    /// The circuit breaker for retries is open (`upstream_rq_retry_overflow`, flag UO).
    Overflow,
}

/// What a decision needs to know from outside.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Counts of the cluster, of the route's priority.
    pub resources: &'a Resources,
    /// Their limits.
    pub breakers: &'a Breakers,
    /// Wall-clock time, for reset headers with Unix times.
    pub wall_time: SystemTime,
}

/// Retries of one request.
#[derive(Debug)]
pub struct RetryState {
    on: RetryOn,
    left: u32,
    statuses: Vec<u16>,
    response_headers: Vec<RetryHeader>,
    reset_headers: Vec<(Box<str>, ResetHeader)>,
    reset_max: Duration,
    back_off: BackOff,
    avoid_previous_hosts: bool,
    host_selection_attempts: u32,
    previous_priorities: Option<u32>,
    tried: Vec<HostHandle>,
    tried_priorities: Vec<u32>,
    /// Held while a retry is waited for or under way.
    permit: Option<Permit>,
}

impl RetryState {
    /// The retries that the route and the request's own `x-envoy-…` fields allow; `None` when there
    /// can't be any. Afterwards the fields are to be removed with [`consume_headers`].
    #[must_use]
    pub fn new(policy: Option<&RetryPolicy>, head: &RequestHead) -> Option<Self> {
        let mut on = policy.map(|policy| policy.on).unwrap_or_default();
        merge_retry_on(&mut on, head);
        let limited = policy.map_or(&[][..], |policy| &policy.request_headers);
        if !limited.is_empty() && !limited.iter().any(|test| test.0.matches(head)) {
            return None;
        }
        if on == RetryOn::default() {
            return None;
        }
        let back_off_base = policy.map_or(DEFAULT_BACK_OFF, |policy| policy.back_off_base);
        let back_off_max = policy.map_or(DEFAULT_BACK_OFF * 10, |policy| policy.back_off_max);
        let mut state = Self {
            on,
            left: policy.map_or(DEFAULT_RETRIES, |policy| policy.attempts),
            statuses: policy.map(|policy| policy.statuses.clone()).unwrap_or_default(),
            response_headers: policy.map(|policy| policy.headers.clone()).unwrap_or_default(),
            reset_headers: policy.map(|policy| policy.reset_headers.clone()).unwrap_or_default(),
            reset_max: policy.map_or(Duration::from_secs(300), |policy| policy.reset_max),
            back_off: BackOff { next: back_off_base, max: back_off_max },
            avoid_previous_hosts: policy.is_some_and(|policy| policy.avoid_previous_hosts),
            host_selection_attempts: policy.map_or(1, |policy| policy.host_selection_attempts),
            previous_priorities: policy.and_then(|policy| policy.avoid_previous_priorities),
            tried: Vec::new(),
            tried_priorities: Vec::new(),
            permit: None,
        };
        state.merge_limits(head);
        Some(state)
    }

    fn merge_limits(&mut self, head: &RequestHead) {
        if let Some(retries) = head.headers.get_str("x-envoy-max-retries")
            && let Ok(retries) = retries.trim().parse::<u64>()
        {
            self.left = u32::try_from(retries).unwrap_or(u32::MAX);
        }
        let codes =
            tokens(head, "x-envoy-retriable-status-codes").filter_map(|code| code.parse::<u16>().ok());
        self.statuses.extend(codes);
        for name in tokens(head, "x-envoy-retriable-header-names") {
            self.response_headers.push(RetryHeader(HeaderMatcher {
                name: name.to_ascii_lowercase().into(),
                test: HeaderTest::Present(true),
                invert: false,
                missing_is_empty: false,
            }));
        }
    }

    /// Notes the host of a try.
    pub fn attempted(&mut self, host: &HostHandle) {
        if self.avoid_previous_hosts && !self.tried.iter().any(|h| Arc::ptr_eq(&h.state, &host.state)) {
            self.tried.push(Arc::clone(host));
        }
        if self.previous_priorities.is_some() && !self.tried_priorities.contains(&host.priority) {
            self.tried_priorities.push(host.priority);
        }
    }

    /// Hosts that the next pick is to avoid, and how many further draws it has for that.
    #[must_use]
    pub fn avoid(&self) -> (&[HostHandle], u32) {
        (&self.tried, if self.tried.is_empty() { 0 } else { self.host_selection_attempts })
    }

    /// Priorities that the next pick is to avoid.
    #[must_use]
    pub fn avoid_priorities(&self) -> &[u32] {
        let enough = self.previous_priorities.is_some_and(|n| self.tried_priorities.len() >= n as usize);
        if enough { &self.tried_priorities } else { &[] }
    }

    /// Retries left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Decides after a try. A granted retry holds a unit of the cluster's retry resource until the
    /// next decision, or until this state is dropped.
    pub fn decide(
        &mut self,
        attempt: &Attempt<'_>,
        surroundings: &Surroundings<'_>,
        rng: &mut impl Random,
    ) -> Decision {
        let after_retry = self.permit.take().is_some();
        if !self.wants(attempt) {
            return Decision::No(Refusal::NotRetriable { after_retry });
        }
        if self.left == 0 {
            return Decision::No(Refusal::Exhausted);
        }
        self.left -= 1;
        self.permit = surroundings.resources.try_retry(surroundings.breakers);
        if self.permit.is_none() {
            return Decision::No(Refusal::Overflow);
        }
        match self.said_by_upstream(attempt, surroundings.wall_time) {
            Some(interval) => {
                // Half as much again at most, so that all who were told the same do not come at once.
                let jitter = rng.below(millis(interval) / 2);
                Decision::Retry { after: interval + Duration::from_millis(jitter), rate_limited: true }
            }
            None => Decision::Retry { after: self.back_off.next(rng), rate_limited: false },
        }
    }

    fn wants(&self, attempt: &Attempt<'_>) -> bool {
        match attempt {
            Attempt::Response(head) => self.wants_response(head),
            Attempt::Reset { reset, request_started } => self.wants_reset(*reset, *request_started),
            Attempt::PerTryTimeout { request_started } => self.wants_reset(Reset::Local, *request_started),
        }
    }

    fn wants_response(&self, head: &ResponseHead) -> bool {
        // Another Envoy limited the rate: only the condition made for it counts.
        if head.headers.contains("x-envoy-ratelimited") {
            return self.on.envoy_ratelimited;
        }
        let status = head.status;
        (self.on.any_5xx && (500..600).contains(&status))
            || (self.on.gateway_error && matches!(status, 502..=504))
            || (self.on.retriable_4xx && status == 409)
            || (self.on.status_codes && self.statuses.contains(&status))
            || (self.on.headers && self.response_headers.iter().any(|test| response_passes(&test.0, head)))
            || self.wants_grpc(head)
    }

    fn wants_grpc(&self, head: &ResponseHead) -> bool {
        let status = head.headers.get_str("grpc-status").and_then(|status| status.trim().parse::<u32>().ok());
        match status {
            Some(1) => self.on.grpc_cancelled,
            Some(4) => self.on.grpc_deadline_exceeded,
            Some(8) => self.on.grpc_resource_exhausted,
            Some(13) => self.on.grpc_internal,
            Some(14) => self.on.grpc_unavailable,
            _ => false,
        }
    }

    fn wants_reset(&self, reset: Reset, request_started: bool) -> bool {
        if reset == Reset::Overflow {
            return false;
        }
        // A reset becomes a 503, which is why the conditions for 5xx and gateway errors cover it.
        self.on.reset
            || self.on.any_5xx
            || self.on.gateway_error
            || (self.on.reset_before_request && !request_started)
            || (self.on.refused_stream && reset == Reset::Refused)
            || (self.on.connect_failure && reset == Reset::ConnectFailure)
    }

    /// The wait that the first usable reset header of the response asks for.
    fn said_by_upstream(&self, attempt: &Attempt<'_>, wall_time: SystemTime) -> Option<Duration> {
        let Attempt::Response(head) = attempt else { return None };
        self.reset_headers.iter().find_map(|(name, form)| {
            let value: u64 = head.headers.get_str(name.as_bytes())?.trim().parse().ok()?;
            let interval = match form {
                ResetHeader::Seconds => Duration::from_secs(value),
                ResetHeader::UnixTimestamp => SystemTime::UNIX_EPOCH
                    .checked_add(Duration::from_secs(value))?
                    .duration_since(wall_time)
                    .ok()?,
            };
            (interval <= self.reset_max && interval > Duration::from_millis(1)).then_some(interval)
        })
    }
}

/// Fully jittered exponential back-off: uniform below `base · 2ⁿ`, at most `max`.
#[derive(Clone, Debug)]
struct BackOff {
    next: Duration,
    max: Duration,
}

impl BackOff {
    fn next(&mut self, rng: &mut impl Random) -> Duration {
        let bound = self.next.min(self.max);
        self.next = bound.saturating_mul(2).min(self.max);
        Duration::from_millis(rng.below(millis(bound)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn response_passes(test: &HeaderMatcher, head: &ResponseHead) -> bool {
    if &*test.name == ":status" {
        return test.test_value(Some(head.status.to_string().as_bytes()));
    }
    test.matches_fields(&head.headers)
}

/// Words of a request field, separated by commas.
fn tokens<'a>(head: &'a RequestHead, name: &str) -> impl Iterator<Item = &'a str> {
    let value = head.headers.get_str(name).unwrap_or_default();
    value.split(',').map(str::trim).filter(|token| !token.is_empty()).take(MAX_HEADER_TOKENS)
}

fn merge_retry_on(on: &mut RetryOn, head: &RequestHead) {
    for (name, grpc) in [("x-envoy-retry-on", false), ("x-envoy-retry-grpc-on", true)] {
        for token in tokens(head, name) {
            if let Some(flag) = condition(on, token, grpc) {
                *flag = true;
            }
        }
    }
}

/// Whether a token of `x-envoy-retry-on`, or with `grpc` of `x-envoy-retry-grpc-on`, is known.
#[must_use]
pub fn is_condition(token: &str, grpc: bool) -> bool {
    condition(&mut RetryOn::default(), token, grpc).is_some()
}

fn condition<'a>(on: &'a mut RetryOn, token: &str, grpc: bool) -> Option<&'a mut bool> {
    Some(match (token, grpc) {
        ("5xx", false) => &mut on.any_5xx,
        ("gateway-error", false) => &mut on.gateway_error,
        ("reset", false) => &mut on.reset,
        ("reset-before-request", false) => &mut on.reset_before_request,
        ("connect-failure", false) => &mut on.connect_failure,
        ("envoy-ratelimited", false) => &mut on.envoy_ratelimited,
        ("retriable-4xx", false) => &mut on.retriable_4xx,
        ("refused-stream", false) => &mut on.refused_stream,
        ("retriable-status-codes", false) => &mut on.status_codes,
        ("retriable-headers", false) => &mut on.headers,
        ("http3-post-connect-failure", false) => &mut on.http3_post_connect_failure,
        ("cancelled", true) => &mut on.grpc_cancelled,
        ("deadline-exceeded", true) => &mut on.grpc_deadline_exceeded,
        ("internal", true) => &mut on.grpc_internal,
        ("resource-exhausted", true) => &mut on.grpc_resource_exhausted,
        ("unavailable", true) => &mut on.grpc_unavailable,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
