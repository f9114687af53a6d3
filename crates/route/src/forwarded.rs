//! What a connection manager adds to and takes from a request before filters see it: hop-by-hop
//! fields, `x-forwarded-*`, `x-envoy-*` of strangers, request id, scheme, `via`.

use std::net::IpAddr;

use weft_tables::hcm::HttpManager;
use weft_tables::route::RouteConfig;
use weft_types::{Headers, Random, RequestHead};

/// What is known of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Hop {
    /// The peer's address; `None` on Unix sockets.
    pub remote: Option<IpAddr>,
    /// Our address, as other proxies would see it (added to `x-forwarded-for` for loopback peers).
    pub local: Option<IpAddr>,
    /// The connection is encrypted.
    pub tls: bool,
}

/// `x-envoy-*` request fields that only trusted peers may set.
const INTERNAL: &[&str] = &[
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-original-path",
];

/// Applies it all; returns the client's address as far as it is trusted.
pub fn receive(
    head: &mut RequestHead,
    manager: &HttpManager,
    routes: Option<&RouteConfig>,
    hop: Hop,
    dice: &mut impl Random,
) -> Option<IpAddr> {
    let upgrade = is_upgrade(&head.headers);
    strip_hop_by_hop(&mut head.headers, upgrade);
    head.headers.remove("x-envoy-internal");
    let before = head.headers.get_joined(b"x-forwarded-for").map(std::borrow::Cow::into_owned);
    let client = forwarded_for(head, manager, hop);
    scheme(head, manager, hop);
    // A client is inside only if nobody stands between it and us, or one trusted address tells of it.
    let single = match &before {
        None => manager.use_remote_address,
        Some(list) => !manager.use_remote_address && !list.contains(&b','),
    };
    if single && is_internal(manager, client) {
        head.headers.set("x-envoy-internal", "true");
    } else {
        for name in INTERNAL {
            head.headers.remove(name);
        }
        for name in routes.map(|r| &r.internal_only_headers[..]).unwrap_or_default() {
            head.headers.remove(&**name);
        }
        if let (true, Some(client)) = (manager.use_remote_address, client) {
            head.headers.set("x-envoy-external-address", client.to_string());
        }
    }
    request_id(head, manager, dice);
    if !manager.via.is_empty() {
        append_list(&mut head.headers, "via", &manager.via);
    }
    client
}

fn is_internal(manager: &HttpManager, client: Option<IpAddr>) -> bool {
    match (&manager.internal_addresses, client) {
        (Some(internal), Some(client)) => internal.ranges.contains(client),
        (Some(internal), None) => internal.unix_sockets,
        (None, _) => false,
    }
}

fn forwarded_for(head: &mut RequestHead, manager: &HttpManager, hop: Hop) -> Option<IpAddr> {
    let hops = manager.xff_trusted_hops as usize;
    if !manager.use_remote_address {
        return nth_from_right(&head.headers, hops).or(hop.remote);
    }
    let client = if hops == 0 { hop.remote } else { nth_from_right(&head.headers, hops - 1).or(hop.remote) };
    if !manager.skip_xff_append
        && let Some(remote) = hop.remote
    {
        let shown = if remote == IpAddr::from([127, 0, 0, 1]) { hop.local.unwrap_or(remote) } else { remote };
        append_list(&mut head.headers, "x-forwarded-for", &shown.to_string());
    }
    client
}

fn nth_from_right(headers: &Headers, skip: usize) -> Option<IpAddr> {
    let list = headers.get_joined(b"x-forwarded-for")?;
    let text = std::str::from_utf8(&list).ok()?;
    text.rsplit(',').nth(skip)?.trim().parse().ok()
}

fn scheme(head: &mut RequestHead, manager: &HttpManager, hop: Hop) {
    let implied = if hop.tls { "https" } else { "http" };
    let untrusted = manager.use_remote_address && manager.xff_trusted_hops == 0;
    if untrusted || !head.headers.contains("x-forwarded-proto") {
        head.headers.set("x-forwarded-proto", implied);
    }
    if let Some(forced) = &manager.force_scheme {
        head.scheme = forced.clone();
        head.headers.set("x-forwarded-proto", forced.as_bytes());
    } else if head.version <= weft_types::Version::Http11 {
        // HTTP/1 carries no scheme: believe the header where it holds one.
        head.scheme = match head.headers.get_str("x-forwarded-proto") {
            Some(told) if told.eq_ignore_ascii_case("http") => "http".into(),
            Some(told) if told.eq_ignore_ascii_case("https") => "https".into(),
            _ => implied.into(),
        };
    }
}

fn request_id(head: &mut RequestHead, manager: &HttpManager, dice: &mut impl Random) {
    if !manager.generate_request_id {
        return;
    }
    let replace = manager.use_remote_address && !manager.preserve_external_request_id;
    if replace || !head.headers.contains("x-request-id") {
        head.headers.set("x-request-id", uuid(dice));
    }
}

/// A random UUID, version 4 (RFC 9562).
#[must_use]
pub fn uuid(dice: &mut impl Random) -> String {
    let (a, b) = (dice.next_u64(), dice.next_u64());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | (b >> 48) & 0x3fff,
        b & 0xffff_ffff_ffff
    )
}

/// Whether the request asks for an upgrade: `connection` lists `upgrade` and `upgrade` is there.
#[must_use]
pub fn is_upgrade(headers: &Headers) -> bool {
    headers.contains("upgrade") && lists_token(headers, b"connection", "upgrade")
}

fn lists_token(headers: &Headers, name: &[u8], token: &str) -> bool {
    headers.get_joined(name).is_some_and(|list| {
        list.split(|b| *b == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Removes fields that concern one hop only (RFC 9110 section 7.6.1); an upgrade keeps `connection`
/// and `upgrade`, and `te: trailers` stays.
pub fn strip_hop_by_hop(headers: &mut Headers, upgrade: bool) {
    if !upgrade {
        headers.remove("connection");
        headers.remove("upgrade");
    }
    if headers.contains("te") {
        if lists_token(headers, b"te", "trailers") {
            headers.set("te", "trailers");
        } else {
            headers.remove("te");
        }
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    headers.remove("transfer-encoding");
}

/// Appends an item to a comma-separated list field.
pub fn append_list(headers: &mut Headers, name: &str, item: &str) {
    let value = match headers.get_joined(name.as_bytes()) {
        Some(old) if !old.is_empty() => [&*old, b",", item.as_bytes()].concat(),
        _ => item.as_bytes().to_vec(),
    };
    headers.set(name, value);
}
