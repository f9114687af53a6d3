//! Bugs to be sown: small slips that a person could make, each in another part of the proxy.

/// One bug: the text that is replaced, and the rows that must notice.
#[derive(Debug)]
pub(super) struct Bug {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    /// Stands in the file exactly once.
    pub(super) old: &'static str,
    pub(super) new: &'static str,
    /// Rows to be run, as `--filter` takes them.
    pub(super) filter: &'static str,
}

const fn bug(
    name: &'static str,
    file: &'static str,
    old: &'static str,
    new: &'static str,
    filter: &'static str,
) -> Bug {
    Bug { name, file, old, new, filter }
}

/// All of them.
pub(super) const BUGS: [Bug; 22] = [
    bug(
        "a wildcard domain stands for nothing",
        "crates/route/src/host.rs",
        "lower.len() > s.len() && lower.ends_with(s)",
        "lower.len() >= s.len() && lower.ends_with(s)",
        "routing/match",
    ),
    bug(
        "a separated prefix ends anywhere",
        "crates/route/src/matching.rs",
        "&& matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'))",
        "",
        "routing/match",
    ),
    bug(
        "gRPC with a suffix is no gRPC",
        "crates/route/src/matching.rs",
        "None | Some(b'+' | b';')",
        "None | Some(b';')",
        "grpc/grpc",
    ),
    bug(
        "a prefix rewrite loses the query",
        "crates/route/src/rewrite.rs",
        "\"{replacement}{}{rest}\"",
        "\"{replacement}{}\"",
        "routing/change",
    ),
    bug(
        "a redirect keeps the query that it should strip",
        "crates/route/src/redirect.rs",
        "if redirect.strip_query { \"\" } else { query }",
        "query",
        "routing/change",
    ),
    bug(
        "a header is appended instead of overwritten",
        "crates/route/src/headers.rs",
        "AppendAction::OverwriteOrAdd => headers.set(name, value)",
        "AppendAction::OverwriteOrAdd => headers.append(name, value)",
        "routing/change",
    ),
    bug(
        "weights are shifted by one cluster",
        "crates/route/src/decide.rs",
        "if point < weight {",
        "if point <= weight / 2 {",
        "routing/cluster",
    ),
    bug(
        "a per-try timeout is not the client's to set",
        "crates/route/src/timeout.rs",
        "per_try = Some(wanted).filter(|d| !d.is_zero());",
        "per_try = per_try.or(Some(wanted)).filter(|_| false);",
        "retries/retries",
    ),
    bug(
        "409 is not tried again",
        "crates/balance/src/retry.rs",
        "self.on.retriable_4xx && status == 409",
        "self.on.retriable_4xx && status == 404",
        "retries/retries",
    ),
    bug(
        "any reset is tried again as a refused stream",
        "crates/balance/src/retry.rs",
        "(self.on.refused_stream && reset == Reset::Refused)",
        "self.on.refused_stream",
        "retries/retries",
    ),
    bug(
        "one more retry than allowed",
        "crates/balance/src/retry.rs",
        "if self.left == 0 {",
        "if self.left == u32::MAX {",
        "retries/retries",
    ),
    bug(
        "the breaker opens one request late",
        "crates/state/src/resource.rs",
        "(n < limit).then(|| n + 1)",
        "(n <= limit).then(|| n + 1)",
        "breakers/breakers",
    ),
    bug(
        "500 counts as a gateway failure",
        "crates/balance/src/outlier.rs",
        "counters.consecutive_gateway_failure.store(0, Relaxed);\n        }\n        if reaches",
        "}\n        if reaches",
        "outlier/outlier",
    ),
    bug(
        "a wildcard server name is as good as an exact one",
        "crates/tables/src/chain.rs",
        "return Some(usize::MAX);",
        "return Some(1);",
        "tls/downstream",
    ),
    bug(
        "the shortest address prefix wins",
        "crates/tables/src/chain.rs",
        "ranges.longest_prefix(address).map(usize::from)",
        "ranges.longest_prefix(address).map(|length| 128 - usize::from(length))",
        "listener/chains",
    ),
    bug(
        "length and chunks together are taken",
        "crates/codec/src/http1/framing.rs",
        "if !allow_chunked_length {",
        "if false && !allow_chunked_length {",
        "http1/framing",
    ),
    bug(
        "a broken connection is flagged as one that was not made",
        "crates/proxy/src/http/failure.rs",
        "Self::Terminated => ResponseFlag::UpstreamConnectionTermination",
        "Self::Terminated => ResponseFlag::UpstreamConnectionFailure",
        "failures/upstream",
    ),
    bug(
        "a protocol error of the backend is 503",
        "crates/proxy/src/http/failure.rs",
        "if *self == Self::Protocol { 502 } else { 503 }",
        "if *self == Self::Protocol { 503 } else { 503 }",
        "failures/upstream",
    ),
    bug(
        "gRPC clients are told INTERNAL instead of UNAVAILABLE",
        "crates/proxy/src/http/reply.rs",
        "429 | 502 | 503 | 504 => 14",
        "429 | 502 | 503 | 504 => 13",
        "grpc/grpc",
    ),
    bug(
        "mirrored requests keep their host",
        "crates/proxy/src/http/mirror.rs",
        "{host}-shadow{}",
        "{host}{}",
        "mirror/mirror",
    ),
    bug(
        "x-envoy headers of strangers are believed",
        "crates/route/src/forwarded.rs",
        "    \"x-envoy-retry-on\",\n",
        "",
        "retries/retries",
    ),
    bug(
        "any certificate of the right root will do",
        "crates/tls/src/names.rs",
        "let test = |text: &str| matcher.matcher.matches(text.as_bytes());",
        "let test = |text: &str| matcher.matcher.matches(text.as_bytes()) || !text.is_empty();",
        "tls/",
    ),
];
