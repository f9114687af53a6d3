//! Whether a route takes a request.

use weft_tables::route::{PathMatcher, Route, RouteMatch};
use weft_types::{Method, RequestHead};

/// What else than the head a decision may look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestFacts {
    /// The downstream connection is encrypted.
    pub tls: bool,
    /// The client presented a certificate.
    pub certificate_presented: bool,
    /// It was verified.
    pub certificate_validated: bool,
    /// One uniform draw for the whole decision: weights and runtime fractions use the same value, as
    /// Envoy's stream random.
    pub dice: u64,
}

/// Whether all criteria hold.
#[must_use]
pub fn route_matches(route: &Route, head: &RequestHead, path: &str, facts: &RequestFacts) -> bool {
    let RouteMatch { path: matcher, case_sensitive, headers, query, runtime_fraction, grpc, tls } =
        &route.matches;
    path_matches(matcher, *case_sensitive, head, path)
        && runtime_fraction.is_none_or(|share| share.includes(facts.dice))
        && (!grpc || is_grpc(head))
        && headers.iter().all(|m| m.matches(head))
        && query.iter().all(|m| m.matches(head.query()))
        && tls.is_none_or(|t| {
            t.presented.is_none_or(|want| want == facts.certificate_presented)
                && t.validated.is_none_or(|want| want == facts.certificate_validated)
        })
}

fn path_matches(matcher: &PathMatcher, case_sensitive: bool, head: &RequestHead, path: &str) -> bool {
    match matcher {
        PathMatcher::Prefix(prefix) => starts_with(path, prefix, case_sensitive),
        PathMatcher::Exact(exact) => path.len() == exact.len() && starts_with(path, exact, case_sensitive),
        PathMatcher::PathSeparatedPrefix(prefix) => {
            starts_with(path, prefix, case_sensitive)
                && matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'))
        }
        PathMatcher::Regex(regex) | PathMatcher::Template(_, regex) => regex.is_match(path.as_bytes()),
        PathMatcher::Connect => head.method == Method::Connect,
    }
}

fn starts_with(path: &str, prefix: &str, case_sensitive: bool) -> bool {
    path.as_bytes().get(..prefix.len()).is_some_and(|start| {
        if case_sensitive {
            start == prefix.as_bytes()
        } else {
            start.eq_ignore_ascii_case(prefix.as_bytes())
        }
    })
}

/// Whether a request is gRPC by its content type: `application/grpc`, alone or followed by `+` or `;`.
#[must_use]
pub fn is_grpc(head: &RequestHead) -> bool {
    head.headers.get("content-type").is_some_and(is_grpc_content_type)
}

/// The same test on a content type.
#[must_use]
pub fn is_grpc_content_type(value: &[u8]) -> bool {
    value
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The HTTP status that stands for a gRPC status (Envoy's mapping).
#[must_use]
pub fn http_status_of_grpc(status: u32) -> u16 {
    match status {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}
