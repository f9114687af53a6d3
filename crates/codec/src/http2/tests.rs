//! Tests from outside: bytes in, events and bytes out.

mod drain;
mod exchange;
mod flow;
mod heads;
mod hostile;
mod properties;
mod violations;

use bytes::{Bytes, BytesMut};
use weft_types::{Headers, RequestHead, ResponseHead};

use super::frame::{FrameHeader, HEADER_BYTES, flag, kind};
use super::{ErrorCode, Http2, PREFACE};
use crate::{Codec, CodecError, Event, Limits, Side, StreamId};

type Fields<'a> = &'a [(&'a str, &'a str)];

const GET: Fields<'static> =
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.example")];
const POST: Fields<'static> =
    &[(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a.example")];

/// A frame as a peer without manners might write it.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block of literals, whatever they hold.
fn block(fields: Fields<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            integer(text.len(), &mut bytes);
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

fn integer(mut value: usize, out: &mut Vec<u8>) {
    if value < 127 {
        out.push(u8::try_from(value).unwrap());
        return;
    }
    out.push(127);
    value -= 127;
    while value >= 128 {
        out.push(u8::try_from(value % 128 + 128).unwrap());
        value /= 128;
    }
    out.push(u8::try_from(value).unwrap());
}

/// HEADERS that hold the whole block.
fn headers(stream: u32, end: bool, fields: Fields<'_>) -> Vec<u8> {
    let end = if end { flag::END_STREAM } else { 0 };
    frame(kind::HEADERS, flag::END_HEADERS | end, stream, &block(fields))
}

fn data(stream: u32, end: bool, bytes: &[u8]) -> Vec<u8> {
    frame(kind::DATA, if end { flag::END_STREAM } else { 0 }, stream, bytes)
}

fn settings(parameters: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (parameter, value) in parameters {
        payload.extend(parameter.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(kind::SETTINGS, 0, 0, &payload)
}

fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn rst(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code.value().to_be_bytes())
}

fn ping(payload: &[u8]) -> Vec<u8> {
    frame(kind::PING, 0, 0, payload)
}

/// A codec whose opening is over, with nothing left in its output.
fn opened(side: Side, limits: Limits) -> Http2 {
    let mut codec = Http2::new(side, limits, "http");
    let mut opening = if side == Side::Server { PREFACE.to_vec() } else { Vec::new() };
    opening.extend(settings(&[]));
    opening.extend(frame(kind::SETTINGS, flag::ACK, 0, &[]));
    let (events, error) = feed(&mut codec, &opening);
    assert!(events.is_empty() && error.is_none(), "{error:?}");
    codec.output().take();
    codec
}

fn server() -> Http2 {
    opened(Side::Server, Limits::default())
}

fn client() -> Http2 {
    opened(Side::Client, Limits::default())
}

/// Gives bytes to the codec and takes all events.
fn feed(codec: &mut Http2, bytes: &[u8]) -> (Vec<Event>, Option<CodecError>) {
    let mut input = BytesMut::from(bytes);
    let mut events = Vec::new();
    loop {
        match codec.receive(&mut input) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, None),
            Err(error) => return (events, Some(error)),
        }
    }
}

/// Gives bytes that break nothing.
fn feed_fine(codec: &mut Http2, bytes: &[u8]) -> Vec<Event> {
    let (events, error) = feed(codec, bytes);
    assert_eq!(error, None);
    events
}

/// The frames in the codec's output.
fn written(codec: &mut Http2) -> Vec<(FrameHeader, Bytes)> {
    let mut bytes = codec.output().take();
    let mut frames = Vec::new();
    while let Some(header) = FrameHeader::read(&bytes) {
        let mut frame = bytes.split_to(HEADER_BYTES + header.length);
        frames.push((header, frame.split_off(HEADER_BYTES)));
    }
    assert!(bytes.is_empty());
    frames
}

/// Kinds, streams and lengths of the frames in the codec's output.
fn outline(codec: &mut Http2) -> Vec<(u8, u32, usize)> {
    written(codec).iter().map(|(h, _)| (h.kind, h.stream, h.length)).collect()
}

fn fields(list: Fields<'_>) -> Headers {
    list.iter().copied().collect()
}

fn request(method: &str, list: Fields<'_>) -> RequestHead {
    let mut head = RequestHead::get("a.example", "/");
    head.method = weft_types::Method::parse(method.as_bytes()).unwrap();
    head.headers = fields(list);
    head
}

fn response(status: u16, list: Fields<'_>) -> ResponseHead {
    ResponseHead { headers: fields(list), ..ResponseHead::new(status) }
}

const ONE: StreamId = StreamId(1);
