//! Laws of the HTTP/1.x codec and of the detectors, over generated input.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use weft_codec::detect::{http, tls};
use weft_codec::{Codec, Event, Http1, Limits, Side, StreamId, proxy_protocol};
use weft_types::{Headers, Method, RequestHead, ResponseHead};

fn limits() -> Limits {
    Limits { http1_trailers: true, accept_http10: true, keep_case: true, ..Limits::default() }
}

/// A message as the pipeline sees it, whatever the pieces its body came in.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    heads: Vec<String>,
    body: Vec<u8>,
    trailers: Option<Headers>,
    ended: bool,
}

impl Message {
    fn take(&mut self, event: Event) {
        match event {
            Event::Request { head, end, .. } => {
                self.heads.push(format!("{head:?}"));
                self.ended |= end;
            }
            Event::Response { head, end, .. } => {
                self.heads.push(format!("{head:?}"));
                self.ended |= end;
            }
            Event::Data { data, end, .. } => {
                assert!(!data.is_empty() || end, "an empty piece that ends nothing");
                assert!(!self.ended, "data after the end");
                self.body.extend_from_slice(&data);
                self.ended |= end;
            }
            Event::Trailers { trailers, .. } => {
                self.trailers = Some(trailers);
                self.ended = true;
            }
            other => self.heads.push(format!("{other:?}")),
        }
    }
}

/// Feeds bytes in pieces whose lengths are taken from `cuts` in turn; what came of it, and the error.
fn receive(codec: &mut Http1, bytes: &[u8], cuts: &[usize]) -> (Message, Option<String>) {
    let mut message = Message::default();
    let mut input = BytesMut::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((*cuts.next().unwrap_or(&1)).clamp(1, rest.len()));
        input.extend_from_slice(piece);
        rest = tail;
        loop {
            match codec.receive(&mut input) {
                Ok(Some(event)) => message.take(event),
                Ok(None) => break,
                Err(error) => return (message, Some(format!("{error} {:?}", error.status))),
            }
        }
    }
    (message, None)
}

fn fields() -> impl Strategy<Value = Headers> {
    let name = "[A-Za-z][A-Za-z0-9_-]{0,12}".prop_map(|name| format!("x-{name}"));
    let value = "[!-~]([ -~\u{e9}]{0,20}[!-~])?";
    vec((name, value), 0..6).prop_map(|fields| {
        let mut fields: Headers = fields.into_iter().collect();
        fields.keep_case();
        fields
    })
}

/// How a body is sent.
#[derive(Clone, Debug)]
enum Sent {
    Nothing,
    Length(Vec<u8>),
    Pieces(Vec<Vec<u8>>, Option<Headers>),
}

fn sent() -> impl Strategy<Value = Sent> {
    let pieces = vec(vec(any::<u8>(), 0..40), 0..4);
    let trailers = proptest::option::of(fields().prop_filter("some", |fields| !fields.is_empty()));
    prop_oneof![
        Just(Sent::Nothing),
        vec(any::<u8>(), 0..60).prop_map(Sent::Length),
        (pieces, trailers).prop_map(|(pieces, trailers)| Sent::Pieces(pieces, trailers)),
    ]
}

impl Sent {
    fn announce(&self, headers: &mut Headers) {
        if let Self::Length(body) = self {
            headers.append("content-length", body.len().to_string());
        }
    }

    fn send(&self, codec: &mut Http1, stream: StreamId) {
        let sent = match self {
            Self::Nothing => Ok(()),
            Self::Length(body) => codec.send_data(stream, Bytes::copy_from_slice(body), true),
            Self::Pieces(pieces, trailers) => {
                for piece in pieces {
                    codec.send_data(stream, Bytes::copy_from_slice(piece), false).expect("a piece");
                }
                match trailers {
                    Some(trailers) => codec.send_trailers(stream, trailers),
                    None => codec.send_data(stream, Bytes::new(), true),
                }
            }
        };
        sent.expect("a body");
    }

    fn body(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Length(body) => body.clone(),
            Self::Pieces(pieces, _) => pieces.concat(),
        }
    }

    fn trailers(&self) -> Option<Headers> {
        if let Self::Pieces(_, trailers) = self { trailers.clone() } else { None }
    }
}

fn request_head() -> impl Strategy<Value = RequestHead> {
    let method = prop_oneof![Just(Method::Get), Just(Method::Put), Just(Method::Delete), Just(Method::Patch)];
    let authority = "[a-z][a-z0-9.-]{0,20}(:[1-9][0-9]{0,3})?";
    (method, authority, "/[!-~]{0,30}", fields()).prop_map(|(method, authority, path, headers)| RequestHead {
        method,
        headers,
        ..RequestHead::get(&authority, &path)
    })
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(1_usize..30, 1..20)
}

/// Bytes near to HTTP: pieces of messages, shuffled and salted.
fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /x HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 X\r\n", "Host: a\r\n",
            "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "\r\n", "\n", "\r",
            "abc", "3\r\nabc\r\n", "0\r\n", "0\r\n\r\n", "T: v\r\n", " ", ":", ";", "1;a=b\r\nx\r\n", "ffffffffffffffff",
            "CONNECT a:1 HTTP/1.1\r\n", "HEAD / HTTP/1.0\r\n", "Upgrade: x\r\nConnection: upgrade\r\n", "PROXY TCP4 ",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn requests_arrive_as_they_were_sent(mut head in request_head(), sent in sent(), cuts in cuts()) {
        sent.announce(&mut head.headers);
        let mut near = Http1::new(Side::Client, limits(), "http");
        let stream = near.send_request(&head, matches!(sent, Sent::Nothing)).expect("a request");
        sent.send(&mut near, stream);
        let bytes = near.output().take();

        let mut far = Http1::new(Side::Server, limits(), "http");
        let (mut message, error) = receive(&mut far, &bytes, &cuts);
        prop_assert_eq!(error, None);
        if matches!(sent, Sent::Nothing) && !matches!(head.method, Method::Get | Method::Delete) {
            head.headers.append("content-length", "0");
        }
        prop_assert_eq!(message.heads.remove(0), format!("{head:?}"));
        prop_assert_eq!(message, Message { heads: vec![], body: sent.body(), trailers: sent.trailers(), ended: true });
    }

    #[test]
    fn responses_arrive_as_they_were_sent(
        status in 200_u16..600, headers in fields(), sent in sent(), cuts in cuts(), old in any::<bool>(),
    ) {
        prop_assume!(!matches!(status, 204 | 304));
        let mut head = ResponseHead { headers, ..ResponseHead::new(status) };
        sent.announce(&mut head.headers);
        let mut far = Http1::new(Side::Server, limits(), "http");
        let asked = if old { "GET / HTTP/1.0\r\n\r\n" } else { "GET / HTTP/1.1\r\nHost: a\r\n\r\n" };
        far.receive(&mut BytesMut::from(asked)).expect("a request");
        far.send_response(StreamId(1), &head, matches!(sent, Sent::Nothing)).expect("a head");
        sent.send(&mut far, StreamId(1));
        prop_assert_eq!(far.is_finished(), old);
        let bytes = far.output().take();

        let mut near = Http1::new(Side::Client, limits(), "http");
        near.send_request(&RequestHead::get("a", "/"), true).expect("a request");
        let (mut message, error) = receive(&mut near, &bytes, &cuts);
        while let Some(event) = near.receive_eof().expect("an end") {
            message.take(event);
        }
        prop_assert_eq!(error, None);
        prop_assert!(message.ended && message.heads.len() == 1 + usize::from(old), "{:?}", message);
        prop_assert_eq!(message.body, sent.body());
        prop_assert_eq!(message.trailers, sent.trailers().filter(|_| !old));
    }

    /// For any bytes: no panic, and the same events and the same error however they are cut.
    #[test]
    fn cuts_change_nothing(bytes in nearly_http(), cuts in cuts(), side in any::<bool>()) {
        let start = || {
            let mut codec = Http1::new(if side { Side::Server } else { Side::Client }, limits(), "http");
            if !side {
                codec.send_request(&RequestHead::get("a", "/"), true).expect("a request");
            }
            codec
        };
        let mut whole = start();
        let told = receive(&mut whole, &bytes, &[usize::MAX]);
        let mut dropwise = start();
        prop_assert_eq!(&told, &receive(&mut dropwise, &bytes, &cuts));
        for mut codec in [whole, dropwise] {
            let ends = std::iter::from_fn(|| codec.receive_eof().expect("an end")).take(4).count();
            prop_assert!(ends < 4, "the end has no end");
        }
    }

    #[test]
    fn detectors_take_any_bytes_and_never_change_their_mind(bytes in nearly_http(), tls_start in any::<bool>()) {
        let bytes = if tls_start { [&[22, 3, 1, 0, 40, 1, 0, 0, 36][..], &bytes].concat() } else { bytes };
        let mut decided = (None, None, None);
        for end in 0..=bytes.len() {
            let prefix = &bytes[..end];
            let http = Some(http::sniff(prefix)).filter(|told| *told != http::HttpSniff::NeedMore);
            let tls = Some(tls::peek(prefix)).filter(|told| *told != tls::TlsPeek::NeedMore);
            let proxy = Some(proxy_protocol::parse(prefix)).filter(|told| *told != proxy_protocol::Parsed::NeedMore);
            prop_assert!(decided.0.is_none() || decided.0 == http, "{:?} then {:?}", decided.0, http);
            prop_assert!(decided.1.is_none() || decided.1 == tls);
            prop_assert!(decided.2.is_none() || decided.2 == proxy);
            decided = (http, tls, proxy);
        }
    }
}
