//! Heads, bodies and trailers of any content, to be sent over HTTP/1.1: what the pipeline made of other
//! protocols and of configuration. What the codec takes must be read as it was meant.

use bytes::{Bytes, BytesMut};
use weft_codec::{Codec, CodecError, Event, Http1, Limits, Side, StreamId};
use weft_types::{Headers, Method, RequestHead, ResponseHead};

use crate::dice::Dice;
use crate::forward;
use crate::told::{Message, Told, Word};

const NAMES: [&str; 12] = [
    "a",
    "x-b",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "host",
    "te",
    "cookie",
    "Keep-Alive",
    "trailer",
    "expect",
];

pub fn run(data: &[u8]) {
    let mut dice = Dice::new(data);
    let kind = dice.byte();
    let headers = fields(&mut dice);
    let trailers = (kind & 4 != 0).then(|| fields(&mut dice));
    if kind & 1 == 0 {
        request(&mut dice, headers, trailers);
    } else {
        response(&mut dice, headers, trailers);
    }
}

fn fields(dice: &mut Dice<'_>) -> Headers {
    let mut headers = Headers::new();
    headers.keep_case();
    for _ in 0..dice.byte() % 6 {
        let name = match usize::from(dice.byte()) {
            known if known < NAMES.len() * 8 => NAMES[known / 8].as_bytes(),
            other => dice.bytes(other % 8),
        };
        let length = usize::from(dice.byte() % 24);
        let value = dice.bytes(length);
        headers.append(name, value);
    }
    headers
}

fn text(dice: &mut Dice<'_>, most: u8) -> Box<str> {
    let length = usize::from(dice.byte() % most);
    String::from_utf8_lossy(dice.bytes(length)).into_owned().into()
}

fn request(dice: &mut Dice<'_>, headers: Headers, trailers: Option<Headers>) {
    let method = match dice.byte() % 8 {
        0 => Method::Get,
        1 => Method::Head,
        2 => Method::Options,
        3 => Method::Put,
        _ => Method::Post,
    };
    let path = text(dice, 20);
    let head = RequestHead { method, headers, ..RequestHead::get(&text(dice, 12), &path) };
    let body = dice.bytes(300).to_vec();
    let mut near = Http1::new(Side::Client, limits(), "http");
    let sent =
        near.send_request(&head, false).and_then(|stream| send(&mut near, stream, &body, trailers.as_ref()));
    let bytes = near.output().take();
    let mut far = Http1::new(Side::Server, limits(), "http");
    let mut input = BytesMut::from(&bytes[..]);
    let told = read(&mut far, &mut input);
    let heads = told.words.iter().filter(|word| matches!(word, Word::Request(..))).count();
    assert!(heads <= 1, "one head became {heads}: {told:?}");
    if sent.is_err() || !forward::is_plain(&head) {
        return;
    }
    // A head that the reader refuses reaches nobody; one that it takes must be the one that was meant.
    let Some(got) = told.whole(1) else { return };
    let again = got.request.unwrap_or_else(|| panic!("no request: {told:?}"));
    assert_eq!((&again.method, &again.path), (&head.method, &head.path));
    assert_eq!(got.body, body);
    assert!(input.is_empty(), "{} bytes are left", input.len());
}

fn response(dice: &mut Dice<'_>, headers: Headers, trailers: Option<Headers>) {
    let status = 200 + u16::try_from(dice.number() % 400).unwrap_or(0);
    let head = ResponseHead { headers, ..ResponseHead::new(status) };
    let body = dice.bytes(300).to_vec();
    let mut far = Http1::new(Side::Server, limits(), "http");
    let mut asked = BytesMut::from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    far.receive(&mut asked).expect("a request").expect("a request");
    let sent = far
        .send_response(StreamId(1), &head, false)
        .and_then(|()| send(&mut far, StreamId(1), &body, trailers.as_ref()));
    let mut near = Http1::new(Side::Client, limits(), "http");
    near.send_request(&RequestHead::get("a", "/"), true).expect("a request");
    let mut input = BytesMut::from(&far.output().take()[..]);
    let mut told = read(&mut near, &mut input);
    if sent.is_err() {
        return;
    }
    while let Ok(Some(event)) = near.receive_eof() {
        told.take(event);
    }
    // A head that the reader refuses reaches nobody.
    if let Some(Word::Error(_)) = told.words.last() {
        return;
    }
    let got = told.whole(1).unwrap_or_else(|| panic!("not whole: {told:?}"));
    let Message { response: Some(again), body: got, .. } = got else { panic!("no response: {told:?}") };
    assert_eq!(again.status, status);
    assert!(got == body || matches!(status, 204 | 304), "another body: {told:?}");
    assert!(input.is_empty(), "{} bytes are left: {told:?}", input.len());
}

fn send(
    codec: &mut Http1,
    stream: StreamId,
    body: &[u8],
    trailers: Option<&Headers>,
) -> Result<(), CodecError> {
    let (first, second) = body.split_at(body.len() / 2);
    codec.send_data(stream, Bytes::copy_from_slice(first), false)?;
    codec.send_data(stream, Bytes::copy_from_slice(second), trailers.is_none())?;
    trailers.map_or(Ok(()), |trailers| codec.send_trailers(stream, trailers))
}

fn read(codec: &mut Http1, input: &mut BytesMut) -> Told {
    let mut told = Told::default();
    loop {
        match codec.receive(input) {
            Ok(Some(event)) => {
                // The way is free for whatever else the bytes hold.
                if let Event::Request { stream, end: true, .. }
                | Event::Data { stream, end: true, .. }
                | Event::Trailers { stream, .. } = &event
                {
                    let _ = codec.send_response(*stream, &ResponseHead::new(204), true);
                }
                told.take(event);
            }
            Ok(None) => return told,
            Err(error) => {
                told.fail(error);
                return told;
            }
        }
    }
}

fn limits() -> Limits {
    Limits { http1_trailers: true, max_head_fields: 1000, ..Limits::default() }
}
