use super::*;
use crate::Chain;
use crate::testing::{Fixed, Sequence, context, filter, get, with};

const ALL: &str = "percentage: {numerator: 100}";

fn chain(fields: &str) -> Chain {
    crate::testing::chain(
        &filter("f", "fault.v3.HTTPFault", fields),
        "match: {prefix: /}, route: {cluster: a}",
    )
}

/// How long a request waits, and its reply with status, gRPC status and flags.
fn run(
    chain: &mut Chain,
    head: &mut RequestHead,
    cx: &mut Context,
    dice: &mut dyn Random,
) -> (Duration, Option<LocalReply>) {
    let mut waited = Duration::ZERO;
    loop {
        match chain.request(0, head, true, cx, dice) {
            Flow::Delay(time) => waited += time,
            Flow::Reply(reply) => return (waited, Some(*reply)),
            Flow::Continue => return (waited, None),
            other => panic!("{other:?}"),
        }
    }
}

fn status(fields: &str, request: &[(&str, &str)]) -> Option<(u16, Option<u32>)> {
    let (_, reply) = run(&mut chain(fields), &mut with(request), &mut context(), &mut Fixed(0));
    reply.map(|r| (r.status, r.grpc_status))
}

fn waited(fields: &str, request: &[(&str, &str)]) -> u128 {
    run(&mut chain(fields), &mut with(request), &mut context(), &mut Fixed(0)).0.as_millis()
}

#[test]
fn a_request_waits_then_is_aborted() {
    let mut cx = context();
    let both = format!("delay: {{fixed_delay: 0.4s, {ALL}}}, abort: {{http_status: 418, {ALL}}}");
    let (waited, reply) = run(&mut chain(&both), &mut get("/"), &mut cx, &mut Fixed(0));
    let reply = reply.unwrap();
    assert_eq!(
        (waited, reply.status, &*reply.body),
        (Duration::from_millis(400), 418, &b"fault filter abort"[..])
    );
    assert_eq!((&*reply.detail.word, reply.flags.to_string()), ("fault_filter_abort", "FI".to_owned()));
    assert_eq!(cx.flags.to_string(), "DI");
    assert_eq!(cx.counts, [("fault.delays_injected", 1), ("fault.aborts_injected", 1)]);
}

#[test]
fn delay_and_abort_are_drawn_independently() {
    let both = "delay: {fixed_delay: 1s, percentage: {numerator: 50}}, abort: {http_status: 500, percentage: {numerator: 50}}";
    for (dice, want) in [
        ([10, 10], (true, true)),
        ([10, 90], (true, false)),
        ([90, 10], (false, true)),
        ([90, 90], (false, false)),
    ] {
        let (waited, reply) =
            run(&mut chain(both), &mut get("/"), &mut context(), &mut Sequence(dice.to_vec()));
        assert_eq!((!waited.is_zero(), reply.is_some()), want, "{dice:?}");
    }
}

#[test]
fn a_fault_takes_its_share() {
    let mut faulty = 0;
    for dice in 0..1000 {
        let abort = "abort: {http_status: 500, percentage: {numerator: 25, denominator: HUNDRED}}";
        faulty +=
            usize::from(run(&mut chain(abort), &mut get("/"), &mut context(), &mut Fixed(dice)).1.is_some());
    }
    assert_eq!(faulty, 250);
}

#[test]
fn headers_may_ask_for_an_abort_where_told_so() {
    let by_header = format!("abort: {{header_abort: {{}}, {ALL}}}");
    let http = ("x-envoy-fault-abort-request", "503");
    let grpc = ("x-envoy-fault-abort-grpc-request", "7");
    let share = "x-envoy-fault-abort-request-percentage";
    assert_eq!(status(&by_header, &[]), None);
    assert_eq!(status(&by_header, &[http]), Some((503, None)));
    assert_eq!(status(&by_header, &[grpc]), Some((200, Some(7))));
    assert_eq!(status(&by_header, &[http, grpc]), Some((503, None)));
    assert_eq!(status(&by_header, &[("x-envoy-fault-abort-request", "199")]), None);
    assert_eq!(status(&by_header, &[http, (share, "0")]), None);
    // A header lowers the share and never raises it.
    let never = "abort: {header_abort: {}, percentage: {numerator: 0}}";
    assert_eq!(status(never, &[http, (share, "100")]), None);
    let fixed = format!("abort: {{http_status: 418, {ALL}}}");
    assert_eq!(status(&fixed, &[http, (share, "0")]), Some((418, None)));
    assert_eq!(status(&format!("abort: {{grpc_status: 5, {ALL}}}"), &[]), Some((200, Some(5))));
}

#[test]
fn headers_may_ask_for_a_delay_where_told_so() {
    let by_header = format!("delay: {{header_delay: {{}}, {ALL}}}");
    let asked = |ms| ("x-envoy-fault-delay-request", ms);
    let share = "x-envoy-fault-delay-request-percentage";
    assert_eq!(waited(&by_header, &[]), 0);
    assert_eq!(waited(&by_header, &[asked("400")]), 400);
    assert_eq!(waited(&by_header, &[asked("400"), (share, "0")]), 0);
    let mut cx = context();
    run(&mut chain(&by_header), &mut with(&[asked("0")]), &mut cx, &mut Fixed(0));
    assert!(cx.flags.is_empty() && cx.counts.is_empty());
    assert_eq!(waited(&format!("delay: {{fixed_delay: 0.3s, {ALL}}}"), &[asked("900"), (share, "0")]), 300);
}

#[test]
fn only_some_requests_are_meant() {
    let abort = format!("abort: {{http_status: 418, {ALL}}}");
    let meant =
        |criteria: &str, request: &[(&str, &str)]| status(&format!("{abort}, {criteria}"), request).is_some();
    assert!(meant("upstream_cluster: a", &[]) && !meant("upstream_cluster: b", &[]));
    let by_header = "headers: [{name: x-f, string_match: {exact: '1'}}]";
    assert!(meant(by_header, &[("x-f", "1")]) && !meant(by_header, &[]));
    let node = |name| [("x-envoy-downstream-service-node", name)];
    assert!(meant("downstream_nodes: [n7]", &node("n7")));
    assert!(!meant("downstream_nodes: [n7]", &node("n8")) && !meant("downstream_nodes: [n7]", &[]));
}

#[test]
fn faults_in_progress_are_bounded_and_given_back() {
    let one = format!(
        "max_active_faults: 1, delay: {{fixed_delay: 1s, {ALL}}}, abort: {{http_status: 418, {ALL}}}"
    );
    let shared = context().shared;
    let cx = || Context { shared: shared.clone(), ..context() };
    let mut first = chain(&one);
    assert!(matches!(first.request(0, &mut get("/"), true, &mut cx(), &mut Fixed(0)), Flow::Delay(_)));
    let mut second = cx();
    assert!(run(&mut chain(&one), &mut get("/"), &mut second, &mut Fixed(0)).1.is_none());
    assert_eq!(second.counts, [("fault.faults_overflow", 1), ("fault.faults_overflow", 1)]);
    // The abort of a request that waited already is no further fault.
    assert!(run(&mut first, &mut get("/"), &mut cx(), &mut Fixed(0)).1.is_some());
    drop(first);
    assert_eq!(shared.active_faults.load(Ordering::Relaxed), 0);
    assert!(run(&mut chain(&one), &mut get("/"), &mut cx(), &mut Fixed(0)).1.is_some());
    assert!(status(&format!("max_active_faults: 0, abort: {{http_status: 418, {ALL}}}"), &[]).is_none());
}
