//! Verdicts on bad input: status and Envoy's detail word.

use crate::CodecError;

/// The general word for input that is not HTTP/1.x.
pub(super) const CODEC_ERROR: &str = "http1.codec_error";
/// A control character where none may be.
pub(super) const INVALID_CHARACTERS: &str = "http1.invalid_characters";
/// A request target of a wrong form.
pub(super) const INVALID_URL: &str = "http1.invalid_url";
/// An absolute-form target of another scheme than http and https.
pub(super) const INVALID_SCHEME: &str = "http1.invalid_scheme";
/// A body where the method has none.
pub(super) const BODY_DISALLOWED: &str = "http1.body_disallowed";
/// A transfer coding other than `chunked`.
pub(super) const INVALID_TRANSFER_ENCODING: &str = "http1.invalid_transfer_encoding";
/// Both framings at once.
pub(super) const LENGTH_AND_CHUNKED: &str = "http1.content_length_and_chunked_not_allowed";
/// More fields than [`crate::Limits::max_head_fields`].
pub(super) const TOO_MANY_HEADERS: &str = "http1.too_many_headers";
/// More bytes than [`crate::Limits::max_head_bytes`].
pub(super) const HEADERS_TOO_LARGE: &str = "http1.headers_too_large";
/// A `Host` value with characters that no authority has.
pub(super) const INVALID_AUTHORITY: &str = "http.invalid_authority";
/// A field name with an underscore, where they are refused.
pub(super) const UNDERSCORE: &str = "http1.unexpected_underscore";
/// `Connection` names fields that it must not.
pub(super) const CONNECTION_HEADER: &str = "http1.connection_header_rejected";
/// A version that is not served.
pub(super) const LOW_VERSION: &str = "low_version";

/// A verdict with any status and word.
#[cold]
pub(super) fn refuse(status: u16, word: &'static str, reason: impl Into<String>) -> CodecError {
    CodecError { word, reason: reason.into(), status: Some(status), body: None, in_head: false }
}

/// 400 `http1.codec_error`.
#[cold]
pub(super) fn bad(reason: impl Into<String>) -> CodecError {
    refuse(400, CODEC_ERROR, reason)
}

/// A command of the caller that makes no sense; nothing is sent to the peer.
#[cold]
pub(super) fn misuse(reason: impl Into<String>) -> CodecError {
    CodecError { word: CODEC_ERROR, reason: reason.into(), status: None, body: None, in_head: false }
}
