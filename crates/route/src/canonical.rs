//! The canonical form of a request (invariant 4): what routing, authorization and explanation see.
//!
//! Ambiguous input is refused here, before anything decides on it. Differences from Envoy are listed
//! in `docs/differences.md` (D-RT).

use weft_tables::hcm::{EscapedSlashes, HttpManager, Underscores};
use weft_types::{Method, RequestHead, ResponseFlag, Version};

mod authority;
mod connection;
mod path;

pub use path::normalize;

/// Why a request gets an answer before routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status.
    pub status: u16,
    /// Envoy's detail word.
    pub word: &'static str,
    /// `location`, for a redirect to the canonical path.
    pub location: Option<String>,
    /// Body of the answer; may be empty.
    pub body: &'static str,
    /// Response flag.
    pub flag: Option<ResponseFlag>,
    /// The connection ends with the answer (HTTP/1).
    pub close: bool,
}

impl Refusal {
    fn new(status: u16, word: &'static str) -> Self {
        Self { status, word, location: None, body: "", flag: None, close: status != 404 }
    }

    /// A refusal that Envoy's codec makes.
    fn protocol_error(status: u16, word: &'static str, body: &'static str) -> Self {
        Self { body, flag: Some(ResponseFlag::DownstreamProtocolError), ..Self::new(status, word) }
    }
}

/// What the canonical form left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Canonical {
    /// Port that was taken off the authority of a CONNECT; the upstream must see it again
    /// ([`crate::rewrite::restore_port`]).
    pub connect_port: Option<u32>,
}

/// Brings a request into canonical form, in Envoy's order of checks. `local_port` is that of the
/// connection's destination.
///
/// # Errors
/// The request is refused (or redirected to its canonical path).
pub fn canonicalize(
    head: &mut RequestHead,
    manager: &HttpManager,
    local_port: Option<u16>,
) -> Result<Canonical, Refusal> {
    if head.version < Version::Http2 {
        connection::remove_nominated(&mut head.headers)?;
    }
    underscores(head, manager.underscores)?;
    if head.version == Version::Http10 && !manager.options.accept_http10 {
        return Err(Refusal::protocol_error(426, "low_version", "Upgrade Required"));
    }
    if head.version == Version::Http10 && head.authority.is_empty() {
        head.authority = manager.options.default_host_http10.clone();
    }
    if head.authority.is_empty() {
        return Err(Refusal::new(400, "missing_host_header"));
    }
    // What a query asks is in its content, which means nothing without a type.
    if head.method.as_str() == "QUERY" && head.headers.get("content-type").is_none_or(<[u8]>::is_empty) {
        return Err(Refusal::new(400, "query_missing_content_type"));
    }
    as_upgrade(head);
    if head.method != Method::Connect || !head.path.is_empty() {
        path(head, manager)?;
    }
    Ok(Canonical { connect_port: authority::normalize(head, manager, local_port) })
}

/// Gives an extended CONNECT (RFC 8441) the form that upgrades have in HTTP/1.1, so that one set of
/// routes and policies serves both.
fn as_upgrade(head: &mut RequestHead) {
    if head.method == Method::Connect
        && let Some(token) = head.protocol.take()
    {
        head.method = Method::Get;
        head.headers.set("connection", "upgrade");
        head.headers.set("upgrade", token.as_bytes());
    }
}

fn underscores(head: &mut RequestHead, action: Underscores) -> Result<(), Refusal> {
    let named = |name: &[u8]| name.contains(&b'_');
    match action {
        Underscores::Allow => {}
        Underscores::Drop => head.headers.retain(|name, _| !named(name)),
        Underscores::Reject if !head.headers.iter().any(|(name, _)| named(name)) => {}
        Underscores::Reject => {
            let word = match head.version {
                Version::Http10 | Version::Http11 => "http1.unexpected_underscore",
                Version::Http2 | Version::Http3 => "http2.unexpected_underscore",
            };
            return Err(Refusal::protocol_error(400, word, "Bad Request"));
        }
    }
    Ok(())
}

fn path(head: &mut RequestHead, manager: &HttpManager) -> Result<(), Refusal> {
    let refused = || Refusal::new(400, "path_normalization_failed");
    if head.path.is_empty() {
        return Err(Refusal::new(404, "missing_path_rejected"));
    }
    if !head.path.starts_with('/') {
        return Err(Refusal::new(404, "absolute_path_rejected"));
    }
    if head.path.contains('#') {
        return Err(refused());
    }
    let (only, query) = head.path.split_at(head.path.find('?').unwrap_or(head.path.len()));
    let mut path = only.to_owned();
    let mut redirect = false;
    if manager.escaped_slashes != EscapedSlashes::Keep {
        let unescaped = path::unescape_slashes(&path);
        if unescaped != path {
            match manager.escaped_slashes {
                EscapedSlashes::Reject => {
                    // Envoy logs the path as it would have gone on.
                    head.path = format!("{unescaped}{query}").into();
                    return Err(refused());
                }
                EscapedSlashes::UnescapeAndRedirect => redirect = true,
                EscapedSlashes::Keep | EscapedSlashes::UnescapeAndForward => {}
            }
            path = unescaped;
        }
    }
    if manager.normalize_path {
        path = path::normalize(&path).ok_or_else(refused)?;
    }
    // After normalization, so that nothing it uncovers escapes.
    if manager.merge_slashes {
        path = path::merge_slashes(&path);
    }
    if path != only {
        head.path = format!("{path}{query}").into();
    }
    if !redirect {
        return Ok(());
    }
    // A gRPC client does not follow redirects.
    if crate::matching::is_grpc(head) {
        return Err(refused());
    }
    let location = Some(head.path.to_string());
    Err(Refusal { location, close: false, ..Refusal::new(307, "path_normalization_failed") })
}

#[cfg(test)]
mod tests;
