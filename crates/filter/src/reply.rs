//! Responses that the proxy makes itself.

use bytes::Bytes;
use weft_route::matching::is_grpc;
use weft_types::{Detail, Headers, Method, RequestHead, ResponseFlags, ResponseHead};

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

    /// Head and body of the reply to a request: a gRPC client gets its status in headers, a HEAD
    /// request gets no body.
    #[must_use]
    pub fn compose(&self, request: &RequestHead) -> (ResponseHead, Bytes) {
        let mut head = ResponseHead::new(self.status);
        head.headers = self.headers.clone();
        if is_grpc(request) {
            head.status = 200;
            head.headers.set("content-type", "application/grpc");
            let status = self.grpc_status.unwrap_or_else(|| grpc_status(self.status));
            head.headers.set("grpc-status", status.to_string());
            if !self.body.is_empty() {
                head.headers.set("grpc-message", percent_encoded(&self.body));
            }
            return (head, Bytes::new());
        }
        if !self.body.is_empty() {
            head.headers.set("content-length", self.body.len().to_string());
            if !head.headers.contains("content-type") {
                head.headers.set("content-type", "text/plain");
            }
        }
        let body = if request.method == Method::Head { Bytes::new() } else { self.body.clone() };
        (head, body)
    }
}

/// The gRPC status that stands for an HTTP status (gRPC's own mapping).
#[must_use]
pub fn grpc_status(http: u16) -> u32 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// `grpc-message` encoding: bytes outside printable ASCII, and `%`, are escaped.
fn percent_encoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if (0x20..0x7f).contains(&byte) && byte != b'%' {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_text_or_grpc() {
        let reply = LocalReply::new(503, "100% no\n", "word");
        let (head, body) = reply.compose(&RequestHead::get("x", "/"));
        assert_eq!((head.status, &*body), (503, &b"100% no\n"[..]));
        assert_eq!(head.headers.get_str("content-type"), Some("text/plain"));
        let mut call = RequestHead::get("x", "/");
        call.headers.append("content-type", "application/grpc");
        let (head, body) = reply.compose(&call);
        assert_eq!((head.status, body.len()), (200, 0));
        assert_eq!(head.headers.get_str("grpc-status"), Some("14"));
        assert_eq!(head.headers.get_str("grpc-message"), Some("100%25 no%0A"));
        let own = LocalReply { grpc_status: Some(5), ..reply };
        assert_eq!(own.compose(&call).0.headers.get_str("grpc-status"), Some("5"));
    }

    #[test]
    fn head_requests_get_the_length_but_no_body() {
        let request = RequestHead { method: Method::Head, ..RequestHead::get("x", "/") };
        let (head, body) = LocalReply::new(404, "gone", "word").compose(&request);
        assert_eq!((head.headers.get_str("content-length"), body.len()), (Some("4"), 0));
    }
}
