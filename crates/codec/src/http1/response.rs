//! Response heads.

use weft_types::{ResponseHead, Version};

use super::chars::{self, VALUE};
use super::fields::{self, Kind, TransferEncoding};
use super::framing::{self, Asked, Framing};
use super::lines::Lines;
use super::verdict::bad;
use crate::{CodecError, Limits};

/// A parsed response head and what follows from it for the connection.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) head: ResponseHead,
    pub(super) framing: Framing,
    /// The server lets the connection persist (RFC 9112 section 9.3).
    pub(super) keep_alive: bool,
}

/// Parses a complete head, empty line included.
///
/// # Errors
/// What was wrong; the status in it is for servers and of no use here.
pub(super) fn parse(head: &[u8], asked: Asked, limits: &Limits) -> Result<Response, CodecError> {
    let mut lines = Lines::new(head);
    let line = lines.next().ok_or_else(|| bad("no status line"))?.text();
    let (version, status, reason) = parse_line(line)?;
    let mut fields = fields::parse(lines, Kind::Response, head.len() - line.len(), limits)?;
    let framing = framing::of_response(status, asked, &mut fields, limits.allow_chunked_length)?;
    let persists = match version {
        Version::Http10 => {
            fields.keep_alive && !fields.close && fields.transfer_encoding == TransferEncoding::Absent
        }
        _ => !fields.close,
    };
    let reason = String::from_utf8_lossy(reason).into();
    let head = ResponseHead { status, version, reason, headers: fields.headers };
    Ok(Response { head, framing, keep_alive: persists && framing != Framing::UntilClose })
}

fn parse_line(line: &[u8]) -> Result<(Version, u16, &[u8]), CodecError> {
    let (version, rest) = match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9', b' ', rest @ ..] => {
            // A higher minor version is read as the highest that we know (RFC 9110 section 2.5).
            (if *minor == b'0' { Version::Http10 } else { Version::Http11 }, rest)
        }
        _ => return Err(bad("the status line has no version of HTTP/1")),
    };
    let (digits, reason) = match rest {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => ([*a, *b, *c], &[][..]),
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', reason @ ..] => ([*a, *b, *c], reason),
        _ => return Err(bad("the status is not three digits from 100 up")),
    };
    if !chars::all(reason, VALUE) {
        return Err(bad("control character in the reason phrase"));
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    Ok((version, status, reason))
}
