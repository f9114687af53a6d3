//! Error codes (RFC 9113 section 7) and what a violation leads to.

use std::borrow::Cow;

use super::incoming::Unusable;
use crate::ResetReason;

/// Why a stream or a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ErrorCode {
    /// Graceful end.
    NoError = 0x0,
    /// The peer broke the protocol.
    ProtocolError = 0x1,
    /// A failure of ours; Envoy's code for a head above its limits, too.
    InternalError = 0x2,
    /// More data than credit, or a window above 2^31-1.
    FlowControlError = 0x3,
    /// Frame on a stream whose peer half is over.
    StreamClosed = 0x5,
    /// Wrong frame size.
    FrameSizeError = 0x6,
    /// Not processed at all: safe to send again.
    RefusedStream = 0x7,
    /// Not needed any more.
    Cancel = 0x8,
    /// The HPACK state is lost.
    CompressionError = 0x9,
    /// The peer makes more work than it is worth.
    EnhanceYourCalm = 0xb,
}

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub fn value(self) -> u32 {
        self as u32
    }
}

/// The code that tells the peer our reason; a received code is passed on as it came.
pub(super) fn code_of(reason: ResetReason) -> u32 {
    match reason {
        ResetReason::Refused => ErrorCode::RefusedStream.value(),
        ResetReason::Remote(code) => code,
        ResetReason::Protocol | ResetReason::Malformed(_) => ErrorCode::ProtocolError.value(),
        ResetReason::Cancel => ErrorCode::Cancel.value(),
        ResetReason::ConnectionClosed | ResetReason::Internal | ResetReason::Unwelcome(_) => {
            ErrorCode::InternalError.value()
        }
    }
}

/// Envoy's detail words for what can go wrong with an HTTP/2 connection.
pub(super) mod word {
    pub(crate) const MESSAGING: &str = "http2.violation.of.messaging.rule";
    pub(crate) const FIELD: &str = "http2.invalid.header.field";
    pub(crate) const UNDERSCORE: &str = "http2.unexpected_underscore";
    pub(crate) const HEAD_TOO_LARGE: &str = "http2.header_list_size_too_large";
    pub(crate) const TOO_MANY_HEADERS: &str = "http2.too_many_headers";
    pub(crate) const OUTBOUND_FLOOD: &str = "http2.outbound_frames_flood";
    pub(crate) const EMPTY_FLOOD: &str = "http2.inbound_empty_frames_flood";
    /// Envoy's detail word for requests that a broken connection takes along.
    pub const BROKEN: &str = "codec_error:The_user_callback_function_failed";
    pub(crate) const OTHER: &str = "http2.codec_error";
}

/// What the peer did wrong, and what ends by it.
#[derive(Debug)]
pub(super) enum Violation {
    /// The connection ends.
    Connection {
        code: ErrorCode,
        word: &'static str,
        reason: Cow<'static, str>,
        /// It came about in the head of a request.
        in_head: bool,
    },
    /// Only the stream ends.
    Stream { stream: u32, code: ErrorCode },
    /// A head or trailers can't be used: the stream ends, or by our options the connection.
    Message { stream: u32, fault: Unusable },
}

impl Violation {
    pub(super) fn connection(code: ErrorCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Connection { code, word: word::OTHER, reason: reason.into(), in_head: false }
    }

    pub(super) fn protocol(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::connection(ErrorCode::ProtocolError, reason)
    }

    pub(super) fn frame_size(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::connection(ErrorCode::FrameSizeError, reason)
    }

    pub(super) fn flood(word: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Connection { code: ErrorCode::EnhanceYourCalm, word, reason: reason.into(), in_head: false }
    }

    /// Says of a connection's violation that it is in the head of a request.
    pub(super) fn in_head(self, yes: bool) -> Self {
        match self {
            Self::Connection { code, word, reason, .. } if yes => {
                let word = if word == word::OTHER { word::BROKEN } else { word };
                Self::Connection { code, word, reason, in_head: true }
            }
            other => other,
        }
    }

    pub(super) fn stream(stream: u32, code: ErrorCode) -> Self {
        Self::Stream { stream, code }
    }
}
