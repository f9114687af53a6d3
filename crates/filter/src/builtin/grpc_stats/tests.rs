use super::*;
use crate::Chain;
use crate::testing::{Fixed, context, filter, get};

fn chain() -> Chain {
    crate::testing::chain(
        &filter("g", "grpc_stats.v3.FilterConfig", ""),
        "match: {prefix: /}, route: {cluster: a}",
    )
}

/// A call to `path` of two messages, answered by one message and this status.
fn counted(path: &str, content_type: &str, status: &str, in_trailers: bool) -> Vec<(&'static str, u64)> {
    let mut cx = context();
    let mut chain = chain();
    let mut head = get(path);
    head.headers.append("content-type", content_type);
    chain.request(0, &mut head, false, &mut cx, &mut Fixed(0));
    chain.request_data(&mut Bytes::from_static(b"\0\0\0\0\x01a\0\0\0\0\0"), true, &mut cx);
    let fields: Headers = [("grpc-status", status)].into_iter().collect();
    let mut response = ResponseHead::new(200);
    if !in_trailers {
        response.headers = fields.clone();
    }
    chain.response(0, &mut response, !in_trailers, &mut cx);
    if in_trailers {
        chain.response_data(&mut Bytes::from_static(b"\0\0\0\0\x01b"), false, &mut cx);
        chain.response_trailers(&mut fields.clone(), &mut cx);
    }
    cx.cluster_counts
}

#[test]
fn calls_and_messages_are_counted_under_the_cluster() {
    assert_eq!(
        counted("/pkg.Service/Method", "application/grpc", "0", true),
        [
            ("grpc.request_message_count", 2),
            ("grpc.response_message_count", 1),
            ("grpc.0", 1),
            ("grpc.success", 1),
            ("grpc.total", 1),
        ]
    );
    let failed = counted("/pkg.Service/Method", "application/grpc+proto", "5", false);
    assert_eq!(failed[1..], [("grpc.5", 1), ("grpc.failure", 1), ("grpc.total", 1)]);
    let unknown = counted("/pkg.Service/Method", "application/grpc", "99", false);
    assert_eq!(unknown[1..], [("grpc.failure", 1), ("grpc.total", 1)]);
}

#[test]
fn what_is_no_grpc_call_is_not_counted() {
    assert_eq!(counted("/pkg.Service/Method", "application/json", "0", true), []);
    for path in ["/x", "/x/", "//x", "/a/b/c", "/"] {
        assert_eq!(counted(path, "application/grpc", "0", false), [], "{path}");
    }
}

#[test]
fn bodies_of_other_requests_pass_untouched() {
    let mut chain = chain();
    chain.request(0, &mut get("/a/b"), false, &mut context(), &mut Fixed(0));
    assert!(!chain.wants_request_body() && !chain.wants_response_body());
    let mut call = get("/a/b");
    call.headers.append("content-type", "application/grpc");
    chain.request(0, &mut call, false, &mut context(), &mut Fixed(0));
    assert!(chain.wants_request_body() && chain.wants_response_body() && !chain.changes_response_body());
}
