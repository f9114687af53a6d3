//! A message that was taken from one side, sent on as the proxy would and read again: whoever reads it
//! must see the same single message. What differs here is request smuggling or response splitting.

use bytes::{Bytes, BytesMut};
use weft_codec::{Codec, Event, Http1, Http2, Limits, Side, StreamId};
use weft_types::{Headers, Method, RequestHead, ResponseHead, Version};

use crate::told::{Message, Told};

/// Limits of the reader: nothing that was taken before is too much now.
fn wide() -> Limits {
    Limits {
        max_head_bytes: 1 << 20,
        max_head_fields: 10_000,
        accept_http10: true,
        http1_trailers: true,
        keep_case: true,
        allow_custom_methods: true,
        ..Limits::default()
    }
}

/// Whether a proxy sends the request on as an ordinary message. It answers itself what has no path
/// (`http://a?q`), as Envoy does.
pub fn is_plain(head: &RequestHead) -> bool {
    head.path.starts_with(['/', '*'])
        && head.method != Method::Connect
        && head.protocol.is_none()
        && !head.headers.contains("upgrade")
}

/// Sends a whole request over HTTP/1.1 and reads it again.
pub fn request_over_http1(message: &Message<'_>) {
    let Some(head) = message.request.filter(|head| is_plain(head)) else { return };
    let mut near = Http1::new(Side::Client, wide(), "http");
    let Some(bytes) = send_request(&mut near, head, message) else { return };
    let mut far = Http1::new(Side::Server, wide(), "http");
    let told = read(&mut far, &bytes);
    let again = told.whole(1).unwrap_or_else(|| panic!("not whole over HTTP/1.1: {told:?}\n{message:?}"));
    let got = again.request.unwrap_or_else(|| panic!("no request: {told:?}"));
    same_target(head, got);
    same_fields(&head.headers, &got.headers, false);
    same_content(message, &again, head.headers.contains("content-length"));
    alone(&told, "request");
}

/// Sends a whole request over HTTP/2 and reads it again.
pub fn request_over_http2(message: &Message<'_>) {
    let Some(head) = message.request.filter(|head| is_plain(head)) else { return };
    let mut near = Http2::new(Side::Client, wide(), "http");
    let mut far = Http2::new(Side::Server, Limits { stream_error_on_invalid: true, ..wide() }, "http");
    // Settings come first, so that windows are open.
    read(&mut near, &far.output().take());
    // The pipeline answers a request without a host and never sends it on. Names of users have no place
    // in HTTP/2 (RFC 9113 section 8.3.1): its reader refuses them.
    if head.authority.is_empty() || head.authority.contains('@') {
        return;
    }
    let Some(bytes) = send_request(&mut near, head, message) else { return };
    let told = read(&mut far, &bytes);
    let again = told.whole(1).unwrap_or_else(|| panic!("not whole over HTTP/2: {told:?}\n{message:?}"));
    let got = again.request.unwrap_or_else(|| panic!("no request: {told:?}"));
    same_target(head, got);
    same_fields(&head.headers, &got.headers, true);
    same_content(message, &again, false);
    alone(&told, "request");
}

/// Sends a whole response over HTTP/1.1, in answer to `method`, and reads it again.
pub fn response_over_http1(message: &Message<'_>, method: &Method) {
    let Some(head) = message.response.filter(|head| head.status != 101) else { return };
    let mut near = Http1::new(Side::Client, wide(), "http");
    let asked = RequestHead { method: method.clone(), ..RequestHead::get("a", "/") };
    if near.send_request(&asked, true).is_err() {
        return;
    }
    let mut far = Http1::new(Side::Server, wide(), "http");
    read(&mut far, &near.output().take());
    let Some(bytes) = send_response(&mut far, head, message) else { return };
    let mut told = read(&mut near, &bytes);
    while let Ok(Some(event)) = near.receive_eof() {
        told.take(event);
    }
    let again = told.whole(1).unwrap_or_else(|| panic!("not whole over HTTP/1.1: {told:?}\n{message:?}"));
    let got = again.response.unwrap_or_else(|| panic!("no response: {told:?}"));
    assert_eq!(got.status, head.status);
    same_fields(&head.headers, &got.headers, false);
    if *method != Method::Head && !matches!(head.status, 204 | 304) {
        same_content(message, &again, head.headers.contains("content-length"));
    }
    alone(&told, "response");
}

fn send_request(codec: &mut impl Codec, head: &RequestHead, message: &Message<'_>) -> Option<Bytes> {
    let nothing = message.body.is_empty() && message.trailers.is_none();
    // Heads that came in always can go out, but for what HTTP/1.1 has no words for.
    let stream = codec.send_request(head, nothing).ok()?;
    if !nothing {
        send_content(codec, stream, message);
    }
    Some(codec.output().take())
}

fn send_response(codec: &mut impl Codec, head: &ResponseHead, message: &Message<'_>) -> Option<Bytes> {
    let nothing = message.body.is_empty() && message.trailers.is_none();
    codec.send_response(StreamId(1), head, nothing).ok()?;
    if !nothing {
        send_content(codec, StreamId(1), message);
    }
    Some(codec.output().take())
}

fn send_content(codec: &mut impl Codec, stream: StreamId, message: &Message<'_>) {
    let (first, second) = message.body.split_at(message.body.len() / 3);
    let sent = codec
        .send_data(stream, Bytes::copy_from_slice(first), false)
        .and_then(|()| codec.send_data(stream, Bytes::copy_from_slice(second), message.trailers.is_none()))
        .and_then(|()| message.trailers.map_or(Ok(()), |trailers| codec.send_trailers(stream, trailers)));
    sent.unwrap_or_else(|error| panic!("a body that came can't go: {error}\n{message:?}"));
}

fn read(codec: &mut impl Codec, bytes: &[u8]) -> Told {
    let mut told = Told::default();
    let mut input = BytesMut::from(bytes);
    loop {
        match codec.receive(&mut input) {
            Ok(Some(event)) => {
                if let Event::Data { stream, data, .. } = &event {
                    codec.consumed(*stream, data.len());
                }
                told.take(event);
            }
            Ok(None) => break,
            Err(error) => {
                told.fail(error);
                break;
            }
        }
    }
    assert!(input.is_empty() || !told.words.is_empty(), "{} bytes are left: {told:?}", input.len());
    if !input.is_empty() {
        told.fail(format!("left over: {}", input.escape_ascii()));
    }
    told
}

/// Nothing but one message came.
fn alone(told: &Told, what: &str) {
    use crate::told::Word::{Data, End, Other, Request, Response, Trailers};
    let one = told.words.iter().all(|word| match word {
        Request(1, _) | Response(1, _) | Data(1, _) | Trailers(1, _) | End(1) => true,
        Other(text) => text.starts_with("GoAway"),
        _ => false,
    });
    let heads = told.words.iter().filter(|word| matches!(word, Request(..) | Response(..))).count();
    assert!(one && heads == 1, "more than one {what}: {told:?}");
}

fn same_target(sent: &RequestHead, got: &RequestHead) {
    assert_eq!(got.method, sent.method);
    assert_eq!(got.path, sent.path);
    let sent_authority = match sent.headers.get_str("host") {
        Some(host) if sent.authority.is_empty() && got.version == Version::Http2 => host,
        _ => &sent.authority,
    };
    assert_eq!(&*got.authority, sent_authority);
}

/// Every field arrives, in order, but those that a hop makes anew.
fn same_fields(sent: &Headers, got: &Headers, http2: bool) {
    let of_the_hop = |name: &[u8]| {
        let name = name.to_ascii_lowercase();
        let anywhere = [&b"content-length"[..], b"transfer-encoding", b"connection", b"host"];
        // Cookies are joined, and what is of one connection stays behind.
        let in_http2 =
            [&b"cookie"[..], b"te", b"keep-alive", b"proxy-connection", b"upgrade", b"http2-settings"];
        anywhere.contains(&&name[..]) || (http2 && in_http2.contains(&&name[..]))
    };
    let list = |headers: &Headers| -> Vec<(String, Vec<u8>)> {
        let kept = headers.iter().filter(|(name, _)| !of_the_hop(name));
        kept.map(|(name, value)| (String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()))
            .collect()
    };
    assert_eq!(list(got), list(sent));
    let lengths = |headers: &Headers| headers.get_all(b"content-length").count();
    assert!(lengths(got) <= 1 && lengths(sent) <= 1, "more than one length");
}

/// `fixed`: the length is stated, and HTTP/1.1 has no room for trailers then.
fn same_content(sent: &Message<'_>, got: &Message<'_>, fixed: bool) {
    assert!(sent.body == got.body, "another body: {sent:?}\n{got:?}");
    match (sent.trailers, got.trailers) {
        (Some(sent), Some(got)) => same_fields(sent, got, true),
        (Some(_), None) if fixed => {}
        (Some(sent), None) => same_fields(sent, &Headers::new(), true),
        (None, None) => {}
        (None, Some(got)) => panic!("trailers from nowhere: {got:?}"),
    }
}
