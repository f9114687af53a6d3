//! The field lines of heads and trailers.

use memchr::memchr;
use weft_types::Headers;

use super::chars::{self, NAME};
use super::lines::{Line, Lines};
use super::number::parse_decimal;
use super::verdict::{INVALID_CHARACTERS, TOO_MANY_HEADERS, UNDERSCORE, bad, refuse};
use crate::{CodecError, Limits};

/// Room for fields that are added on the way, and for their bytes.
const ADDED_FIELDS: usize = 8;
const ADDED_BYTES: usize = 256;

/// What kind of block the lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request's head: `host` is taken out.
    Request,
    /// A response's head.
    Response,
    /// Trailers: fields of framing and routing are dropped (RFC 9110 section 6.5.1).
    Trailers,
}

/// `Transfer-Encoding` as framing sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TransferEncoding {
    /// There is none.
    #[default]
    Absent,
    /// One field whose value is exactly `chunked`.
    Chunked,
    /// Anything else.
    Other,
}

/// A parsed block: the fields that stay, and what the codec itself needs to know of them.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) headers: Headers,
    pub(super) host: Option<&'a [u8]>,
    /// `Content-Length`; the field stays in `headers`.
    pub(super) content_length: Option<u64>,
    /// `Transfer-Encoding`; the field does not stay in `headers`.
    pub(super) transfer_encoding: TransferEncoding,
    /// `Connection` has the option `close`.
    pub(super) close: bool,
    /// `Connection` has the option `keep-alive`.
    pub(super) keep_alive: bool,
    /// `Connection` has the option `upgrade` and there is an `Upgrade` field.
    pub(super) upgrade: bool,
}

/// Parses field lines up to the empty line that ends them.
///
/// # Errors
/// A line is not a field, there are more than the limits allow, or framing fields contradict each other.
pub(super) fn parse<'a>(
    lines: Lines<'a>,
    kind: Kind,
    block_bytes: usize,
    limits: &Limits,
) -> Result<Fields<'a>, CodecError> {
    // One field in 32 bytes is a usual density; more than that grows the list once or twice. A proxy adds
    // some of its own.
    let expected = (block_bytes / 32).clamp(4, 64) + ADDED_FIELDS;
    let headers = Headers::with_capacity(expected, block_bytes + ADDED_BYTES);
    let mut fields = Fields { headers, ..Fields::default() };
    if limits.keep_case {
        fields.headers.keep_case();
    }
    let mut count = 0_usize;
    let mut upgrade_option = false;
    let mut upgrade_field = false;
    for line in lines {
        let text = line.text();
        if text.is_empty() {
            break;
        }
        count += 1;
        // Trailers that are dropped cost nothing whatever their number.
        let dropped = kind == Kind::Trailers && !limits.http1_trailers;
        if count > limits.max_head_fields && !dropped {
            return Err(refuse(
                431,
                TOO_MANY_HEADERS,
                format!("more than {} fields", limits.max_head_fields),
            ));
        }
        let (name, value) = split(text)?;
        if limits.reject_underscores && kind != Kind::Response && !dropped && name.contains(&b'_') {
            return Err(refuse(400, UNDERSCORE, "field name with an underscore"));
        }
        let mut keep = true;
        match name.len() {
            4 if kind != Kind::Response && name.eq_ignore_ascii_case(b"host") => {
                keep = false;
                if kind == Kind::Request && fields.host.replace(value).is_some() {
                    return Err(bad("two host fields"));
                }
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => upgrade_field = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|byte| *byte == b',').map(chars::trim) {
                    fields.close |= option.eq_ignore_ascii_case(b"close");
                    fields.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = parse_decimal(value).ok_or_else(|| bad("content-length is not a number"))?;
                // Even two equal ones are refused, as Envoy does: nobody sends them in good faith.
                if fields.content_length.replace(length).is_some() {
                    return Err(bad("two content-length fields"));
                }
                keep = kind != Kind::Trailers;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let first = fields.transfer_encoding == TransferEncoding::Absent;
                fields.transfer_encoding = if first && value.eq_ignore_ascii_case(b"chunked") {
                    TransferEncoding::Chunked
                } else {
                    TransferEncoding::Other
                };
                keep = false;
            }
            _ => {}
        }
        if keep {
            put(&mut fields.headers, line, name, value);
        }
        if limits.keep_case && is_written_anew(name) {
            fields.headers.note_spelling(name);
        }
    }
    fields.upgrade = upgrade_option && upgrade_field;
    Ok(fields)
}

/// Whether the sender writes a field of that name by itself, and so needs to know its spelling.
fn is_written_anew(name: &[u8]) -> bool {
    ["host", "connection", "content-length", "transfer-encoding"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Adds a field; in one piece if its line is as we would write it.
fn put(headers: &mut Headers, line: Line<'_>, name: &[u8], value: &[u8]) {
    // A line of that length whose value is one shorter than what follows the colon has one blank there.
    if line.whole.len() == name.len() + value.len() + 4
        && line.whole.ends_with(b"\r\n")
        && line.whole.get(name.len() + 1) == Some(&b' ')
    {
        headers.append_line(line.whole, name.len());
    } else {
        headers.append_checked(name, value);
    }
}

/// Splits a line into name and value, blanks around the value removed.
fn split(line: &[u8]) -> Result<(&[u8], &[u8]), CodecError> {
    // The name ends where its bytes do; nearly always that is at the colon.
    let end = line.iter().position(|byte| !chars::is(*byte, NAME)).unwrap_or(line.len());
    let Some((name, [b':', rest @ ..])) = line.split_at_checked(end).filter(|_| end > 0) else {
        return Err(no_name(line));
    };
    let value = chars::trim(rest);
    if !chars::all_value(value) {
        return Err(bad_line(value, "carriage return in a field value"));
    }
    Ok((name, value))
}

/// The verdict on a line without a name and a colon.
#[cold]
fn no_name(line: &[u8]) -> CodecError {
    match memchr(b':', line).and_then(|colon| line.get(..colon)) {
        _ if matches!(line, [b' ' | b'\t', ..]) => bad("folded field line"),
        Some(name) => bad_line(name, "field name is not a token"),
        None => bad_line(line, "field line without colon"),
    }
}

/// The verdict on a bad piece of a line: control characters have a word of their own.
#[cold]
fn bad_line(piece: &[u8], otherwise: &str) -> CodecError {
    if piece.iter().any(|byte| chars::is_forbidden_control(*byte)) {
        refuse(400, INVALID_CHARACTERS, "control character in a field line")
    } else {
        bad(otherwise)
    }
}
