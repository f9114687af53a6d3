//! Request targets (RFC 9112 section 3.2).

use std::net::Ipv6Addr;

use super::chars::{self, HOST, TARGET};
use super::number::parse_decimal;
use super::verdict::{INVALID_CHARACTERS, INVALID_SCHEME, INVALID_URL, bad, refuse};
use crate::CodecError;

/// A request target taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Scheme of an absolute form.
    pub(super) scheme: Option<&'static str>,
    /// Authority of an absolute or authority form.
    pub(super) authority: Option<&'a str>,
    /// Path and query; empty for the authority form.
    pub(super) path: &'a str,
}

impl<'a> Target<'a> {
    /// Reads the target of any method but CONNECT: origin form, `*` for OPTIONS, or absolute form.
    pub(super) fn parse(target: &'a [u8], options: bool, allow_absolute: bool) -> Result<Self, CodecError> {
        let text = checked(target)?;
        match text.as_bytes() {
            [b'/', ..] => Ok(Self { scheme: None, authority: None, path: text }),
            [b'*'] if options => Ok(Self { scheme: None, authority: None, path: text }),
            [b'*', ..] => Err(invalid_url("an asterisk is for OPTIONS alone")),
            _ => Self::parse_absolute(text, allow_absolute),
        }
    }

    /// Reads the target of CONNECT: host and port.
    pub(super) fn parse_connect(target: &'a [u8]) -> Result<Self, CodecError> {
        let text = checked(target)?;
        let authority = host_and_port(text)
            .filter(|(_, port)| port.is_some())
            .map(|_| text)
            .ok_or_else(|| invalid_url("CONNECT wants host and port"))?;
        Ok(Self { scheme: None, authority: Some(authority), path: "" })
    }

    fn parse_absolute(text: &'a str, allowed: bool) -> Result<Self, CodecError> {
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphabetic()))
            .ok_or_else(|| bad("the request target has no known form"))?;
        if !allowed {
            return Err(invalid_url("absolute-form targets are switched off"));
        }
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => "http",
            _ if scheme.eq_ignore_ascii_case("https") => "https",
            _ => return Err(refuse(400, INVALID_SCHEME, "the scheme is neither http nor https")),
        };
        let (authority, path) =
            rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).unwrap_or((rest, ""));
        // User information is not passed on: it is no part of an authority (RFC 9110 section 4.2.4).
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host_and_port(authority).is_none() {
            return Err(invalid_url("the authority of the request target is malformed"));
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { scheme: Some(scheme), authority: Some(authority), path })
    }
}

/// The target as text of visible ASCII.
fn checked(target: &[u8]) -> Result<&str, CodecError> {
    if target.is_empty() || !chars::all(target, TARGET) {
        return Err(if target.iter().any(|byte| chars::is_forbidden_control(*byte)) {
            refuse(400, INVALID_CHARACTERS, "control character in the request target")
        } else {
            bad("the request target has bytes that are not visible ASCII")
        });
    }
    std::str::from_utf8(target).map_err(|_| bad("the request target is not ASCII"))
}

/// Splits `host[:port]`; `None` when either is malformed.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        if port.is_empty() { (host, None) } else { (host, Some(port.strip_prefix(':')?)) }
    } else {
        let (host, port) = authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
        if host.is_empty() || !chars::all(host.as_bytes(), HOST) {
            return None;
        }
        (host, port)
    };
    let port = match port {
        Some(digits) => Some(u16::try_from(parse_decimal(digits.as_bytes())?).ok()?),
        None => None,
    };
    Some((host, port))
}

#[cold]
fn invalid_url(reason: &str) -> CodecError {
    refuse(400, INVALID_URL, reason)
}
