//! How long a message's body is (RFC 9112 section 6.3).

use weft_types::Method;

use super::fields::{Fields, TransferEncoding};
use super::verdict::{BODY_DISALLOWED, INVALID_TRANSFER_ENCODING, LENGTH_AND_CHUNKED, bad, refuse};
use crate::CodecError;

/// The body's framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body.
    Empty,
    /// That many bytes; not zero.
    Length(u64),
    /// Chunks.
    Chunked,
    /// All that comes until the connection ends (responses only).
    UntilClose,
    /// No message body: the connection becomes a tunnel.
    Tunnel,
}

/// What a response answers, as far as its framing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) head: bool,
    pub(super) connect: bool,
    pub(super) upgrade: bool,
}

/// The framing of a request body.
///
/// # Errors
/// Contradictory or unknown framing.
pub(super) fn of_request(
    method: &Method,
    fields: &mut Fields<'_>,
    allow_chunked_length: bool,
) -> Result<Framing, CodecError> {
    let declared = declared(fields, allow_chunked_length)?;
    if *method != Method::Connect {
        return Ok(declared.unwrap_or(Framing::Empty));
    }
    match declared {
        Some(Framing::Chunked) => Err(refuse(501, INVALID_TRANSFER_ENCODING, "CONNECT with chunks")),
        Some(Framing::Length(_)) => Err(refuse(400, BODY_DISALLOWED, "CONNECT with content")),
        _ => {
            fields.headers.remove("content-length");
            Ok(Framing::Tunnel)
        }
    }
}

/// The framing of a response body.
///
/// # Errors
/// Contradictory or unknown framing, or content where the status has none.
pub(super) fn of_response(
    status: u16,
    asked: Asked,
    fields: &mut Fields<'_>,
    allow_chunked_length: bool,
) -> Result<Framing, CodecError> {
    let declared = declared(fields, allow_chunked_length)?;
    match status {
        100..=199 | 204 if matches!(declared, Some(Framing::Length(_) | Framing::Chunked)) => {
            Err(bad(format!("a {status} response has no content")))
        }
        101 if asked.upgrade => Ok(Framing::Tunnel),
        101 => Err(bad("the server switched protocols without being asked")),
        200..=299 if asked.connect => {
            fields.headers.remove("content-length");
            Ok(Framing::Tunnel)
        }
        100..=199 | 204 | 304 => Ok(Framing::Empty),
        _ if asked.head => Ok(Framing::Empty),
        _ => Ok(declared.unwrap_or(Framing::UntilClose)),
    }
}

/// The framing that the fields state; `None` when they state none.
fn declared(fields: &mut Fields<'_>, allow_chunked_length: bool) -> Result<Option<Framing>, CodecError> {
    if fields.transfer_encoding == TransferEncoding::Absent {
        return Ok(fields.content_length.map(|length| match length {
            0 => Framing::Empty,
            length => Framing::Length(length),
        }));
    }
    if fields.content_length.is_some() {
        if !allow_chunked_length {
            return Err(refuse(400, LENGTH_AND_CHUNKED, "both content-length and transfer-encoding"));
        }
        fields.headers.remove("content-length");
    }
    if fields.transfer_encoding == TransferEncoding::Other {
        return Err(refuse(501, INVALID_TRANSFER_ENCODING, "a transfer coding other than chunked"));
    }
    Ok(Some(Framing::Chunked))
}
