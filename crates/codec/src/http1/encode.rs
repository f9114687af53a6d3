//! Heads, as sent.

use memchr::memchr3;
use weft_types::{Headers, Method, RequestHead, ResponseHead};

use super::chars::{self, AUTHORITY, NAME, TARGET};
use super::framing::Asked;
use super::method::is_bodiless;
use super::number::{Written, parse_decimal};
use super::reason;
use super::spelling::Names;
use super::verdict::misuse;
use super::writer::Writer;
use crate::{CodecError, Output};

/// How a message's sending half goes on after its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// With a body.
    Body(Writer),
    /// As a tunnel, once the other side agrees.
    Tunnel,
}

/// What the server's connection adds to a response head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Persistence {
    /// Whether the connection may persist as far as is known before the head.
    pub(super) keep_alive: bool,
    /// The request came by HTTP/1.0 and 1.0 is served.
    pub(super) http10: bool,
    /// Names are written in `Proper-Case`.
    pub(super) proper_case: bool,
}

/// Bytes of a head that are not its fields' own.
const HEAD_ROOM: usize = 256;

/// Writes a request head; `upgrade` tells whether it asks for another protocol.
///
/// # Errors
/// Something in the head can't stand on the wire.
pub(super) fn request(
    output: &mut Output,
    head: &RequestHead,
    upgrade: bool,
    end: bool,
    proper_case: bool,
) -> Result<Next, CodecError> {
    let connect = head.method == Method::Connect;
    let target = if connect { &head.authority } else { &head.path };
    if target.is_empty() || !chars::all(target.as_bytes(), TARGET) {
        return Err(misuse("the request target can't be written"));
    }
    if !chars::all(head.authority.as_bytes(), AUTHORITY) {
        return Err(misuse("the authority can't be written"));
    }
    let length = if connect { None } else { length(&head.headers, end)? };
    check(&head.headers)?;
    output.reserve(head.headers.line_bytes() + target.len() + HEAD_ROOM);
    output.put(head.method.as_str().as_bytes());
    output.put(b" ");
    output.put(target.as_bytes());
    output.put(b" HTTP/1.1\r\n");
    let names = Names::new(&head.headers, proper_case);
    names.field(output, b"host", head.authority.as_bytes());
    put_fields(output, &head.headers, names, |name| {
        is(name, b"host") || (connect && is(name, b"content-length"))
    });
    let next = if connect {
        Next::Tunnel
    } else if let Some(length) = length {
        Next::Body(Writer::Length(length))
    } else if end {
        if !is_bodiless(&head.method) {
            names.field(output, b"content-length", b"0");
        }
        Next::Body(Writer::Nothing)
    } else if upgrade {
        Next::Tunnel
    } else {
        names.field(output, b"transfer-encoding", b"chunked");
        Next::Body(Writer::Chunked)
    };
    output.put(b"\r\n");
    Ok(next)
}

/// Writes an interim response head.
///
/// # Errors
/// Something in the head can't stand on the wire.
pub(super) fn interim(output: &mut Output, head: &ResponseHead, proper_case: bool) -> Result<(), CodecError> {
    check(&head.headers)?;
    status_line(output, false, head.status);
    let names = Names::new(&head.headers, proper_case);
    put_fields(output, &head.headers, names, |name| is(name, b"content-length"));
    output.put(b"\r\n");
    Ok(())
}

/// Writes a final response head. Returns how its body goes on and whether the connection persists.
///
/// # Errors
/// Something in the head can't stand on the wire.
pub(super) fn response(
    output: &mut Output,
    head: &ResponseHead,
    asked: Asked,
    persistence: Persistence,
    end: bool,
) -> Result<(Next, bool), CodecError> {
    let tunnel = head.status == 101 || (asked.connect && (200..300).contains(&head.status));
    let bodiless = tunnel || head.status == 204;
    let content_follows = !(asked.head || head.status == 304);
    let length = if bodiless { None } else { length(&head.headers, end && content_follows)? };
    check(&head.headers)?;
    output.reserve(head.headers.line_bytes() + HEAD_ROOM);
    status_line(output, persistence.http10, head.status);
    let names = Names::new(&head.headers, persistence.proper_case);
    put_fields(output, &head.headers, names, |name| bodiless && is(name, b"content-length"));

    let mut keep_alive = persistence.keep_alive;
    let next = if tunnel {
        Next::Tunnel
    } else if head.status == 204 || head.status == 304 {
        Next::Body(Writer::Nothing)
    } else if let Some(length) = length {
        Next::Body(if asked.head { Writer::Nothing } else { Writer::Length(length) })
    } else if end && !asked.head {
        names.field(output, b"content-length", b"0");
        Next::Body(Writer::Nothing)
    } else if persistence.http10 {
        keep_alive &= asked.head;
        Next::Body(if asked.head { Writer::Nothing } else { Writer::Raw })
    } else {
        // A HEAD response tells how the GET would have been framed, as in Envoy.
        names.field(output, b"transfer-encoding", b"chunked");
        Next::Body(if asked.head { Writer::Nothing } else { Writer::Chunked })
    };
    let (said_close, said_keep_alive) = connection_options(&head.headers);
    keep_alive &= !said_close;
    if !keep_alive && !said_close && !tunnel {
        names.field(output, b"connection", b"close");
    } else if keep_alive && persistence.http10 && !said_keep_alive {
        names.field(output, b"connection", b"keep-alive");
    }
    output.put(b"\r\n");
    Ok((next, keep_alive))
}

/// Writes a status line with the canonical phrase.
pub(super) fn status_line(output: &mut Output, http10: bool, status: u16) {
    output.put(if http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    output.put(Written::decimal(u64::from(status)).as_bytes());
    output.put(b" ");
    output.put(reason::phrase(status).as_bytes());
    output.put(b"\r\n");
}

/// Writes trailer fields.
///
/// # Errors
/// A field can't stand on the wire.
pub(super) fn trailers(output: &mut Output, trailers: &Headers, proper_case: bool) -> Result<(), CodecError> {
    check(trailers)?;
    put_fields(output, trailers, Names::new(trailers, proper_case), |_| false);
    Ok(())
}

/// Whether `Connection` has the options `close` and `keep-alive`.
pub(super) fn connection_options(headers: &Headers) -> (bool, bool) {
    let mut options = (false, false);
    for value in headers.get_all(b"connection") {
        for option in value.split(|byte| *byte == b',').map(chars::trim) {
            options.0 |= is(option, b"close");
            options.1 |= is(option, b"keep-alive");
        }
    }
    options
}

/// Whether the head asks for an upgrade: the field `Upgrade` and the option of that name.
pub(super) fn asks_upgrade(head: &RequestHead) -> bool {
    head.headers.contains("upgrade")
        && head
            .headers
            .get_all(b"connection")
            .any(|value| value.split(|byte| *byte == b',').any(|option| is(chars::trim(option), b"upgrade")))
}

/// Checks that each field is one line: written out with other bytes it would be several. Done before
/// anything is written, so that a head which is refused leaves no half of itself behind.
fn check(headers: &Headers) -> Result<(), CodecError> {
    for (name, value) in headers.unchecked() {
        if name.is_empty() || !chars::all(name, NAME) || memchr3(b'\r', b'\n', 0, value).is_some() {
            return Err(misuse(format!("field {:?} can't be written", String::from_utf8_lossy(name))));
        }
    }
    Ok(())
}

fn put_fields(output: &mut Output, headers: &Headers, names: Names<'_>, skip: impl Fn(&[u8]) -> bool) {
    let left_out = |name: &[u8]| is(name, b"transfer-encoding") || skip(name);
    if names.as_they_are() {
        return headers.lines(left_out, |lines| output.put(lines));
    }
    for (name, value) in headers.iter().filter(|(name, _)| !left_out(name)) {
        names.field(output, name, value);
    }
}

/// The stated length; `none_follows` tells that there will be no body, so that only 0 is true.
fn length(headers: &Headers, none_follows: bool) -> Result<Option<u64>, CodecError> {
    let mut values = headers.get_all(b"content-length");
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(misuse("two content-length fields"));
    }
    match parse_decimal(value) {
        Some(length) if none_follows && length > 0 => Err(misuse("content-length without content")),
        Some(length) => Ok(Some(length)),
        None => Err(misuse("content-length is not a number")),
    }
}

fn is(name: &[u8], lower: &[u8]) -> bool {
    name.eq_ignore_ascii_case(lower)
}
