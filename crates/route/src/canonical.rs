//! The canonical form of a request (invariant 4): what routing, authorization and explanation see.
//!
//! Ambiguous input is refused here, before anything decides on it.

use weft_tables::hcm::{EscapedSlashes, HttpManager, StripPort, Underscores};
use weft_types::{Method, RequestHead, Version};

use crate::host::without_port;

/// Why a request gets an answer before routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status.
    pub status: u16,
    /// Envoy's detail word.
    pub word: &'static str,
    /// `location`, for a redirect to the canonical path.
    pub location: Option<String>,
}

impl Refusal {
    fn new(status: u16, word: &'static str) -> Self {
        Self { status, word, location: None }
    }
}

/// Brings a request into canonical form, in Envoy's order of checks.
///
/// # Errors
/// The request is refused (or redirected to its canonical path).
pub fn canonicalize(
    head: &mut RequestHead,
    manager: &HttpManager,
    local_port: Option<u16>,
) -> Result<(), Refusal> {
    underscores(head, manager.underscores)?;
    if head.version == Version::Http10 && !manager.options.accept_http10 {
        return Err(Refusal::new(426, "low_version"));
    }
    if head.version == Version::Http10 && head.authority.is_empty() {
        head.authority = manager.options.default_host_http10.clone();
    }
    if head.authority.is_empty() {
        return Err(Refusal::new(400, "missing_host_header"));
    }
    let connect = head.method == Method::Connect && head.protocol.is_none();
    if !connect {
        if head.path.is_empty() {
            return Err(Refusal::new(404, "missing_path_rejected"));
        }
        let star = head.method == Method::Options && &*head.path == "*";
        if !head.path.starts_with('/') && !star {
            return Err(Refusal::new(404, "absolute_path_rejected"));
        }
        path(head, manager)?;
    }
    host(head, manager, local_port);
    Ok(())
}

fn underscores(head: &mut RequestHead, action: Underscores) -> Result<(), Refusal> {
    match action {
        Underscores::Allow => {}
        Underscores::Drop => head.headers.retain(|name, _| !name.contains(&b'_')),
        Underscores::Reject => {
            if head.headers.iter().any(|(name, _)| name.contains(&b'_')) {
                return Err(Refusal::new(400, "unexpected_underscore"));
            }
        }
    }
    Ok(())
}

fn path(head: &mut RequestHead, manager: &HttpManager) -> Result<(), Refusal> {
    if head.path.contains('#') {
        return Err(Refusal::new(400, "path_normalization_failed"));
    }
    let mut redirect = false;
    let query_at = head.path.find('?').unwrap_or(head.path.len());
    let (only, query) = head.path.split_at(query_at);
    let mut path = only.to_owned();
    if manager.escaped_slashes != EscapedSlashes::Keep {
        let unescaped = unescape_slashes(&path);
        if unescaped != path {
            match manager.escaped_slashes {
                EscapedSlashes::Reject => {
                    head.path = format!("{unescaped}{query}").into();
                    return Err(Refusal::new(400, "path_normalization_failed"));
                }
                EscapedSlashes::UnescapeAndRedirect => redirect = true,
                EscapedSlashes::Keep | EscapedSlashes::UnescapeAndForward => {}
            }
            path = unescaped;
        }
    }
    if manager.normalize_path {
        path = normalize(&path).ok_or(Refusal::new(400, "path_normalization_failed"))?;
    }
    if manager.merge_slashes {
        path = merge_slashes(&path);
    }
    if path != only {
        head.path = format!("{path}{query}").into();
    }
    if redirect {
        let location = Some(head.path.to_string());
        return Err(Refusal { status: 307, word: "path_normalization_failed", location });
    }
    Ok(())
}

fn host(head: &mut RequestHead, manager: &HttpManager, local_port: Option<u16>) {
    if manager.strip_trailing_host_dot {
        let host = without_port(&head.authority);
        if let Some(bare) = host.strip_suffix('.') {
            head.authority = format!("{bare}{}", &head.authority[host.len()..]).into();
        }
    }
    let host = without_port(&head.authority);
    if host.len() == head.authority.len()
        || head.method == Method::Connect && manager.strip_port != StripPort::Any
    {
        return;
    }
    let port = head.authority[host.len() + 1..].parse::<u16>().ok();
    let strip = match manager.strip_port {
        StripPort::Keep => false,
        StripPort::Any => true,
        StripPort::Matching => port.is_some() && port == local_port,
    };
    if strip {
        head.authority = host.into();
    }
}

/// Resolves `.` and `..`, turns backslashes into slashes, decodes escapes of unreserved characters
/// and encodes characters that must not stand in a path (RFC 3986 section 6.2.2, as Chrome and Envoy
/// do it). `None` for a path that contains an encoded NUL.
#[must_use]
pub fn normalize(path: &str) -> Option<String> {
    let mut segments: Vec<String> = Vec::new();
    let slashed = path.replace('\\', "/");
    let mut pieces = slashed.strip_prefix('/')?.split('/').peekable();
    while let Some(piece) = pieces.next() {
        let segment = normalize_segment(piece)?;
        let last = pieces.peek().is_none();
        match segment.as_str() {
            "." | ".." => {
                if segment == ".." {
                    segments.pop();
                }
                if last {
                    segments.push(String::new());
                }
            }
            _ => segments.push(segment),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

fn normalize_segment(segment: &str) -> Option<String> {
    let bytes = segment.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten().and_then(hex_pair);
        match escape {
            Some(0) => return None,
            Some(decoded) if decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded) => {
                out.push(decoded as char);
                at += 3;
            }
            Some(_) => {
                out.push_str(&segment[at..at + 3]);
                at += 3;
            }
            None => {
                if byte <= b' ' || byte >= 0x7f || b"\"<>`{}^|".contains(&byte) {
                    out.push_str(&format!("%{byte:02X}"));
                } else {
                    out.push(byte as char);
                }
                at += 1;
            }
        }
    }
    Some(out)
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?)
}

fn unescape_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let code = from.get(1..3).map(str::to_ascii_lowercase);
        match code.as_deref() {
            Some("2f") => out.push('/'),
            Some("5c") => out.push('\\'),
            _ => {
                out.push('%');
                rest = &from[1..];
                continue;
            }
        }
        rest = &from[3..];
    }
    out.push_str(rest);
    out
}

fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for character in path.chars() {
        if !(character == '/' && out.ends_with('/')) {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_normalize_as_in_browsers() {
        for (given, want) in [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/a\\b", "/a/b"),
            ("/%41%2d%7E", "/A-~"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a//b", "/a//b"),
            ("/a%zzb", "/a%zzb"),
        ] {
            assert_eq!(normalize(given).as_deref(), Some(want), "{given}");
        }
        assert_eq!(normalize("/a%00b"), None);
    }

    #[test]
    fn normalizing_twice_changes_nothing() {
        for path in ["/a/%2e%2e/%2e/..", "/%252e%252e/a", "/x/..%2f..", "/a\\..\\b"] {
            let once = normalize(path).unwrap();
            assert_eq!(normalize(&once).unwrap(), once, "{path}");
        }
    }

    #[test]
    fn escaped_slashes_unescape() {
        assert_eq!(unescape_slashes("/a%2Fb%5cc%41"), "/a/b\\c%41");
        assert_eq!(merge_slashes("//a///b/"), "/a/b/");
    }
}
