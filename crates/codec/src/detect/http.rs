//! Is it HTTP, and which? (Envoy `http_inspector`.)

/// Longest request line looked at, in bytes (Envoy's largest inspection: 64 KiB).
pub const MAX_SNIFF_BYTES: usize = 64 * 1024;

/// Longest method that may still turn out to be HTTP. Envoy would wait for the line's end; nothing
/// longer than this is a method, and a protocol that never ends a line should not cost the timeout.
const MAX_METHOD_BYTES: usize = 64;

/// What an HTTP/2 client sends first (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The answer of [`sniff`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpSniff {
    /// Not enough bytes to tell.
    NeedMore,
    /// Not HTTP.
    NotHttp,
    /// A request line of another version than 1.1, or of none.
    Http10,
    /// A request line of HTTP/1.1.
    Http11,
    /// The preface of HTTP/2.
    Http2,
    /// A request line that does not end within [`MAX_SNIFF_BYTES`]: Envoy closes the connection.
    TooLong,
}

impl HttpSniff {
    /// The application protocol that filter chains match on: `http/1.0`, `http/1.1` or `h2c`.
    #[must_use]
    pub fn application_protocol(self) -> Option<&'static str> {
        match self {
            Self::Http10 => Some("http/1.0"),
            Self::Http11 => Some("http/1.1"),
            Self::Http2 => Some("h2c"),
            Self::NeedMore | Self::NotHttp | Self::TooLong => None,
        }
    }
}

/// Tells whether a connection that begins with `prefix` speaks HTTP. Any method is taken here: what
/// is served is the codec's matter.
#[must_use]
pub fn sniff(prefix: &[u8]) -> HttpSniff {
    if prefix.starts_with(HTTP2_PREFACE) {
        return HttpSniff::Http2;
    }
    if HTTP2_PREFACE.starts_with(prefix) {
        return HttpSniff::NeedMore;
    }
    let feed = memchr::memchr(b'\n', prefix.get(..MAX_SNIFF_BYTES).unwrap_or(prefix));
    match feed.and_then(|feed| prefix.get(..feed)) {
        Some(line) => of_line(line.strip_suffix(b"\r").unwrap_or(line)),
        None if !may_become_line(prefix) => HttpSniff::NotHttp,
        None if prefix.len() >= MAX_SNIFF_BYTES => HttpSniff::TooLong,
        None => HttpSniff::NeedMore,
    }
}

fn of_line(line: &[u8]) -> HttpSniff {
    // Envoy's parser takes several blanks for one here; the codec then refuses them with a 400, which
    // serves the client better than a byte stream to nowhere.
    let mut words = line.split(is_blank).filter(|word| !word.is_empty());
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return HttpSniff::NotHttp };
    let version = words.next();
    let begins_with_method = line.first().is_some_and(|byte| !is_blank(byte));
    if !begins_with_method || words.next().is_some() || !is_method(method) || !is_target(method, target) {
        return HttpSniff::NotHttp;
    }
    match version {
        Some(b"HTTP/1.1") => HttpSniff::Http11,
        None | Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']) => HttpSniff::Http10,
        Some(_) => HttpSniff::NotHttp,
    }
}

/// Whether more bytes could make a request line of a start that has no line end.
fn may_become_line(start: &[u8]) -> bool {
    let method = start.split(is_blank).next().unwrap_or_default();
    let rest = start.get(method.len()..).unwrap_or_default();
    let method = if rest.is_empty() { method.strip_suffix(b"\r").unwrap_or(method) } else { method };
    let visible = |byte: &u8| is_blank(byte) || byte.is_ascii_graphic() || *byte == b'\r';
    is_method(method) && rest.iter().all(visible)
}

fn is_method(word: &[u8]) -> bool {
    let token = |byte: &u8| weft_types::head::is_token_byte(*byte);
    (1..=MAX_METHOD_BYTES).contains(&word.len()) && word.iter().all(token)
}

fn is_target(method: &[u8], target: &[u8]) -> bool {
    if !target.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    if let [b'/' | b'*', ..] = target {
        return true;
    }
    let letters = target.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let absolute = letters > 0 && target.get(letters..).is_some_and(|rest| rest.starts_with(b"://"));
    absolute || method == b"CONNECT"
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::HttpSniff::{Http2, Http10, Http11, NeedMore, NotHttp, TooLong};
    use super::*;

    /// What Envoy 1.40's `http_inspector` decides; `NeedMore` where it waits for its timeout.
    const CASES: &[(&str, HttpSniff)] = &[
        ("GET / HTTP/1.1\r\n", Http11),
        ("GET / HTTP/1.1\n", Http11),
        ("GET / HTTP/1.0\r\n", Http10),
        ("GET / HTTP/1.2\r\n", Http10),
        ("GET / HTTP/2.0\r\n", Http10),
        ("GET /\r\n", Http10),
        ("GET / HTTP/1.1", NeedMore),
        ("GET / HTTP/1.1\r", NeedMore),
        ("GET /", NeedMore),
        ("GE", NeedMore),
        ("", NeedMore),
        ("FOO / HTTP/1.1\r\n", Http11),
        ("get / HTTP/1.1\r\n", Http11),
        ("M-SEARCH * HTTP/1.1\r\n", Http11),
        ("EHLO foo\r\n", NotHttp),
        ("HELLO /x\r\n", Http10),
        ("\r\nGET / HTTP/1.1\r\n", NotHttp),
        (" GET / HTTP/1.1\r\n", NotHttp),
        ("GET  / HTTP/1.1\r\n", Http11),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Http2),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", Http2),
        ("PRI * HTTP/2.0\r\n\r\nSM", NeedMore),
        ("PRI * HTTP/2.0\r\n", NeedMore),
        ("PRI", NeedMore),
        ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", Http10),
        ("\x16\x03\x01\x00\x05", NotHttp),
        ("\0\0\0\x01\n", NotHttp),
        ("*3\r\n$3\r\nSET\r\n", NotHttp),
        ("GET http://a/ HTTP/1.1\r\n", Http11),
        ("CONNECT a:1 HTTP/1.1\r\n", Http11),
        ("GET / ICAP/1.0\r\n", NotHttp),
        ("GET /a b HTTP/1.1\r\n", NotHttp),
        ("SSH-2.0-OpenSSH\r\n", NotHttp),
        ("G(T / HTTP/1.1\r\n", NotHttp),
        ("GET / http/1.1\r\n", NotHttp),
    ];

    #[test]
    fn decides_as_envoy_does() {
        for (bytes, expected) in CASES {
            assert_eq!(sniff(bytes.as_bytes()), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_shorter_prefix_never_contradicts() {
        for (bytes, expected) in CASES {
            for split in 0..bytes.len() {
                let early = sniff(&bytes.as_bytes()[..split]);
                assert!(early == NeedMore || early == *expected, "{bytes:?} at {split}: {early:?}");
            }
        }
    }

    #[test]
    fn long_lines_end_in_a_verdict() {
        let long = |bytes: usize| sniff(format!("GET /{}", "a".repeat(bytes)).as_bytes());
        assert_eq!(long(64_000), NeedMore);
        assert_eq!(long(70_000), TooLong);
        assert_eq!(sniff("A".repeat(100).as_bytes()), NotHttp);
    }
}
