//! Fields that `Connection` names: they are for one hop only (RFC 9110 section 7.6.1).
//!
//! A client that may name any field could make a proxy take off what the next hop decides by. So the
//! fields that tell of earlier hops must not be named, as in Envoy.

use weft_types::Headers;

use super::chars;
use super::verdict::{CONNECTION_HEADER, refuse};
use crate::CodecError;

/// Options that a request may have; more are refused.
const MAX_OPTIONS: usize = 9;

/// Removes the fields that `connection` names, and their names from it. Returns whether `host` is
/// among them, which is in no field any more.
///
/// # Errors
/// Too many are named, or such as must not be.
pub(super) fn remove(headers: &mut Headers) -> Result<bool, CodecError> {
    let Some(list) = headers.get_joined(b"connection").map(std::borrow::Cow::into_owned) else {
        return Ok(false);
    };
    let options = list.split(|byte| *byte == b',').map(chars::trim).filter(|option| !option.is_empty());
    let options: Vec<&[u8]> = options.collect();
    let mut host = false;
    if options.len() > MAX_OPTIONS {
        return Err(rejected("connection has too many options"));
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    for option in &options {
        if is_of_connection(option) {
            kept.push(option);
        } else if is_of_origin(option) || option.starts_with(b":") {
            return Err(rejected("connection names a field that earlier hops are told by"));
        } else if option.eq_ignore_ascii_case(b"te") && names_trailers(headers) {
            headers.set("te", "trailers");
            kept.push(option);
        } else {
            host |= option.eq_ignore_ascii_case(b"host");
            headers.remove(option);
        }
    }
    if kept.len() < options.len() {
        let left = kept.join(&b','.to_owned());
        if left.is_empty() {
            headers.remove("connection");
        } else {
            headers.set("connection", left);
        }
    }
    Ok(host)
}

/// Options that are no names of fields to remove.
fn is_of_connection(option: &[u8]) -> bool {
    ["close", "keep-alive", "upgrade", "http2-settings", "connection"]
        .iter()
        .any(|known| option.eq_ignore_ascii_case(known.as_bytes()))
}

/// Fields that tell where a request came from.
fn is_of_origin(option: &[u8]) -> bool {
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
        .iter()
        .any(|known| option.eq_ignore_ascii_case(known.as_bytes()))
}

fn names_trailers(headers: &Headers) -> bool {
    headers.get_joined(b"te").is_some_and(|te| {
        te.split(|byte| *byte == b',').any(|coding| chars::trim(coding).eq_ignore_ascii_case(b"trailers"))
    })
}

#[cold]
fn rejected(reason: &str) -> CodecError {
    refuse(400, CONNECTION_HEADER, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(connection: &str) -> Result<Vec<String>, u16> {
        let mut headers: Headers =
            [("connection", connection), ("x-hop", "1"), ("te", "gzip, trailers")].into_iter().collect();
        remove(&mut headers).map_err(|error| error.status.unwrap_or_default())?;
        let line = |(name, value): (&[u8], &[u8])| {
            format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        };
        Ok(headers.iter().map(line).collect())
    }

    #[test]
    fn named_fields_go_and_those_of_earlier_hops_must_not_be_named() {
        assert_eq!(after("X-Hop").unwrap(), ["te: gzip, trailers"]);
        assert_eq!(after("keep-alive, x-hop").unwrap(), ["connection: keep-alive", "te: gzip, trailers"]);
        assert_eq!(after("TE").unwrap(), ["connection: TE", "x-hop: 1", "te: trailers"]);
        assert_eq!(after("close").unwrap(), ["connection: close", "x-hop: 1", "te: gzip, trailers"]);
        for refused in ["x-forwarded-for", "close, X-Forwarded-Proto", ":path", "a,b,c,d,e,f,g,h,i,j"] {
            assert_eq!(after(refused), Err(400), "{refused}");
        }
    }
}
