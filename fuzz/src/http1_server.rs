//! Requests to an HTTP/1.x server.

use bytes::BytesMut;
use weft_codec::{Codec, Event, Http1, Limits, Side, StreamId};
use weft_types::{Method, ResponseHead};

use crate::dice::{Dice, pieces};
use crate::forward;
use crate::told::Told;

pub fn run(data: &[u8]) {
    let mut dice = Dice::new(data);
    let (options, answers, cuts) = (dice.byte(), dice.byte(), dice.byte());
    let limits = limits(options);
    let bytes = dice.rest();
    let whole = feed(bytes, 0, &limits, answers);
    let cut = feed(bytes, cuts, &limits, answers);
    assert_eq!(whole, cut, "cuts change what is told");
    let heads = whole.words.iter().filter(|word| matches!(word, crate::told::Word::Request(..))).count();
    for stream in 1..=u32::try_from(heads).unwrap_or(0) {
        if let Some(message) = whole.whole(stream) {
            forward::request_over_http1(&message);
            forward::request_over_http2(&message);
        }
    }
}

pub fn limits(options: u8) -> Limits {
    let on = |bit: u8| options & (1 << bit) != 0;
    Limits {
        accept_http10: on(0),
        default_host_for_http10: "fallback".into(),
        allow_chunked_length: on(1),
        http1_trailers: on(2),
        keep_case: on(3),
        allow_custom_methods: on(4),
        reject_underscores: on(5),
        allow_absolute_url: !on(6),
        max_head_bytes: if on(7) { 200 } else { 4000 },
        max_head_fields: if on(7) { 5 } else { 50 },
        ..Limits::default()
    }
}

/// Feeds a server and answers each whole request at once; tunnels are granted or refused by `answers`.
fn feed(bytes: &[u8], cuts: u8, limits: &Limits, answers: u8) -> Told {
    let mut codec = Http1::new(Side::Server, limits.clone(), "http");
    let mut told = Told::default();
    let mut input = BytesMut::new();
    for piece in pieces(bytes, cuts) {
        input.extend_from_slice(piece);
        loop {
            match codec.receive(&mut input) {
                Ok(Some(event)) => {
                    check(&event, limits);
                    answer(&mut codec, &event, answers);
                    told.take(event);
                }
                Ok(None) => break,
                Err(error) => {
                    told.fail((error.word, error.status, error.in_head));
                    codec.error_reply(&error, &weft_codec::ErrorReply::default());
                    assert!(codec.is_finished(), "an error that ends nothing");
                    return told;
                }
            }
        }
        assert!(input.len() <= limits.max_head_bytes, "{} bytes are kept", input.len());
    }
    assert!(told.body_bytes() <= bytes.len());
    let ends = std::iter::from_fn(|| codec.receive_eof().expect("an end is no error")).take(4).count();
    assert!(ends < 4, "the end has no end");
    told
}

fn check(event: &Event, limits: &Limits) {
    if let Event::Request { head, .. } = event {
        assert!(head.headers.byte_size() <= limits.max_head_bytes);
        assert!(head.headers.len() <= limits.max_head_fields);
        assert!(!head.headers.contains("transfer-encoding") && !head.headers.contains("host"));
        assert!(head.headers.get_all(b"content-length").count() <= 1);
    }
    if let Event::Trailers { trailers, .. } = event {
        assert!(trailers.byte_size() <= limits.max_head_bytes);
        assert!(limits.http1_trailers || trailers.is_empty());
    }
}

fn answer(codec: &mut Http1, event: &Event, answers: u8) {
    let (stream, connect, upgrade) = match event {
        Event::Request { stream, head, .. } if head.method == Method::Connect => (*stream, true, false),
        Event::Request { stream, head, end: true } => (*stream, false, head.headers.contains("upgrade")),
        Event::Data { stream, end: true, .. } | Event::Trailers { stream, .. } => (*stream, false, false),
        _ => return,
    };
    if codec.open_streams() == 0 {
        return;
    }
    let granted = answers & 1 != 0;
    let sent = if upgrade && granted && switch(codec, stream) {
        return;
    } else if connect && granted {
        let sent = codec.send_response(stream, &ResponseHead::new(200), false);
        codec.become_tunnel(stream);
        sent
    } else if connect {
        codec.send_response(stream, &ResponseHead::new(403), true)
    } else {
        codec.send_response(stream, &ResponseHead::new(204), true)
    };
    sent.expect("the exchange is open");
}

/// Grants an upgrade, if the request really asked for one.
fn switch(codec: &mut Http1, stream: StreamId) -> bool {
    let granted = codec.send_response(stream, &ResponseHead::new(101), false).is_ok();
    if granted {
        codec.become_tunnel(stream);
    }
    granted
}
