//! Frames to either side of HTTP/2.

use bytes::{Bytes, BytesMut};
use weft_codec::http2::PREFACE;
use weft_codec::{Codec, ErrorReply, Event, Http2, Limits, Side};
use weft_types::{RequestHead, ResponseHead};

use crate::dice::{Dice, pieces};
use crate::forward;
use crate::told::{Told, Word};

/// SETTINGS without content.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const FRAME_HEADER: usize = 9;

pub fn run(data: &[u8]) {
    let mut dice = Dice::new(data);
    let (options, cuts) = (dice.byte(), dice.byte());
    let mut bytes = Vec::new();
    let side = if options & 1 == 0 { Side::Server } else { Side::Client };
    // Mostly past the opening at once; with bit 1 the input has to bring it.
    if options & 2 == 0 {
        if side == Side::Server {
            bytes.extend_from_slice(PREFACE);
        }
        bytes.extend_from_slice(SETTINGS);
    }
    bytes.extend_from_slice(dice.rest());
    let limits = limits(options);
    let (whole, written) = feed(side, &bytes, 0, &limits);
    let (cut, written_cut) = feed(side, &bytes, cuts, &limits);
    assert_eq!(whole, cut, "cuts change what is told");
    assert_eq!(written, written_cut, "cuts change what is written");
    for word in &whole.words {
        if let Word::Request(stream, _) = word
            && let Some(message) = whole.whole(*stream)
        {
            forward::request_over_http1(&message);
            forward::request_over_http2(&message);
        }
        if let Word::Response(stream, _) = word
            && let Some(message) = whole.whole(*stream)
        {
            forward::response_over_http1(&message, &weft_types::Method::Get);
        }
    }
}

fn limits(options: u8) -> Limits {
    let on = |bit: u8| options & (1 << bit) != 0;
    Limits {
        max_concurrent_streams: 8,
        max_control_frames: 60,
        max_head_bytes: 2000,
        max_head_fields: 30,
        initial_stream_window: 70_000,
        initial_connection_window: 80_000,
        hpack_table_size: if on(2) { 256 } else { 4096 },
        allow_extended_connect: on(3),
        allow_connect: !on(4),
        stream_error_on_invalid: on(5),
        reject_underscores: on(6),
        ..Limits::default()
    }
}

/// What was told, and what was written in answer, which nobody takes away meanwhile.
fn feed(side: Side, bytes: &[u8], cuts: u8, limits: &Limits) -> (Told, Bytes) {
    let mut codec = Http2::new(side, limits.clone(), "http");
    let mut told = Told::default();
    if side == Side::Client {
        for path in ["/1", "/2", "/3"] {
            codec.send_request(&RequestHead::get("a", path), path != "/3").expect("a fresh connection");
        }
    }
    let before = codec.output().len();
    let mut input = BytesMut::new();
    'pieces: for piece in pieces(bytes, cuts) {
        input.extend_from_slice(piece);
        loop {
            match codec.receive(&mut input) {
                Ok(Some(event)) => {
                    check(&event, limits);
                    answer(&mut codec, &event);
                    told.take(event);
                }
                Ok(None) => break,
                Err(error) => {
                    codec.error_reply(&error, &ErrorReply::default());
                    assert!(codec.is_finished(), "an error that ends nothing");
                    told.fail(error);
                    break 'pieces;
                }
            }
            assert!(codec.open_streams() <= 8, "{} streams are open", codec.open_streams());
        }
        assert!(input.len() < FRAME_HEADER + 16_384, "{} bytes are kept", input.len());
    }
    // Nobody can make us write much more than they send.
    let written = codec.output().len() - before;
    assert!(written <= 200 + 4 * bytes.len(), "{written} bytes in answer to {}", bytes.len());
    assert!(told.body_bytes() <= bytes.len());
    let output = codec.output().take();
    let ends = std::iter::from_fn(|| codec.receive_eof().expect("an end is no error")).take(20).count();
    assert!(ends < 20, "the end has no end");
    assert_eq!(codec.open_streams(), 0, "streams outlive the connection");
    (told, output)
}

fn check(event: &Event, limits: &Limits) {
    let headers = match event {
        Event::Request { head, .. } => &head.headers,
        Event::Response { head, .. } => &head.headers,
        Event::Trailers { trailers, .. } => trailers,
        _ => return,
    };
    assert!(headers.byte_size() <= limits.max_head_bytes + 2 * limits.max_head_fields);
    assert!(headers.len() <= limits.max_head_fields);
    for (name, value) in headers.iter() {
        assert!(!name.is_empty() && !name.starts_with(b":") && !name.iter().any(u8::is_ascii_uppercase));
        assert!(!value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')), "a line end in a value");
    }
}

fn answer(codec: &mut Http2, event: &Event) {
    let (stream, ended) = match event {
        Event::Request { stream, end, .. } => (*stream, *end),
        Event::Data { stream, data, end } => {
            codec.consumed(*stream, data.len());
            (*stream, *end)
        }
        Event::Trailers { stream, .. } => (*stream, true),
        _ => return,
    };
    if ended && codec.side() == Side::Server {
        // The stream may have been reset since.
        let sent = codec.send_response(stream, &ResponseHead::new(200), false);
        if sent.is_ok() {
            codec.send_data(stream, Bytes::from_static(b"ok"), true).expect("a body");
        }
    }
}
