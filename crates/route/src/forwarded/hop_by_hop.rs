//! Fields that concern one hop only.

use weft_types::Headers;

/// Whether the request asks for an upgrade: `connection` lists `upgrade` and `upgrade` names a
/// protocol. `h2c` is none that is offered, so such a request is served as it stands (RFC 9110 section
/// 7.8 lets a server ignore it).
#[must_use]
pub fn is_upgrade(headers: &Headers) -> bool {
    let token = headers.get("upgrade").map(<[u8]>::trim_ascii);
    token.is_some_and(|token| !token.is_empty() && !token.eq_ignore_ascii_case(b"h2c"))
        && tokens(headers, b"connection", |token| token.eq_ignore_ascii_case(b"upgrade"))
}

fn tokens(headers: &Headers, name: &[u8], mut test: impl FnMut(&[u8]) -> bool) -> bool {
    headers.get_joined(name).is_some_and(|list| list.split(|b| *b == b',').any(|t| test(t.trim_ascii())))
}

/// Removes fields that concern one hop only (RFC 9110 section 7.6.1); an upgrade keeps `connection`
/// and `upgrade`, and `te: trailers` stays.
pub fn strip_hop_by_hop(headers: &mut Headers, upgrade: bool) {
    if !upgrade {
        headers.remove_all(&["connection", "upgrade"]);
    }
    if headers.contains("te") {
        if tokens(headers, b"te", |token| token == b"trailers") {
            headers.set("te", "trailers");
        } else {
            headers.remove("te");
        }
    }
    headers.remove_all(&["keep-alive", "proxy-connection", "transfer-encoding", "http2-settings"]);
}
