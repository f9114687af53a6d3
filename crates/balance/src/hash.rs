//! Hashes: of requests, for consistent balancing, and of bytes as Envoy makes them.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use twox_hash::XxHash64;
use weft_tables::route::HashPolicy;
use weft_types::RequestHead;

/// xxHash64 of some bytes.
#[must_use]
pub fn xx(bytes: &[u8], seed: u64) -> u64 {
    XxHash64::oneshot(seed, bytes)
}

/// Seed of [`murmur`] in Envoy: that of `std::hash` in libstdc++.
const MURMUR_SEED: u64 = 0xc70f_6907;

/// MurmurHash2 of 64 bits, little endian (`hash_function: MURMUR_HASH_2`).
#[must_use]
pub fn murmur(bytes: &[u8]) -> u64 {
    const MUL: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |value: u64| value ^ (value >> 47);
    let mut hash = MURMUR_SEED ^ (bytes.len() as u64).wrapping_mul(MUL);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let data = mix(u64::from_le_bytes(*word).wrapping_mul(MUL)).wrapping_mul(MUL);
        hash = (hash ^ data).wrapping_mul(MUL);
    }
    if !tail.is_empty() {
        let data = tail.iter().rev().fold(0, |data, byte| data << 8 | u64::from(*byte));
        hash = (hash ^ data).wrapping_mul(MUL);
    }
    mix(mix(hash).wrapping_mul(MUL))
}

/// The hash of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHash {
    /// The hash; `None`: no policy found anything, the dice decide.
    pub hash: Option<u64>,
    /// `set-cookie` values for the response: cookies that were missing and are to be made.
    pub set_cookies: Vec<String>,
}

/// Hashes a request by the route's policies: each result is combined with the rotated one before, and
/// a terminal policy ends the list once there is a result (`RouteAction.hash_policy`, DR-06). `remote`
/// is the client's address, `local` the one that it spoke to.
#[must_use]
pub fn request(
    policies: &[HashPolicy],
    head: &RequestHead,
    remote: Option<SocketAddr>,
    local: Option<SocketAddr>,
) -> RequestHash {
    let mut result = RequestHash::default();
    for policy in policies {
        let (found, terminal) = match policy {
            HashPolicy::Header(name, terminal) => (header(head, name), *terminal),
            HashPolicy::Cookie { name, ttl, path, terminal } => {
                let made = || made_cookie(name, *ttl, path, remote, local, &mut result.set_cookies);
                let value = cookie(head, name).map(Cow::Borrowed).or_else(made);
                (value.map(|value| xx(&value, 0)), *terminal)
            }
            HashPolicy::SourceIp(terminal) => {
                (remote.map(|remote| xx(remote.ip().to_string().as_bytes(), 0)), *terminal)
            }
            HashPolicy::Query(name, terminal) => (query(head, name), *terminal),
        };
        if let Some(found) = found {
            result.hash = Some(result.hash.unwrap_or(0).rotate_left(1) ^ found);
        }
        if terminal && result.hash.is_some() {
            break;
        }
    }
    result
}

/// All values of the field, in an order that does not depend on theirs.
fn header(head: &RequestHead, name: &str) -> Option<u64> {
    if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        return head.field(&name.to_ascii_lowercase()).map(|value| xx(&value, 0));
    }
    let mut values: Vec<&[u8]> = head.headers.get_all(name.as_bytes()).collect();
    values.sort_unstable();
    let hashed = values.iter().fold(0, |hash, value| xx(value, hash));
    (!values.is_empty()).then_some(hashed)
}

fn query(head: &RequestHead, name: &str) -> Option<u64> {
    let pairs = head.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| xx(value.as_bytes(), 0))
}

/// The cookie's value without quotes; an empty one counts as missing.
fn cookie<'a>(head: &'a RequestHead, name: &str) -> Option<&'a [u8]> {
    head.headers.get_all(b"cookie").flat_map(|field| field.split(|byte| *byte == b';')).find_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = pair.split_at(equals);
        let value = value.get(1..)?;
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        (key == name.as_bytes() && !value.is_empty()).then_some(value)
    })
}

/// A new cookie. Its value hashes the connection's addresses, so that requests that race on one
/// connection get the same.
fn made_cookie<'a>(
    name: &str,
    ttl: Option<Duration>,
    path: &str,
    remote: Option<SocketAddr>,
    local: Option<SocketAddr>,
    made: &mut Vec<String>,
) -> Option<Cow<'a, [u8]>> {
    let ttl = ttl?;
    let addresses = format!("{}{}", remote?, local?);
    let value = format!("{:016x}", xx(addresses.as_bytes(), 0));
    let mut cookie = format!("{name}=\"{value}\"");
    if ttl.as_secs() > 0 {
        cookie.push_str(&format!("; Max-Age={}", ttl.as_secs()));
    }
    if !path.is_empty() {
        cookie.push_str(&format!("; Path={path}"));
    }
    cookie.push_str("; HttpOnly");
    made.push(cookie);
    Some(Cow::Owned(value.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_envoys() {
        assert_eq!(xx(b"foo", 0), 3_728_699_739_546_630_719);
        assert_eq!(xx(b"", 0), 17_241_709_254_077_376_921);
        assert_eq!(murmur(b"foo"), 9_631_199_822_919_835_226);
        assert_eq!(murmur(b"foo\nbar"), 16_306_510_975_912_980_159);
        assert_eq!(murmur(b""), 6_142_509_188_972_423_790);
    }

    fn with(fields: &[(&str, &str)]) -> RequestHead {
        let mut head = RequestHead::get("a", "/p?q=1&q=2&r");
        head.headers = fields.iter().copied().collect();
        head
    }

    fn header_policy(terminal: bool) -> HashPolicy {
        HashPolicy::Header("x-h".into(), terminal)
    }

    #[test]
    fn combines_policies_and_stops_at_a_terminal_one() {
        let head = with(&[("x-h", "v")]);
        let query = HashPolicy::Query("q".into(), false);
        let both = request(&[header_policy(false), query.clone()], &head, None, None).hash;
        assert_eq!(both, Some(xx(b"v", 0).rotate_left(1) ^ xx(b"1", 0)));
        let terminal = request(&[header_policy(true), query.clone()], &head, None, None).hash;
        assert_eq!(terminal, Some(xx(b"v", 0)));
        let skipped = request(&[header_policy(true), query], &with(&[]), None, None).hash;
        assert_eq!(skipped, Some(xx(b"1", 0)));
        let nothing = [HashPolicy::Query("z".into(), false), HashPolicy::SourceIp(false)];
        assert_eq!(request(&nothing, &head, None, None), RequestHash::default());
    }

    #[test]
    fn the_order_of_repeated_fields_does_not_matter() {
        let one = request(&[header_policy(false)], &with(&[("x-h", "a"), ("x-h", "b")]), None, None);
        let two = request(&[header_policy(false)], &with(&[("x-h", "b"), ("x-h", "a")]), None, None);
        assert_eq!(one, two);
        assert_eq!(one.hash, Some(xx(b"b", xx(b"a", 0))));
    }

    #[test]
    fn cookies_are_read_or_made() {
        let policy = |ttl, path: &str| HashPolicy::Cookie {
            name: "c".into(),
            ttl,
            path: path.into(),
            terminal: false,
        };
        let remote = Some(([127, 0, 0, 1], 41692).into());
        let local = Some(([127, 0, 0, 1], 18200).into());
        let minute = Some(Duration::from_secs(60));
        for field in ["b=1; c=v", "c=\"v\"", "cc=1;c=v; c=w"] {
            let hash = request(&[policy(minute, "/")], &with(&[("cookie", field)]), remote, local);
            assert_eq!(hash, RequestHash { hash: Some(xx(b"v", 0)), set_cookies: vec![] }, "{field}");
        }
        // As Envoy 1.40 made it for these addresses.
        let made = request(&[policy(minute, "/p")], &with(&[]), remote, local);
        assert_eq!(made.set_cookies, ["c=\"f886893d0739fb43\"; Max-Age=60; Path=/p; HttpOnly"]);
        assert_eq!(made.hash, Some(xx(b"f886893d0739fb43", 0)));
        let session = request(&[policy(Some(Duration::ZERO), "")], &with(&[]), remote, local);
        assert_eq!(session.set_cookies, ["c=\"f886893d0739fb43\"; HttpOnly"]);
        assert_eq!(request(&[policy(None, "")], &with(&[]), remote, local), RequestHash::default());
    }
}
