//! What a rule of a VirtualService does with HTTP requests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::http_match::HttpMatch;
use super::virtual_service::Destination;
use crate::decode::{record, words};
use crate::value::{Bytes, Percent, Port, StringMatch};

record! {
    /// A rule: which requests, and what becomes of them.
    strict struct HttpRoute {
        /// Name, for access logs and metrics.
        name: Option<String> = optional "name",
        /// Any of these must hold; none holds always.
        matches: Vec<HttpMatch> = optional "match",
        /// Destinations and their weights (VS-12).
        route: Vec<HttpRouteDestination> = optional "route",
        /// Answer with a redirect instead (VS-14).
        redirect: Option<HttpRedirect> = optional "redirect",
        /// Answer with a fixed response instead (VS-15).
        direct_response: Option<DirectResponse> = optional "directResponse",
        /// Leave the rest to another VirtualService (VS-17).
        delegate: Option<Delegate> = optional "delegate",
        /// Change path or authority on the way (VS-16).
        rewrite: Option<HttpRewrite> = optional "rewrite",
        /// Time for the whole exchange, retries included; none by default (VS-19).
        timeout: Option<Duration> = optional "timeout",
        /// Tries after the first; the mesh's default if unset (VS-20).
        retries: Option<HttpRetry> = optional "retries",
        /// Faults to inject (VS-22).
        fault: Option<HttpFault> = optional "fault",
        /// A destination that gets copies (VS-23).
        mirror: Option<Destination> = optional "mirror",
        /// Share of requests that are copied to `mirror`; all by default.
        mirror_percentage: Option<Percent> = optional "mirrorPercentage",
        /// Share in whole percent; see [`HttpRoute::mirror_share`].
        mirror_percent: Option<u32> = deprecated "mirrorPercent" ("use mirrorPercentage"),
        /// Destinations that get copies, each with its share; instead of `mirror`.
        mirrors: Vec<HttpMirror> = optional "mirrors",
        /// Cross-origin policy (VS-24).
        cors_policy: Option<CorsPolicy> = optional "corsPolicy",
        /// Header changes, before those of the destination (VS-18).
        headers: Option<Headers> = optional "headers",
    }
}

impl HttpRoute {
    /// Share of requests that are copied to `mirror`; a deprecated share counts if it is alone.
    #[must_use]
    pub fn mirror_share(&self) -> Percent {
        let old = || self.mirror_percent.and_then(|percent| Percent::new(f64::from(percent)));
        self.mirror_percentage.or_else(old).unwrap_or(Percent::ALL)
    }
}

record! {
    /// A destination, its share of requests, and what to change for it.
    strict struct HttpRouteDestination {
        /// Destination.
        destination: Destination = required_record "destination",
        /// Share, relative to the sum of all; of no meaning when alone.
        weight: i32 = optional "weight",
        /// Header changes, after those of the rule.
        headers: Option<Headers> = optional "headers",
    }
}

record! {
    /// Header changes of both directions.
    strict struct Headers {
        /// On the way to the destination.
        request: Option<HeaderOperations> = optional "request",
        /// On the way back.
        response: Option<HeaderOperations> = optional "response",
    }
}

record! {
    /// Header changes; values may hold Envoy's command operators.
    strict struct HeaderOperations {
        /// Replaces.
        set: BTreeMap<String, String> = optional "set",
        /// Appends.
        add: BTreeMap<String, String> = optional "add",
        /// Removes.
        remove: Vec<String> = optional "remove",
    }
}

record! {
    /// A redirect; what is not set stays as the request had it.
    strict struct HttpRedirect {
        /// The whole new path; or, with `%PREFIX()%`, one that keeps what follows the matched prefix.
        uri: Option<String> = optional "uri",
        /// What replaces the matched prefix.
        prefix_rewrite: Option<String> = optional "prefixRewrite",
        /// New authority.
        authority: Option<String> = optional "authority",
        /// New port.
        port: Option<Port> = optional "port",
        /// Where to take the port from instead.
        derive_port: Option<RedirectPort> = optional "derivePort",
        /// New scheme.
        scheme: Option<String> = optional "scheme",
        /// Status; 301 by default.
        redirect_code: Option<u32> = optional "redirectCode",
    }
}

words! {
    /// Where a redirect takes its port from.
    enum RedirectPort {
        /// 80 or 443, by the scheme.
        FromProtocolDefault = "FROM_PROTOCOL_DEFAULT",
        /// The request's.
        FromRequestPort = "FROM_REQUEST_PORT",
    }
}

record! {
    /// A fixed response.
    strict struct DirectResponse {
        /// Status.
        status: Option<u32> = required "status",
        /// Body; empty by default.
        body: Option<HttpBody> = optional "body",
    }
}

record! {
    /// A body: one of the two.
    strict struct HttpBody {
        /// As text.
        string: Option<String> = optional "string",
        /// As bytes.
        bytes: Option<Bytes> = optional "bytes",
    }
}

record! {
    /// Another VirtualService, which has no hosts.
    strict struct Delegate {
        /// Name.
        name: Option<String> = optional "name",
        /// Namespace; the root's own by default.
        namespace: Option<String> = optional "namespace",
    }
}

record! {
    /// Changes of the request's path and authority.
    strict struct HttpRewrite {
        /// What replaces the matched prefix, or the whole path if the match was of another kind.
        uri: Option<String> = optional "uri",
        /// New authority.
        authority: Option<String> = optional "authority",
        /// Search and replacement on the path, instead of `uri`.
        uri_regex_rewrite: Option<RegexRewrite> = optional "uriRegexRewrite",
    }
}

record! {
    /// Search and replacement.
    strict struct RegexRewrite {
        /// RE2 expression.
        pattern: String = required "match",
        /// What to put instead; `\1` is the first group.
        rewrite: Option<String> = optional "rewrite",
    }
}

record! {
    /// How a request is tried again.
    strict struct HttpRetry {
        /// Tries after the first; 0 turns retries off, 2 by default.
        attempts: Option<u32> = count "attempts",
        /// Time for each try; the rule's timeout by default.
        per_try_timeout: Option<Duration> = optional "perTryTimeout",
        /// Conditions, with commas between; numbers are statuses.
        retry_on: Option<String> = optional "retryOn",
        /// Whether tries may go to other localities.
        retry_remote_localities: Option<bool> = optional "retryRemoteLocalities",
        /// Whether tries avoid endpoints that have failed; true by default.
        retry_ignore_previous_hosts: Option<bool> = optional "retryIgnorePreviousHosts",
        /// Base of the growing wait between tries; 25 ms by default.
        backoff: Option<Duration> = optional "backoff",
    }
}

record! {
    /// Faults, independent of each other.
    strict struct HttpFault {
        /// Wait before the request goes on.
        delay: Option<FaultDelay> = optional "delay",
        /// Answer instead of the destination.
        abort: Option<FaultAbort> = optional "abort",
    }
}

record! {
    /// A delay before the request goes on.
    strict struct FaultDelay {
        /// How long.
        fixed_delay: Option<Duration> = optional "fixedDelay",
        /// Mean of a distribution; Istio does not implement it.
        exponential_delay: Option<Duration> = without_effect "exponentialDelay" ("use fixedDelay"),
        /// Share of requests; 0 by default.
        percentage: Option<Percent> = optional "percentage",
        /// Share in whole percent; see [`FaultDelay::share`].
        percent: Option<u32> = deprecated "percent" ("use percentage"),
    }
}

impl FaultDelay {
    /// Share of requests that are delayed; a deprecated share counts if it is alone.
    #[must_use]
    pub fn share(&self) -> Percent {
        let old = || self.percent.and_then(|percent| Percent::new(f64::from(percent)));
        self.percentage.or_else(old).unwrap_or_default()
    }
}

record! {
    /// An answer in the destination's stead: one of a status and a gRPC status.
    strict struct FaultAbort {
        /// HTTP status.
        http_status: Option<u32> = count "httpStatus",
        /// gRPC status by name, such as `UNAVAILABLE`.
        grpc_status: Option<String> = optional "grpcStatus",
        /// HTTP/2 error; Istio does not implement it.
        http2_error: Option<String> = without_effect "http2Error" ("use httpStatus"),
        /// Share of requests; 0 by default.
        percentage: Option<Percent> = optional "percentage",
    }
}

record! {
    /// A destination that gets copies.
    strict struct HttpMirror {
        /// Destination.
        destination: Destination = required_record "destination",
        /// Share of requests; all by default.
        percentage: Option<Percent> = optional "percentage",
    }
}

record! {
    /// Cross-origin policy.
    strict struct CorsPolicy {
        /// Origins that may call.
        allow_origins: Vec<StringMatch> = optional "allowOrigins",
        /// Exact origins, or `*`.
        allow_origin: Vec<String> = deprecated "allowOrigin" ("use allowOrigins"),
        /// `Access-Control-Allow-Methods`.
        allow_methods: Vec<String> = optional "allowMethods",
        /// `Access-Control-Allow-Headers`.
        allow_headers: Vec<String> = optional "allowHeaders",
        /// `Access-Control-Expose-Headers`.
        expose_headers: Vec<String> = optional "exposeHeaders",
        /// `Access-Control-Max-Age`.
        max_age: Option<Duration> = optional "maxAge",
        /// `Access-Control-Allow-Credentials`.
        allow_credentials: Option<bool> = optional "allowCredentials",
        /// What becomes of preflights from other origins.
        unmatched_preflights: UnmatchedPreflights = optional "unmatchedPreflights",
    }
}

words! {
    /// What becomes of preflight requests whose origin no rule allows.
    enum UnmatchedPreflights {
        /// They are forwarded.
        Unspecified = "UNSPECIFIED",
        /// They are forwarded.
        Forward = "FORWARD",
        /// They are answered here.
        Ignore = "IGNORE",
    }
}
