use weft_tables::route::Action;

use super::*;
use crate::testing::host_of;

const fn ms(milliseconds: u64) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds))
}

fn head(fields: &[(&str, &str)]) -> RequestHead {
    let mut head = RequestHead::get("x", "/");
    head.headers = fields.iter().copied().collect();
    head
}

/// The limits of a request to a route with these fields; the connection manager's stream limit is 5 s.
fn limits(fields: &str, request: &[(&str, &str)], respect: bool) -> Timeouts {
    let config = host_of(&format!("{{match: {{prefix: /}}, route: {{cluster: a, {fields}}}}}"));
    let Action::Forward(forward) = &config.virtual_hosts[0].routes[0].action else { panic!("{fields}") };
    timeouts_respecting(forward, forward.retry.as_deref(), ms(5000), &head(request), respect)
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[test]
fn the_route_has_fifteen_seconds_by_default() {
    let all = limits("", &[], false);
    assert_eq!((all.global, all.per_try, all.max_stream), (ms(15_000), None, ms(5000)));
    assert_eq!(limits("timeout: 0s", &[], false).global, None);
    assert_eq!(limits("timeout: 0.5s", &[], false).global, ms(500));
}

#[test]
fn headers_go_before_the_route() {
    let header = |name, value| limits("timeout: 2s", &[(name, value)], false);
    assert_eq!(header(GLOBAL, "400").global, ms(400));
    assert_eq!(header(GLOBAL, "0").global, None);
    assert_eq!(header(GLOBAL, "junk").global, ms(2000));
    assert_eq!(header(PER_TRY, "400").per_try, ms(400));
    assert_eq!(header(PER_TRY, "2000").per_try, None);
    assert_eq!(header(STREAM, "400").upstream_stream, ms(400));
    assert_eq!(header(EXPECTED, "300").global, ms(2000));
}

#[test]
fn what_a_proxy_in_front_expects_can_be_respected() {
    assert_eq!(limits("timeout: 2s", &[(EXPECTED, "300"), (GLOBAL, "900")], true).global, ms(300));
    assert_eq!(limits("timeout: 2s", &[(GLOBAL, "900")], true).global, ms(900));
}

#[test]
fn a_try_has_a_limit_below_that_of_the_whole() {
    let retry = |global, per_try| {
        let fields =
            format!("timeout: {global}, retry_policy: {{retry_on: 5xx, per_try_timeout: {per_try}}}");
        limits(&fields, &[], false).per_try
    };
    assert_eq!(retry("2s", "0.5s"), ms(500));
    assert_eq!(retry("0.5s", "2s"), None);
    assert_eq!(retry("0.5s", "0.5s"), None);
    assert_eq!(retry("0s", "2s"), ms(2000));
}

#[test]
fn a_grpc_timeout_counts_up_to_its_bound() {
    let global =
        |fields: &str, timeout: &str| limits(fields, &[GRPC, ("grpc-timeout", timeout)], false).global;
    let bounded = "timeout: 3s, max_grpc_timeout: 1s";
    assert_eq!(global(bounded, "500m"), ms(500));
    assert_eq!(global(bounded, "9S"), ms(1000));
    assert_eq!(global(bounded, "0m"), ms(1000));
    assert_eq!(limits(bounded, &[GRPC], false).global, ms(1000));
    assert_eq!(global("timeout: 3s, max_grpc_timeout: 0s", "600m"), ms(600));
    assert_eq!(global("timeout: 3s, max_grpc_timeout: 0s", "0m"), None);
    assert_eq!(global("max_grpc_timeout: 5s, grpc_timeout_offset: 0.3s", "800m"), ms(500));
    assert_eq!(global("max_grpc_timeout: 5s, grpc_timeout_offset: 3s", "800m"), ms(800));
    assert_eq!(global("timeout: 3s", "500m"), ms(3000));
    assert_eq!(limits(bounded, &[("grpc-timeout", "500m")], false).global, ms(3000));
}

#[test]
fn the_stream_has_the_routes_limit_else_the_managers() {
    let all = limits("timeout: 0.5s, max_stream_duration: {max_stream_duration: 1s}", &[], false);
    assert_eq!((all.global, all.max_stream), (None, ms(1000)));
    let off = limits("max_stream_duration: {max_stream_duration: 0s}", &[], false);
    assert_eq!((off.global, off.max_stream), (None, None));
    let asked = limits("max_stream_duration: {max_stream_duration: 1s}", &[(GLOBAL, "400")], false);
    assert_eq!((asked.global, asked.max_stream), (ms(400), ms(1000)));
}

#[test]
fn a_grpc_timeout_may_limit_the_stream() {
    let stream = |fields: &str, timeout: &str| {
        let all = limits(&format!("max_stream_duration: {{{fields}}}"), &[("grpc-timeout", timeout)], false);
        (all.max_stream, all.grpc)
    };
    let bounded = "max_stream_duration: 2s, grpc_timeout_header_max: 1s";
    assert_eq!(stream(bounded, "500m"), (ms(500), None));
    assert_eq!(stream(bounded, " 500m "), (ms(500), None));
    assert_eq!(stream(bounded, "9S"), (ms(1000), ms(1000)));
    assert_eq!(stream(bounded, "5x"), (ms(2000), None));
    assert_eq!(stream("grpc_timeout_header_max: 0s", "9S"), (ms(9000), None));
    let offset = "grpc_timeout_header_max: 1s, grpc_timeout_header_offset: 0.3s";
    assert_eq!(stream(offset, "2S"), (ms(700), ms(700)));
    assert_eq!(stream(offset, "200m"), (ms(0), ms(0)));
}

#[test]
fn the_upstream_is_told() {
    let told = |fields: &str, request: &[(&str, &str)], suppress| {
        let mut head = head(request);
        announce(&mut head, &limits(fields, request, false), suppress);
        (
            head.headers.get_str(EXPECTED).map(str::to_owned),
            head.headers.get_str("grpc-timeout").map(str::to_owned),
            head.headers.contains(GLOBAL) || head.headers.contains(PER_TRY) || head.headers.contains(STREAM),
        )
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(told("", &[(GLOBAL, "400"), (STREAM, "5")], false), (some("400"), None, false));
    assert_eq!(told("", &[(PER_TRY, "300"), (EXPECTED, "1")], false), (some("300"), None, false));
    assert_eq!(told("timeout: 0s", &[], false), (None, None, false));
    assert_eq!(told("", &[], true), (None, None, false));
    let grpc = &[GRPC, ("grpc-timeout", "9S")];
    assert_eq!(told("max_grpc_timeout: 1s", grpc, false), (some("1000"), some("1000m"), false));
    assert_eq!(told("", grpc, false), (some("15000"), some("9S"), false));
}
