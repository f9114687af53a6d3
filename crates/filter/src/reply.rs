//! Responses that the proxy makes itself.

use bytes::Bytes;
use weft_types::{Detail, Headers, ResponseFlags};

/// A response that the proxy makes itself (invariant 8: always with flags and a detail).
#[derive(Clone, Debug)]
pub struct LocalReply {
    /// Status.
    pub status: u16,
    /// Body; `text/plain` unless a header says otherwise.
    pub body: Bytes,
    /// Further fields.
    pub headers: Headers,
    /// gRPC status to answer a gRPC request with; `None`: derived from the HTTP status.
    pub grpc_status: Option<u32>,
    /// Cause.
    pub detail: Detail,
    /// Flags.
    pub flags: ResponseFlags,
}

impl LocalReply {
    /// A reply of that status, body text and detail word.
    #[must_use]
    pub fn new(status: u16, body: &'static str, word: &'static str) -> Self {
        Self {
            status,
            body: Bytes::from_static(body.as_bytes()),
            headers: Headers::new(),
            grpc_status: None,
            detail: Detail::word(word),
            flags: ResponseFlags::NONE,
        }
    }

    /// The same with a flag.
    #[must_use]
    pub fn flag(mut self, flag: weft_types::ResponseFlag) -> Self {
        self.flags.insert(flag);
        self
    }
}
