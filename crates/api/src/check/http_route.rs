//! Rules of HTTP (VS-12 to VS-24).

use std::collections::BTreeSet;

use super::host::{self, Form};
use super::{bounds, destination, exclusive, header, http_match, regex, set};
use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::istio::http_route::{
    CorsPolicy, Delegate, DirectResponse, FaultAbort, FaultDelay, HttpFault, HttpRedirect, HttpRetry,
    HttpRewrite, HttpRoute,
};
use crate::report::Report;
use crate::value::{StringMatch, name};

/// Largest body of a fixed response, bytes (Istio's bound).
const LARGEST_BODY: usize = 1 << 20;

pub(super) fn check(r: &mut Report, rule: &HttpRoute, is_delegate: bool) {
    let HttpRoute {
        name: _,
        matches,
        route,
        redirect,
        direct_response,
        delegate,
        rewrite,
        timeout,
        retries,
        fault,
        mirror,
        mirror_percentage: _,
        mirror_percent,
        mirrors,
        cors_policy,
        headers,
    } = rule;
    check_purpose(r, rule, is_delegate);
    r.each("match", matches, http_match::check);
    r.each("route", route, |r, route| {
        r.within("destination", |r| destination::check(r, &route.destination));
        header::operations(r, route.headers.as_ref());
    });
    destination::weights(r, route.iter().map(|route| route.weight));
    r.maybe("redirect", redirect.as_ref(), |r, redirect| check_redirect(r, redirect, rule));
    r.maybe("directResponse", direct_response.as_ref(), check_direct_response);
    r.maybe("delegate", delegate.as_ref(), check_delegate);
    r.maybe("rewrite", rewrite.as_ref(), check_rewrite);
    r.maybe("retries", retries.as_ref(), |r, retries| {
        check_retries(r, retries);
        if let (Some(each), Some(all)) = (retries.per_try_timeout, *timeout)
            && each > all
        {
            r.warn_at("perTryTimeout", Code::Retry, "longer than the rule's timeout, which ends all tries");
        }
    });
    r.maybe("fault", fault.as_ref(), check_fault);
    r.maybe("mirror", mirror.as_ref(), destination::check);
    r.maybe("mirrorPercent", mirror_percent.as_ref(), |r, percent| bounds(r, *percent, 0, 100));
    r.each("mirrors", mirrors, |r, mirror| {
        r.within("destination", |r| destination::check(r, &mirror.destination));
    });
    r.maybe("corsPolicy", cors_policy.as_ref(), check_cors);
    header::operations(r, headers.as_ref());
}

/// Checks that a rule does exactly one thing.
fn check_purpose(r: &mut Report, rule: &HttpRoute, is_delegate: bool) {
    let purposes = [
        ("route", !rule.route.is_empty()),
        ("redirect", rule.redirect.is_some()),
        ("directResponse", rule.direct_response.is_some()),
        ("delegate", rule.delegate.is_some()),
    ];
    if set(&purposes).is_empty() {
        r.error(Code::Route, "does nothing: needs route, redirect, directResponse or delegate");
    }
    exclusive(r, &purposes);
    if is_delegate && rule.delegate.is_some() {
        r.error_at("delegate", Code::Route, "a VirtualService that is delegated to cannot delegate further");
    }
    if rule.redirect.is_some() || rule.direct_response.is_some() {
        let of_routes = [
            ("rewrite", rule.rewrite.is_some()),
            ("mirror", rule.mirror.is_some()),
            ("mirrors", !rule.mirrors.is_empty()),
        ];
        for field in set(&of_routes) {
            r.error_at(field, Code::Exclusive, "only rules with route can have it");
        }
    }
    exclusive(r, &[("mirror", rule.mirror.is_some()), ("mirrors", !rule.mirrors.is_empty())]);
}

fn check_redirect(r: &mut Report, redirect: &HttpRedirect, rule: &HttpRoute) {
    let HttpRedirect { uri, prefix_rewrite, authority, port, derive_port, scheme, redirect_code } = redirect;
    if (HttpRedirect { redirect_code: None, ..redirect.clone() }) == HttpRedirect::default() {
        r.error(Code::Route, "changes nothing, so it would redirect forever");
    }
    exclusive(r, &[("port", port.is_some()), ("derivePort", derive_port.is_some())]);
    exclusive(r, &[("uri", uri.is_some()), ("prefixRewrite", prefix_rewrite.is_some())]);
    if prefix_rewrite.is_some() && !rule.matches.iter().all(|m| matches!(m.uri, Some(StringMatch::Prefix(_))))
    {
        r.error_at("prefixRewrite", Code::Route, "every match of the rule must have a uri prefix");
    }
    r.maybe("authority", authority.as_ref(), |r, authority| {
        if authority.bytes().any(|b| b.is_ascii_whitespace() || b == b'/') {
            r.error(Code::Host, format!("{:?} is not an authority", shorten(authority)));
        }
    });
    r.maybe("scheme", scheme.as_ref(), |r, scheme| {
        if scheme != "http" && scheme != "https" {
            r.error(Code::Route, "only http and https are known");
        }
    });
    r.maybe("redirectCode", redirect_code.as_ref(), |r, code| {
        if !matches!(code, 301 | 302 | 303 | 307 | 308) {
            r.error(Code::OutOfBounds, format!("{code} is not one of 301, 302, 303, 307, 308"));
        }
    });
}

fn check_direct_response(r: &mut Report, response: &DirectResponse) {
    let DirectResponse { status, body } = response;
    r.maybe("status", status.as_ref(), |r, status| bounds(r, *status, 200, 599));
    r.maybe("body", body.as_ref(), |r, body| {
        exclusive(r, &[("string", body.string.is_some()), ("bytes", body.bytes.is_some())]);
        let text = body.string.as_ref().map_or(0, String::len);
        let size = text.max(body.bytes.as_ref().map_or(0, |bytes| bytes.0.len()));
        super::at_most(r, size, LARGEST_BODY, "bytes");
    });
}

fn check_delegate(r: &mut Report, delegate: &Delegate) {
    let Delegate { name: object, namespace } = delegate;
    match object {
        None => r.error_at("name", Code::MissingField, "required, but missing"),
        Some(object) if !name::is_subdomain(object) => {
            r.error_at("name", Code::Reference, name::not_a_name(object));
        }
        Some(_) => {}
    }
    super::reference::namespace(r, "namespace", namespace.as_ref());
}

fn check_rewrite(r: &mut Report, rewrite: &HttpRewrite) {
    let HttpRewrite { uri, authority, uri_regex_rewrite } = rewrite;
    if *rewrite == HttpRewrite::default() {
        r.error(Code::Route, "rewrites nothing: needs uri, authority or uriRegexRewrite");
    }
    exclusive(r, &[("uri", uri.is_some()), ("uriRegexRewrite", uri_regex_rewrite.is_some())]);
    r.maybe("authority", authority.as_ref(), |r, authority| {
        let name = authority.rsplit_once(':').map_or(authority.as_str(), |(name, _)| name);
        host::check(r, name, Form::NameOrAddress);
    });
    r.maybe("uriRegexRewrite", uri_regex_rewrite.as_ref(), |r, rewrite| {
        r.within("match", |r| regex(r, &rewrite.pattern));
    });
}

fn check_retries(r: &mut Report, retries: &HttpRetry) {
    if retries.attempts == Some(0) && *retries != (HttpRetry { attempts: Some(0), ..HttpRetry::default() }) {
        r.error(Code::Retry, "attempts is 0, which turns retries off, so the other fields contradict it");
    }
    r.maybe("retryOn", retries.retry_on.as_ref(), |r, conditions| {
        for condition in conditions.split(',').map(str::trim) {
            let status = condition.parse::<u16>().is_ok_and(|status| (100..600).contains(&status));
            if !status && !RETRY_ON.contains(&condition) {
                let message = format!("{:?} is not a condition for retries", shorten(condition));
                match crate::decode::nearest(condition, RETRY_ON.iter().copied()) {
                    Some(near) => r.error_with_hint(Code::Retry, message, format!("did you mean {near}?")),
                    None => r.error(Code::Retry, message),
                }
            }
        }
    });
}

/// Conditions for retries that Envoy knows, HTTP's and gRPC's.
const RETRY_ON: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

fn check_fault(r: &mut Report, fault: &HttpFault) {
    if *fault == HttpFault::default() {
        r.error(Code::Fault, "injects nothing: needs delay or abort");
    }
    r.maybe("delay", fault.delay.as_ref(), |r, delay| {
        let FaultDelay { fixed_delay, exponential_delay, percentage, percent } = delay;
        if fixed_delay.is_none() && exponential_delay.is_none() {
            r.error(Code::Fault, "needs fixedDelay");
        }
        exclusive(
            r,
            &[("fixedDelay", fixed_delay.is_some()), ("exponentialDelay", exponential_delay.is_some())],
        );
        r.maybe("percent", percent.as_ref(), |r, percent| bounds(r, *percent, 0, 100));
        no_share(r, percentage.is_none() && percent.is_none());
    });
    r.maybe("abort", fault.abort.as_ref(), |r, abort| {
        let FaultAbort { http_status, grpc_status, http2_error, percentage } = abort;
        let forms = [
            ("httpStatus", http_status.is_some()),
            ("grpcStatus", grpc_status.is_some()),
            ("http2Error", http2_error.is_some()),
        ];
        exclusive(r, &forms);
        if set(&forms).is_empty() {
            r.error(Code::Fault, "needs httpStatus or grpcStatus");
        }
        r.maybe("httpStatus", http_status.as_ref(), |r, status| bounds(r, *status, 200, 599));
        r.maybe("grpcStatus", grpc_status.as_ref(), |r, status| {
            if weft_types::grpc::code(status).is_none() {
                let message = format!("{:?} is not the name of a gRPC status", shorten(status));
                r.error_with_hint(Code::Fault, message, "such as UNAVAILABLE");
            }
        });
        no_share(r, percentage.is_none());
    });
}

/// A fault without a share is injected never (VS-22).
fn no_share(r: &mut Report, missing: bool) {
    if missing {
        r.warn(Code::WithoutEffect, "without percentage, no request is affected");
    }
}

fn check_cors(r: &mut Report, policy: &CorsPolicy) {
    let CorsPolicy {
        allow_origins,
        allow_origin,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age: _,
        allow_credentials: _,
        unmatched_preflights: _,
    } = policy;
    r.each("allowOrigins", allow_origins, |r, origin| {
        if *origin == StringMatch::Present {
            r.error(Code::Match, "needs one of exact, prefix and regex");
        }
        http_match::text(r, origin);
    });
    exclusive(r, &[("allowOrigins", !allow_origins.is_empty()), ("allowOrigin", !allow_origin.is_empty())]);
    let mut seen = BTreeSet::new();
    r.each("allowMethods", allow_methods, |r, method| {
        if method != "*"
            && (method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'))
        {
            r.error(Code::Route, format!("{:?} is not a method", shorten(method)));
        } else if !seen.insert(method) {
            r.warn(Code::WithoutEffect, format!("{method} stands here for the second time"));
        }
    });
    header::names(r, "allowHeaders", allow_headers);
    header::names(r, "exposeHeaders", expose_headers);
}
