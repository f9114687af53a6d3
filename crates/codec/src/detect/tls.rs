//! Is it TLS, and toward which name? (Envoy `tls_inspector`.)
//!
//! ```text
//! record(22) { handshake(1) { version, random, session, suites, compressions, extensions { … } } }
//! ```
//!
//! A ClientHello may be cut over several records; their contents are joined before it is read. Only
//! what routing needs is taken: server name, ALPN, versions. The TLS library judges the rest.

use std::borrow::Cow;

mod hello;
mod reader;

pub use hello::ClientHello;

/// Largest ClientHello that is read, in bytes, record headers not counted (Envoy
/// `max_client_hello_size`, default and range's end 16 KiB).
pub const MAX_CLIENT_HELLO_BYTES: usize = 16 * 1024;

/// Longest prefix that is ever asked for: a ClientHello of the largest size, cut into so many records
/// that their headers are as much again. Whoever cuts finer is not a client but a test of our memory.
pub const MAX_PEEK_BYTES: usize = 2 * MAX_CLIENT_HELLO_BYTES;

/// The answer of [`peek`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsPeek {
    /// Not enough bytes to tell.
    NeedMore,
    /// Not TLS.
    NotTls,
    /// A ClientHello.
    Hello(ClientHello),
    /// It began as TLS and broke its rules; the reason is for people. Envoy takes it for not TLS.
    Malformed(&'static str),
    /// A ClientHello above [`MAX_CLIENT_HELLO_BYTES`]. Envoy closes the connection.
    TooLarge,
}

const RECORD_HEADER_BYTES: usize = 5;
const HANDSHAKE_HEADER_BYTES: usize = 4;
const CONTENT_HANDSHAKE: u8 = 22;
const HANDSHAKE_CLIENT_HELLO: u8 = 1;
const MAX_RECORD_BYTES: usize = 1 << 14;

/// Reads the ClientHello at the start of `prefix`.
#[must_use]
pub fn peek(prefix: &[u8]) -> TlsPeek {
    // The first bytes tell at once, so that other protocols don't wait for a whole record header.
    match prefix {
        [] => return TlsPeek::NeedMore,
        [CONTENT_HANDSHAKE] | [CONTENT_HANDSHAKE, 3, ..] => {}
        _ => return TlsPeek::NotTls,
    }
    let content = match handshake_content(prefix) {
        Ok(content) => content,
        Err(reason) => return TlsPeek::Malformed(reason),
    };
    let length = match &*content {
        [] => return need_more(prefix),
        [kind, ..] if *kind != HANDSHAKE_CLIENT_HELLO => {
            return TlsPeek::Malformed("the first handshake message is no ClientHello");
        }
        [_, a, b, c, ..] => usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c),
        _ => return need_more(prefix),
    };
    if HANDSHAKE_HEADER_BYTES + length > MAX_CLIENT_HELLO_BYTES {
        return TlsPeek::TooLarge;
    }
    match content.get(HANDSHAKE_HEADER_BYTES..HANDSHAKE_HEADER_BYTES + length) {
        None => need_more(prefix),
        Some(body) => match ClientHello::parse(body) {
            Ok(hello) => TlsPeek::Hello(hello),
            Err(reason) => TlsPeek::Malformed(reason),
        },
    }
}

fn need_more(prefix: &[u8]) -> TlsPeek {
    if prefix.len() >= MAX_PEEK_BYTES { TlsPeek::TooLarge } else { TlsPeek::NeedMore }
}

/// The contents of the records at the start, joined; the last may be cut. Stops once they hold the
/// largest ClientHello.
fn handshake_content(prefix: &[u8]) -> Result<Cow<'_, [u8]>, &'static str> {
    let mut joined: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut rest = prefix;
    while let Some((header, tail)) = rest.split_at_checked(RECORD_HEADER_BYTES) {
        let [kind, major, _, high, low] = *header else { break };
        if kind != CONTENT_HANDSHAKE || major != 3 {
            return Err("a record of another kind within the ClientHello");
        }
        let length = usize::from(high) << 8 | usize::from(low);
        if length == 0 || length > MAX_RECORD_BYTES {
            return Err("a record of no or too great length");
        }
        let (piece, tail) = tail.split_at_checked(length).unwrap_or((tail, &[]));
        if joined.is_empty() {
            joined = Cow::Borrowed(piece);
        } else {
            joined.to_mut().extend_from_slice(piece);
        }
        if joined.len() >= MAX_CLIENT_HELLO_BYTES || is_decided(&joined) {
            break;
        }
        rest = tail;
    }
    Ok(joined)
}

/// Whether the first handshake message is there as a whole, is none that we read or is too large: what
/// follows is none of our business, and must not change the verdict.
fn is_decided(content: &[u8]) -> bool {
    match content {
        [] => false,
        [HANDSHAKE_CLIENT_HELLO, a, b, c, rest @ ..] => {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            rest.len() >= length || HANDSHAKE_HEADER_BYTES + length > MAX_CLIENT_HELLO_BYTES
        }
        [kind, ..] => *kind != HANDSHAKE_CLIENT_HELLO,
    }
}

#[cfg(test)]
mod tests;
