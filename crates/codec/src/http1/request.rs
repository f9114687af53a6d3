//! Request heads.

use memchr::{memchr, memrchr};
use weft_types::{Method, RequestHead, Version};

use super::chars::{self, AUTHORITY};
use super::fields::{self, Fields, Kind, TransferEncoding};
use super::framing::{self, Framing};
use super::lines::Lines;
use super::target::Target;
use super::verdict::{CODEC_ERROR, INVALID_AUTHORITY, INVALID_CHARACTERS, LOW_VERSION, bad, refuse};
use super::{method, nominated};
use crate::{CodecError, Limits};

/// A parsed request head and what follows from it for the connection.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) head: RequestHead,
    pub(super) framing: Framing,
    /// The client lets the connection persist (RFC 9112 section 9.3).
    pub(super) keep_alive: bool,
    /// The client asks for a protocol upgrade.
    pub(super) upgrade: bool,
}

/// Parses a complete head, empty line included. `scheme` is that of the transport.
///
/// # Errors
/// The verdict to answer with.
pub(super) fn parse(head: &[u8], limits: &Limits, scheme: &str) -> Result<Request, CodecError> {
    let mut lines = Lines::new(head);
    let line = lines.next().ok_or_else(|| bad("no request line"))?.text();
    let (method, target, version) = parse_line(line, limits)?;
    let mut fields = fields::parse(lines, Kind::Request, head.len() - line.len(), limits)?;
    if version == Version::Http10 && !limits.accept_http10 {
        return Err(refuse(426, LOW_VERSION, "HTTP/1.0 is not served"));
    }
    let (framing, keep_alive) = if version == Version::Http10 {
        of_http10(&method, &mut fields, limits)?
    } else {
        (framing::of_request(&method, &mut fields, limits.allow_chunked_length)?, !fields.close)
    };
    let upgrade = fields.upgrade && version == Version::Http11;
    if !upgrade && nominated::remove(&mut fields.headers)? {
        fields.host = Some(b"");
    }
    let authority = match target.authority {
        Some(authority) => authority,
        None => host(&fields, version, limits)?,
    };
    let head = RequestHead {
        scheme: target.scheme.unwrap_or(scheme).into(),
        authority: authority.into(),
        path: target.path.into(),
        protocol: None,
        version,
        headers: fields.headers,
        method,
    };
    Ok(Request { head, framing, keep_alive, upgrade })
}

/// Judges the first line of a head that is not complete, if at least that line is.
///
/// # Errors
/// The verdict that the whole head would get.
pub(super) fn check_line(head: &[u8], limits: &Limits) -> Result<(), CodecError> {
    match Lines::new(head).next() {
        Some(line) => parse_line(line.text(), limits).map(drop),
        None => Ok(()),
    }
}

fn parse_line<'a>(line: &'a [u8], limits: &Limits) -> Result<(Method, Target<'a>, Version), CodecError> {
    let space = memchr(b' ', line).ok_or_else(|| bad("the request line has no space"))?;
    let (name, rest) = line.split_at_checked(space).unwrap_or_default();
    let method = method::parse(name, limits.allow_custom_methods).ok_or_else(|| unknown_method(name))?;
    if method == Method::Connect && !limits.allow_connect {
        return Err(refuse(501, CODEC_ERROR, "CONNECT is switched off"));
    }
    let rest = rest.get(1..).unwrap_or_default();
    let (target, version) = match memrchr(b' ', rest).and_then(|last| rest.split_at_checked(last)) {
        Some((target, version)) => (target, version.get(1..)),
        None => (rest, None),
    };
    let target = if method == Method::Connect {
        Target::parse_connect(target)?
    } else {
        Target::parse(target, method == Method::Options, limits.allow_absolute_url)?
    };
    let version = match version {
        Some(b"HTTP/1.1") => Version::Http11,
        Some(b"HTTP/1.0") => Version::Http10,
        None => return Err(refuse(426, LOW_VERSION, "request line without version")),
        Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']) => {
            return Err(refuse(426, LOW_VERSION, "neither HTTP/1.0 nor HTTP/1.1"));
        }
        Some(_) => return Err(bad("malformed version")),
    };
    Ok((method, target, version))
}

/// The verdict on what is no method that we serve: control characters have a word of their own.
#[cold]
fn unknown_method(name: &[u8]) -> CodecError {
    if name.iter().any(|byte| chars::is_forbidden_control(*byte)) {
        refuse(400, INVALID_CHARACTERS, "control character in the method")
    } else {
        bad("unknown method")
    }
}

/// Framing and persistence of an HTTP/1.0 request.
fn of_http10(
    method: &Method,
    fields: &mut Fields<'_>,
    limits: &Limits,
) -> Result<(Framing, bool), CodecError> {
    if fields.transfer_encoding != TransferEncoding::Absent {
        // A sender of 1.0 can't know it: the framing is faulty (RFC 9112 section 6.1).
        return Err(bad("HTTP/1.0 with transfer-encoding"));
    }
    let framing = framing::of_request(method, fields, limits.allow_chunked_length)?;
    Ok((framing, fields.keep_alive && !fields.close))
}

/// The authority of the `Host` field; empty when there is none, which the pipeline answers.
fn host<'a>(fields: &Fields<'a>, version: Version, limits: &'a Limits) -> Result<&'a str, CodecError> {
    match fields.host {
        Some(host) if chars::all(host, AUTHORITY) => {
            std::str::from_utf8(host).map_err(|_| refuse(400, INVALID_AUTHORITY, "host is not ASCII"))
        }
        Some(_) => Err(refuse(400, INVALID_AUTHORITY, "host has characters that no authority has")),
        None if version == Version::Http10 => Ok(&limits.default_host_for_http10),
        None => Ok(""),
    }
}
