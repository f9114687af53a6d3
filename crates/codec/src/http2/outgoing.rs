//! Heads and trailers to header blocks.

use weft_types::{Headers, Method, RequestHead, ResponseHead};

use super::error_code::word;
use super::field_rules;
use crate::CodecError;
use crate::hpack::Encoder;

/// An error of ours: what was asked for can't be said in HTTP/2.
pub(super) fn unsendable(reason: impl Into<String>) -> CodecError {
    CodecError { word: word::MESSAGING, reason: reason.into(), status: None, body: None, in_head: false }
}

/// Writes the block of a request; `scheme` stands in for an empty one.
///
/// # Errors
/// No path outside CONNECT, or a name that is empty or that of a pseudo-header field.
pub(super) fn encode_request(
    encoder: &mut Encoder,
    head: &RequestHead,
    scheme: &str,
    block: &mut Vec<u8>,
) -> Result<(), CodecError> {
    check(&head.headers)?;
    let plain_connect = head.method == Method::Connect && head.protocol.is_none();
    if head.path.is_empty() && !plain_connect {
        return Err(unsendable("the request has no path"));
    }
    let authority = match head.headers.get("host") {
        Some(host) if head.authority.is_empty() => host,
        _ => head.authority.as_bytes(),
    };
    encoder.begin(block);
    encoder.field(b":method", head.method.as_str().as_bytes(), block);
    if let Some(protocol) = &head.protocol {
        encoder.field(b":protocol", protocol.as_bytes(), block);
    }
    if !plain_connect {
        let scheme = if head.scheme.is_empty() { scheme } else { &head.scheme };
        encoder.field(b":scheme", scheme.as_bytes(), block);
    }
    if !authority.is_empty() {
        encoder.field(b":authority", authority, block);
    }
    if !plain_connect {
        encoder.field(b":path", head.path.as_bytes(), block);
    }
    encode_fields(encoder, &head.headers, block);
    Ok(())
}

/// Writes the block of a response.
///
/// # Errors
/// Status 101, which HTTP/2 does not have, or one without three digits; names as for requests.
pub(super) fn encode_response(
    encoder: &mut Encoder,
    head: &ResponseHead,
    block: &mut Vec<u8>,
) -> Result<(), CodecError> {
    check(&head.headers)?;
    if head.status == 101 || !(100..1000).contains(&head.status) {
        return Err(unsendable(format!("status {} does not exist in HTTP/2", head.status)));
    }
    encoder.begin(block);
    let digit = |place: u16| b'0' + (head.status / place % 10) as u8;
    encoder.field(b":status", &[digit(100), digit(10), digit(1)], block);
    encode_fields(encoder, &head.headers, block);
    Ok(())
}

/// Writes the block of trailers, which the caller has checked.
pub(super) fn encode_trailers(encoder: &mut Encoder, trailers: &Headers, block: &mut Vec<u8>) {
    encoder.begin(block);
    encode_fields(encoder, trailers, block);
}

/// Checks that no field would pass for a pseudo-header field; before anything is encoded, for a
/// block given up half-way would leave the tables apart.
pub(super) fn check(headers: &Headers) -> Result<(), CodecError> {
    let wrong = headers.iter().find(|(name, _)| name.is_empty() || name.starts_with(b":"));
    match wrong {
        Some((name, _)) => Err(unsendable(format!("field name {:?}", String::from_utf8_lossy(name)))),
        None => Ok(()),
    }
}

fn encode_fields(encoder: &mut Encoder, headers: &Headers, block: &mut Vec<u8>) {
    let mut lower = Vec::new();
    for (original, value) in headers.iter() {
        let name = if original.iter().any(u8::is_ascii_uppercase) {
            lower.clear();
            lower.extend(original.iter().map(u8::to_ascii_lowercase));
            &lower[..]
        } else {
            original
        };
        match name {
            b"host" | b"http2-settings" => {}
            b"te" if !names_trailers(value) => {}
            b"te" => encoder.field(name, b"trailers", block),
            _ if field_rules::is_connection_specific(name) => {}
            _ => encoder.field(name, value, block),
        }
    }
}

/// Whether a `te` list has `trailers` in it.
fn names_trailers(value: &[u8]) -> bool {
    value.split(|b| *b == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}
