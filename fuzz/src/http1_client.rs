//! Responses to an HTTP/1.x client.

use bytes::BytesMut;
use weft_codec::{Codec, Event, Http1, Limits, Side};
use weft_types::{Method, RequestHead};

use crate::dice::{Dice, pieces};
use crate::forward;
use crate::told::Told;

pub fn run(data: &[u8]) {
    let mut dice = Dice::new(data);
    let (options, asked, cuts) = (dice.byte(), dice.byte(), dice.byte());
    let limits = crate::http1_server::limits(options);
    let request = asked_for(asked);
    let bytes = dice.rest();
    let whole = feed(bytes, 0, &limits, &request);
    let cut = feed(bytes, cuts, &limits, &request);
    assert_eq!(whole, cut, "cuts change what is told");
    if request.method != Method::Connect
        && let Some(message) = whole.whole(1)
    {
        forward::response_over_http1(&message, &request.method);
    }
}

fn asked_for(asked: u8) -> RequestHead {
    let mut request = RequestHead::get("a", "/");
    match asked % 4 {
        0 => {}
        1 => request.method = Method::Head,
        2 => request.method = Method::Connect,
        _ => {
            request.headers.append("connection", "upgrade");
            request.headers.append("upgrade", "websocket");
        }
    }
    request
}

fn feed(bytes: &[u8], cuts: u8, limits: &Limits, request: &RequestHead) -> Told {
    let mut codec = Http1::new(Side::Client, limits.clone(), "http");
    let connect = request.method == Method::Connect;
    let stream = codec.send_request(request, !connect).expect("a fresh connection");
    let mut told = Told::default();
    let mut input = BytesMut::new();
    for piece in pieces(bytes, cuts) {
        input.extend_from_slice(piece);
        loop {
            match codec.receive(&mut input) {
                Ok(Some(event)) => {
                    if let Event::Response { head, .. } = &event {
                        assert!(head.headers.byte_size() <= limits.max_head_bytes);
                        assert!(head.headers.len() <= limits.max_head_fields);
                        if head.status == 101 || (connect && (200..300).contains(&head.status)) {
                            codec.become_tunnel(stream);
                        }
                    }
                    told.take(event);
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(codec.is_finished(), "an error that ends nothing");
                    told.fail(error.word);
                    return told;
                }
            }
        }
        assert!(input.len() <= limits.max_head_bytes, "{} bytes are kept", input.len());
    }
    for _ in 0..4 {
        match codec.receive_eof().expect("an end is no error") {
            Some(event) => told.take(event),
            None => return told,
        }
    }
    panic!("the end has no end: {told:?}");
}
