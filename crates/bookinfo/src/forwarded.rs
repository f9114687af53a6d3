//! Which request headers a service passes on to those it calls.

use http::{HeaderMap, HeaderName};

/// Header with the signed-in user's name; Bookinfo's routing examples match on it.
pub(crate) const END_USER: HeaderName = HeaderName::from_static("end-user");

/// Passed on by every service: the request's identity, the trace contexts in use, and the caller's session.
const PASSED_ON: [&str; 20] = [
    "x-request-id",
    // Zipkin, in both spellings
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    // W3C
    "traceparent",
    "tracestate",
    // Lightstep, Datadog, Google Cloud, OpenCensus, SkyWalking
    "x-ot-span-context",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "sw8",
    // the caller
    "user-agent",
    "cookie",
    "authorization",
    "jwt",
];

/// The headers of a request that go on; not `end-user`, which productpage sets by its session.
pub(crate) fn passed_on(request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in PASSED_ON.map(HeaderName::from_static) {
        for value in request.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// As [`passed_on`], and `end-user` as it came.
pub(crate) fn passed_on_with_user(request: &HeaderMap) -> HeaderMap {
    let mut headers = passed_on(request);
    for value in request.get_all(END_USER) {
        headers.append(END_USER, value.clone());
    }
    headers
}
