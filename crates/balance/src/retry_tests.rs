use proptest::prelude::*;
use weft_types::random::SplitMix;

use super::*;

fn policy(on: RetryOn, attempts: u32) -> RetryPolicy {
    RetryPolicy {
        on,
        attempts,
        per_try_timeout: None,
        per_try_idle_timeout: None,
        back_off_base: Duration::from_millis(25),
        back_off_max: Duration::from_millis(250),
        statuses: vec![418],
        headers: vec![RetryHeader(HeaderMatcher {
            name: "x-again".into(),
            test: HeaderTest::Present(true),
            invert: false,
            missing_is_empty: false,
        })],
        request_headers: vec![],
        avoid_previous_hosts: false,
        avoid_previous_priorities: None,
        host_selection_attempts: 1,
        reset_headers: vec![],
        reset_max: Duration::from_secs(300),
    }
}

/// Conditions by their names in a request header.
fn on(names: &str) -> RetryOn {
    let mut head = RequestHead::get("a", "/");
    head.headers.append("x-envoy-retry-on", names);
    head.headers.append("x-envoy-retry-grpc-on", names);
    let mut on = RetryOn::default();
    merge_retry_on(&mut on, &head);
    on
}

fn response(status: u16, fields: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::new(status);
    head.headers = fields.iter().copied().collect();
    head
}

struct Cluster {
    resources: Resources,
    breakers: Breakers,
}

impl Cluster {
    fn new(max_retries: u32) -> Self {
        Self { resources: Resources::default(), breakers: Breakers { max_retries, ..Breakers::default() } }
    }

    fn decide(&self, state: &mut RetryState, attempt: &Attempt<'_>) -> Decision {
        let surroundings = Surroundings {
            resources: &self.resources,
            breakers: &self.breakers,
            wall_time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
        };
        state.decide(attempt, &surroundings, &mut SplitMix::new(4))
    }
}

fn is_retried(names: &str, attempt: &Attempt<'_>) -> bool {
    let Some(mut state) = RetryState::new(Some(&policy(on(names), 1)), &RequestHead::get("a", "/")) else {
        return false;
    };
    matches!(Cluster::new(3).decide(&mut state, attempt), Decision::Retry { .. })
}

#[test]
fn conditions_take_the_responses_that_envoy_documents() {
    type Row = (&'static str, u16, &'static [(&'static str, &'static str)], bool);
    let table: &[Row] = &[
        ("5xx", 500, &[], true),
        ("5xx", 599, &[], true),
        ("5xx", 499, &[], false),
        ("5xx", 503, &[("x-envoy-ratelimited", "true")], false),
        ("envoy-ratelimited", 429, &[("x-envoy-ratelimited", "true")], true),
        ("envoy-ratelimited", 429, &[], false),
        ("gateway-error", 500, &[], false),
        ("gateway-error", 502, &[], true),
        ("gateway-error", 503, &[], true),
        ("gateway-error", 504, &[], true),
        ("gateway-error", 505, &[], false),
        ("retriable-4xx", 409, &[], true),
        ("retriable-4xx", 429, &[], false),
        ("retriable-status-codes", 418, &[], true),
        ("retriable-status-codes", 500, &[], false),
        ("retriable-headers", 200, &[("x-again", "1")], true),
        ("retriable-headers", 200, &[], false),
        ("cancelled", 200, &[("grpc-status", "1")], true),
        ("deadline-exceeded", 200, &[("grpc-status", "4")], true),
        ("resource-exhausted", 200, &[("grpc-status", "8")], true),
        ("internal", 200, &[("grpc-status", "13")], true),
        ("unavailable", 200, &[("grpc-status", "14")], true),
        ("unavailable", 200, &[("grpc-status", "13")], false),
        ("unavailable", 503, &[], false),
        ("connect-failure,refused-stream,reset", 503, &[], false),
        ("nonsense", 503, &[], false),
    ];
    for (names, status, fields, retried) in table {
        let head = response(*status, fields);
        assert_eq!(is_retried(names, &Attempt::Response(&head)), *retried, "{names} {status} {fields:?}");
    }
}

#[test]
fn conditions_take_the_resets_that_envoy_documents() {
    use Reset::{ConnectFailure, ConnectionTermination, Local, Overflow, ProtocolError, Refused, Remote};
    const ALL: [Reset; 6] = [ConnectFailure, Refused, Remote, ConnectionTermination, ProtocolError, Local];
    let table: &[(&str, &[Reset])] = &[
        ("5xx", &ALL),
        ("gateway-error", &ALL),
        ("reset", &ALL),
        ("connect-failure", &[ConnectFailure]),
        ("refused-stream", &[Refused]),
        ("retriable-4xx", &[]),
        ("unavailable", &[]),
        ("reset-before-request", &[]),
    ];
    for (names, retried) in table {
        for reset in ALL {
            let attempt = Attempt::Reset { reset, request_started: true };
            assert_eq!(is_retried(names, &attempt), retried.contains(&reset), "{names} {reset:?}");
        }
        let overflow = Attempt::Reset { reset: Overflow, request_started: false };
        assert!(!is_retried(names, &overflow), "{names}");
    }
    let unsent = Attempt::Reset { reset: Remote, request_started: false };
    assert!(is_retried("reset-before-request", &unsent));
    assert!(!is_retried("connect-failure", &unsent));
}

#[test]
fn a_per_try_timeout_counts_as_a_reset() {
    let timeout = Attempt::PerTryTimeout { request_started: true };
    for names in ["5xx", "gateway-error", "reset"] {
        assert!(is_retried(names, &timeout), "{names}");
    }
    for names in ["connect-failure", "refused-stream", "reset-before-request", "retriable-4xx"] {
        assert!(!is_retried(names, &timeout), "{names}");
    }
}

#[test]
fn stops_when_exhausted_and_reports_success_of_a_retry() {
    let cluster = Cluster::new(3);
    let mut state = RetryState::new(Some(&policy(on("5xx"), 2)), &RequestHead::get("a", "/")).unwrap();
    let bad = response(503, &[]);
    for _ in 0..2 {
        assert!(matches!(cluster.decide(&mut state, &Attempt::Response(&bad)), Decision::Retry { .. }));
        assert_eq!(cluster.resources.retries.current(), 1);
    }
    assert_eq!(cluster.decide(&mut state, &Attempt::Response(&bad)), Decision::No(Refusal::Exhausted));
    assert_eq!(cluster.resources.retries.current(), 0);

    let mut state = RetryState::new(Some(&policy(on("5xx"), 2)), &RequestHead::get("a", "/")).unwrap();
    let good = response(200, &[]);
    let first = cluster.decide(&mut state, &Attempt::Response(&good));
    assert_eq!(first, Decision::No(Refusal::NotRetriable { after_retry: false }));
    assert!(matches!(cluster.decide(&mut state, &Attempt::Response(&bad)), Decision::Retry { .. }));
    let last = cluster.decide(&mut state, &Attempt::Response(&good));
    assert_eq!(last, Decision::No(Refusal::NotRetriable { after_retry: true }));
}

#[test]
fn the_circuit_breaker_bounds_retries_at_once() {
    let cluster = Cluster::new(1);
    let bad = response(503, &[]);
    let new = || RetryState::new(Some(&policy(on("5xx"), 5)), &RequestHead::get("a", "/")).unwrap();
    let mut first = new();
    let mut second = new();
    assert!(matches!(cluster.decide(&mut first, &Attempt::Response(&bad)), Decision::Retry { .. }));
    assert_eq!(cluster.decide(&mut second, &Attempt::Response(&bad)), Decision::No(Refusal::Overflow));
    drop(first);
    assert!(matches!(cluster.decide(&mut second, &Attempt::Response(&bad)), Decision::Retry { .. }));
}

#[test]
fn request_headers_widen_the_policy_and_are_consumed() {
    let mut head = RequestHead::get("a", "/");
    assert!(RetryState::new(None, &head).is_none());
    head.headers.append("x-envoy-retry-on", "retriable-status-codes, retriable-headers ,bogus");
    head.headers.append("x-envoy-max-retries", "7");
    head.headers.append("x-envoy-retriable-status-codes", "404, x, 410");
    head.headers.append("x-envoy-retriable-header-names", "X-Once,X-Twice");
    let mut state = RetryState::new(None, &head).unwrap();
    assert_eq!(state.left(), 7);
    let cluster = Cluster::new(9);
    for head in [response(410, &[]), response(200, &[("x-twice", "")])] {
        assert!(matches!(cluster.decide(&mut state, &Attempt::Response(&head)), Decision::Retry { .. }));
    }
    consume_headers(&mut head.headers);
    assert!(head.headers.is_empty());
}

#[test]
fn only_requests_with_a_wanted_header_are_retried() {
    let mut limited = policy(on("5xx"), 1);
    limited.request_headers = std::mem::take(&mut limited.headers);
    let mut head = RequestHead::get("a", "/");
    assert!(RetryState::new(Some(&limited), &head).is_none());
    head.headers.append("x-again", "yes");
    assert!(RetryState::new(Some(&limited), &head).is_some());
}

#[test]
fn reset_headers_say_when_to_come_again() {
    let mut policy = policy(on("5xx"), 9);
    policy.reset_headers =
        vec![("retry-after".into(), ResetHeader::Seconds), ("x-reset".into(), ResetHeader::UnixTimestamp)];
    let mut state = RetryState::new(Some(&policy), &RequestHead::get("a", "/")).unwrap();
    let cluster = Cluster::new(9);
    let mut wait = |fields: &[(&str, &str)]| {
        let head = response(503, fields);
        match cluster.decide(&mut state, &Attempt::Response(&head)) {
            Decision::Retry { after, rate_limited } => (after, rate_limited),
            Decision::No(refusal) => panic!("{refusal:?}"),
        }
    };
    for fields in [[("retry-after", "10")], [("x-reset", "1000010")]] {
        let (after, rate_limited) = wait(&fields);
        assert!(rate_limited);
        assert!((Duration::from_secs(10)..Duration::from_secs(15)).contains(&after), "{after:?}");
    }
    // Too long, in the past, and not a number: the usual back-off.
    for fields in [[("retry-after", "301")], [("x-reset", "999999")], [("retry-after", "soon")]] {
        assert!(!wait(&fields).1, "{fields:?}");
    }
}

proptest! {
    #[test]
    fn back_off_doubles_up_to_its_maximum(base in 1u64..1000, factor in 1u64..20, seed in any::<u64>()) {
        let mut back_off = BackOff {
            next: Duration::from_millis(base),
            max: Duration::from_millis(base * factor),
        };
        let mut rng = SplitMix::new(seed);
        for attempt in 0..8 {
            let bound = (base << attempt).min(base * factor);
            prop_assert!(back_off.next(&mut rng) < Duration::from_millis(bound));
        }
    }
}
