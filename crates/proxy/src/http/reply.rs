//! Responses that the proxy makes itself.

use bytes::Bytes;
use weft_filter::LocalReply;
use weft_route::matching::is_grpc_content_type;
use weft_types::{Method, RequestHead, ResponseHead};

/// Head and body of a local reply to a request: a gRPC client gets its status in headers, a HEAD
/// request gets no body.
pub(crate) fn compose(reply: &LocalReply, request: &RequestHead) -> (ResponseHead, Bytes) {
    let grpc = request.headers.get("content-type").is_some_and(is_grpc_content_type);
    let mut head = ResponseHead::new(reply.status);
    head.headers = reply.headers.clone();
    if grpc {
        head.status = 200;
        head.headers.set("content-type", "application/grpc");
        let status = reply.grpc_status.unwrap_or_else(|| grpc_status(reply.status));
        head.headers.set("grpc-status", status.to_string());
        if !reply.body.is_empty() {
            head.headers.set("grpc-message", percent_encode(&reply.body));
        }
        return (head, Bytes::new());
    }
    let body = reply.body.clone();
    if !body.is_empty() {
        head.headers.set("content-length", body.len().to_string());
        if !head.headers.contains("content-type") {
            head.headers.set("content-type", "text/plain");
        }
    }
    let body = if request.method == Method::Head { Bytes::new() } else { body };
    (head, body)
}

/// The gRPC status that stands for an HTTP status (gRPC's own mapping).
pub(crate) fn grpc_status(http: u16) -> u32 {
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
fn percent_encode(text: &[u8]) -> Vec<u8> {
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

/// The HTTP status that stands for a gRPC status (Envoy's mapping).
pub(crate) fn http_status(grpc: u32) -> u16 {
    match grpc {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}
