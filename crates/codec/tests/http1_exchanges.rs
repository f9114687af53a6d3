//! Exchanges over the HTTP/1.x codec, seen from outside: bytes written, events given, connections
//! kept or closed.

use bytes::{Bytes, BytesMut};
use weft_codec::http1::MAX_EARLY_TUNNEL_BYTES;
use weft_codec::{Codec, Event, Http1, Limits, ResetReason, Side, StreamId};
use weft_types::{Headers, Method, RequestHead, ResponseHead};

fn server() -> Http1 {
    Http1::new(Side::Server, Limits::default(), "https")
}

fn serving_http10() -> Http1 {
    Http1::new(Side::Server, Limits { accept_http10: true, ..Limits::default() }, "http")
}

fn client() -> Http1 {
    Http1::new(Side::Client, Limits { http1_trailers: true, ..Limits::default() }, "http")
}

/// Feeds bytes and takes all events that come of them.
fn feed(codec: &mut Http1, bytes: &str) -> Vec<Event> {
    let mut input = BytesMut::from(bytes);
    std::iter::from_fn(|| codec.receive(&mut input).expect("sound input")).collect()
}

fn written(codec: &mut Http1) -> String {
    String::from_utf8(codec.output().take().to_vec()).expect("text")
}

fn response(status: u16, fields: &[(&str, &str)]) -> ResponseHead {
    ResponseHead { headers: fields.iter().copied().collect(), ..ResponseHead::new(status) }
}

fn request(method: Method, fields: &[(&str, &str)]) -> RequestHead {
    RequestHead { method, headers: fields.iter().copied().collect(), ..RequestHead::get("a", "/x") }
}

/// What a server writes for a response to `asked`, and whether it closes then.
fn answer(codec: &mut Http1, asked: &str, head: &ResponseHead, body: Option<&str>) -> (String, bool) {
    assert!(!feed(codec, asked).is_empty());
    let stream = StreamId(1);
    codec.send_response(stream, head, body.is_none()).expect("a response that can be sent");
    if let Some(body) = body {
        codec.send_data(stream, Bytes::copy_from_slice(body.as_bytes()), true).expect("a body");
    }
    (written(codec), codec.is_finished())
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const GET_10: &str = "GET / HTTP/1.0\r\n\r\n";
const GET_10_KEEP: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";

#[test]
fn responses_are_framed_by_what_is_known() {
    let length = [("content-length", "2")];
    let chunks = "transfer-encoding: chunked\r\n\r\n";
    for (asked, head, body, expected) in [
        (GET, response(200, &length), Some("hi"), "200 OK\r\ncontent-length: 2\r\n\r\nhi".to_owned()),
        (GET, response(200, &[]), Some("hi"), format!("200 OK\r\n{chunks}2\r\nhi\r\n0\r\n\r\n")),
        (GET, response(200, &[]), Some(""), format!("200 OK\r\n{chunks}0\r\n\r\n")),
        (GET, response(200, &[]), None, "200 OK\r\ncontent-length: 0\r\n\r\n".into()),
        (GET, response(204, &[("content-length", "0")]), None, "204 No Content\r\n\r\n".into()),
        (GET, response(304, &length), None, "304 Not Modified\r\ncontent-length: 2\r\n\r\n".into()),
        (GET, response(304, &[]), None, "304 Not Modified\r\n\r\n".into()),
        (
            GET,
            response(599, &length),
            Some("hi"),
            "599 Last Unassigned Server Error Code\r\ncontent-length: 2\r\n\r\nhi".into(),
        ),
        (GET, response(600, &[]), None, "600 Unknown\r\ncontent-length: 0\r\n\r\n".into()),
        (HEAD, response(200, &length), None, "200 OK\r\ncontent-length: 2\r\n\r\n".into()),
        (HEAD, response(200, &length), Some("hi"), "200 OK\r\ncontent-length: 2\r\n\r\n".into()),
        (HEAD, response(200, &[]), None, format!("200 OK\r\n{chunks}")),
        (
            GET,
            response(200, &[("Transfer-Encoding", "gzip")]),
            None,
            "200 OK\r\ncontent-length: 0\r\n\r\n".into(),
        ),
    ] {
        let told = answer(&mut server(), asked, &head, body);
        assert_eq!(told, (format!("HTTP/1.1 {expected}"), false), "{head:?}");
    }
}

#[test]
fn connections_persist_as_both_sides_allow() {
    let length = [("content-length", "2")];
    let close = "connection: close\r\n";
    let cases = [
        (GET, response(200, &length), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_owned(), false),
        (
            GET_CLOSE,
            response(200, &length),
            format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{close}\r\nhi"),
            true,
        ),
        (
            GET,
            response(200, &[("connection", "close"), length[0]]),
            format!("HTTP/1.1 200 OK\r\n{close}content-length: 2\r\n\r\nhi"),
            true,
        ),
        (
            GET_10,
            response(200, &length),
            format!("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n{close}\r\nhi"),
            true,
        ),
        (GET_10, response(200, &[]), format!("HTTP/1.0 200 OK\r\n{close}\r\nhi"), true),
        (
            GET_10_KEEP,
            response(200, &length),
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nhi".into(),
            false,
        ),
        (GET_10_KEEP, response(200, &[]), format!("HTTP/1.0 200 OK\r\n{close}\r\nhi"), true),
    ];
    for (asked, head, expected, closes) in cases {
        assert_eq!(answer(&mut serving_http10(), asked, &head, Some("hi")), (expected, closes), "{asked:?}");
    }
}

#[test]
fn a_client_of_1_0_that_is_not_served_gets_a_1_1_answer_and_the_end() {
    let mut codec = server();
    let error = codec.receive(&mut BytesMut::from(GET_10)).unwrap_err();
    codec.error_reply(&error, &weft_codec::ErrorReply::default());
    let told = String::from_utf8(codec.output().take().to_vec()).unwrap();
    assert!(told.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{told}");
    assert!(told.contains("connection: close\r\n") && codec.is_finished() && error.in_head, "{told}");
}

#[test]
fn requests_are_framed_by_what_is_known() {
    let chunks = "transfer-encoding: chunked\r\n\r\n";
    for (head, body, expected) in [
        (request(Method::Get, &[("x", "y")]), None, "GET /x HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n".to_owned()),
        (request(Method::Delete, &[]), None, "DELETE /x HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        (request(Method::Post, &[]), None, "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".into()),
        (
            request(Method::Options, &[]),
            None,
            "OPTIONS /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".into(),
        ),
        (
            request(Method::Post, &[("Content-Length", "2")]),
            Some("hi"),
            "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi".into(),
        ),
        (
            request(Method::Get, &[]),
            Some("hi"),
            format!("GET /x HTTP/1.1\r\nhost: a\r\n{chunks}2\r\nhi\r\n0\r\n\r\n"),
        ),
    ] {
        let mut codec = client();
        let stream = codec.send_request(&head, body.is_none()).expect("a request that can be sent");
        if let Some(body) = body {
            codec.send_data(stream, Bytes::copy_from_slice(body.as_bytes()), true).expect("a body");
        }
        assert_eq!(written(&mut codec), expected);
    }
}

#[test]
fn what_cannot_stand_on_the_wire_is_not_written() {
    let bad_fields =
        [("x y", "z"), ("", "z"), ("x", "y\r\nz: w"), ("x", "y\nz"), ("x", "y\0"), ("content-length", "x")];
    for (name, value) in bad_fields {
        let mut codec = client();
        assert!(
            codec.send_request(&request(Method::Post, &[(name, value)]), true).is_err(),
            "{name:?}: {value:?}"
        );
        let mut codec = server();
        feed(&mut codec, GET);
        assert!(codec.send_response(StreamId(1), &response(200, &[(name, value)]), true).is_err());
        assert!(codec.output().is_empty(), "half a head was written for {name:?}: {value:?}");
    }
    let get = || RequestHead::get("a", "/");
    for head in [
        RequestHead { path: "/a b".into(), ..get() },
        RequestHead { path: "/a\r\nX: y".into(), ..get() },
        RequestHead { path: "".into(), ..get() },
        RequestHead { authority: "a\r\nX: y".into(), ..get() },
        RequestHead { authority: "".into(), method: Method::Connect, ..get() },
    ] {
        let mut codec = client();
        assert!(codec.send_request(&head, true).is_err(), "{head:?}");
        assert!(codec.output().is_empty() && codec.can_open());
    }
}

#[test]
fn stated_length_is_kept() {
    let head = request(Method::Post, &[("content-length", "2")]);
    for (pieces, fits) in
        [(&["h", "i"][..], true), (&["hi", ""], true), (&["h"], false), (&["hi", "j"], false)]
    {
        let mut codec = client();
        let stream = codec.send_request(&head, false).expect("a request");
        let last = pieces.len() - 1;
        let mut pieces = pieces.iter().enumerate();
        let sent =
            pieces.try_for_each(|(at, piece)| codec.send_data(stream, Bytes::from(*piece), at == last));
        assert_eq!(sent.is_ok(), fits);
    }
    let mut codec = client();
    assert!(codec.send_request(&head, true).is_err(), "a length without content");
}

#[test]
fn trailers_are_sent_where_they_are_served() {
    let trailers: Headers = [("t", "v")].into_iter().collect();
    for (served, expected) in [(true, "0\r\nt: v\r\n\r\n"), (false, "0\r\n\r\n")] {
        let mut codec =
            Http1::new(Side::Server, Limits { http1_trailers: served, ..Limits::default() }, "http");
        feed(&mut codec, GET);
        codec.send_response(StreamId(1), &response(200, &[]), false).expect("a head");
        codec.output().take();
        codec.send_trailers(StreamId(1), &trailers).expect("trailers");
        assert_eq!(written(&mut codec), expected);
        assert_eq!(codec.open_streams(), 0);
    }
}

#[test]
fn pipelined_requests_wait_for_the_exchange_before_them() {
    let mut codec = server();
    let mut input = BytesMut::from(&*format!("{GET}{GET}"));
    assert!(matches!(codec.receive(&mut input), Ok(Some(Event::Request { stream: StreamId(1), .. }))));
    assert!(matches!(codec.receive(&mut input), Ok(None)));
    assert_eq!(input.len(), GET.len());
    codec.send_response(StreamId(1), &response(200, &[]), false).expect("a head");
    assert!(matches!(codec.receive(&mut input), Ok(None)), "the response is not over");
    codec.send_data(StreamId(1), Bytes::new(), true).expect("the end");
    assert!(matches!(codec.receive(&mut input), Ok(Some(Event::Request { stream: StreamId(2), .. }))));
}

#[test]
fn a_connection_is_used_again_only_after_both_halves() {
    let mut codec = client();
    let stream = codec.send_request(&request(Method::Post, &[]), false).expect("a request");
    let events = feed(&mut codec, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert!(matches!(events[..], [Event::Response { end: true, .. }]));
    assert!(!codec.can_open() && codec.open_streams() == 1, "the request is not sent yet");
    codec.send_data(stream, Bytes::new(), true).expect("the end");
    assert!(codec.can_open() && !codec.is_finished());
    assert_eq!(codec.send_request(&request(Method::Get, &[]), true), Ok(StreamId(2)));
}

#[test]
fn a_client_never_reuses_what_the_server_closes() {
    for head in
        ["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0", "HTTP/1.0 200 OK\r\nContent-Length: 0"]
    {
        let mut codec = client();
        codec.send_request(&request(Method::Get, &[]), true).expect("a request");
        let events = feed(&mut codec, &format!("{head}\r\n\r\n"));
        assert!(matches!(
            events[..],
            [Event::Response { end: true, .. }, Event::GoAway { last: StreamId(1), code: 0 }]
        ));
        assert!(codec.is_finished() && !codec.can_open());
    }
}

#[test]
fn interim_responses_precede_the_final_one() {
    let mut codec = server();
    feed(&mut codec, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    codec.send_response(StreamId(1), &response(100, &[]), false).expect("interim");
    codec.send_response(StreamId(1), &response(103, &[("link", "x")]), false).expect("interim");
    codec.send_response(StreamId(1), &response(200, &[]), true).expect("final");
    assert_eq!(
        written(&mut codec),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    );
    assert!(codec.send_response(StreamId(1), &response(200, &[]), true).is_err(), "a second final one");

    let mut old = serving_http10();
    feed(&mut old, GET_10);
    old.send_response(StreamId(1), &response(100, &[]), false).expect("dropped");
    assert!(old.output().is_empty(), "HTTP/1.0 knows no interim responses");
}

#[test]
fn a_refusal_is_answered_once_and_only_before_a_response() {
    let mut codec = server();
    let error = codec.receive(&mut BytesMut::from("GET / HTTP/1.1\r\nA B: c\r\n\r\n")).expect_err("refused");
    codec.error_reply(&error, &weft_codec::ErrorReply::default());
    assert_eq!(
        written(&mut codec),
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 11\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nBad Request"
    );
    assert!(codec.is_finished());

    let mut codec = server();
    let mut input = BytesMut::from("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    codec.receive(&mut input).expect("a head");
    codec.send_response(StreamId(1), &response(200, &[]), false).expect("an early response");
    codec.output().take();
    input.extend_from_slice(b"zz\r\n");
    let error = codec.receive(&mut input).expect_err("refused");
    codec.error_reply(&error, &weft_codec::ErrorReply::default());
    assert!(codec.output().is_empty() && codec.is_finished(), "the response has begun already");
}

#[test]
fn an_upgrade_becomes_a_tunnel_at_both_ends() {
    let asks = [("connection", "upgrade"), ("upgrade", "websocket")];
    let (mut near, mut far) = (client(), server());
    let stream = near.send_request(&request(Method::Get, &asks), true).expect("a request");
    let early = written(&mut near) + "early";
    let mut input = BytesMut::from(&*early);
    assert!(matches!(far.receive(&mut input), Ok(Some(Event::Request { end: true, .. }))));
    assert!(matches!(far.receive(&mut input), Ok(None)), "nothing is read before the switch");

    far.send_response(StreamId(1), &response(101, &asks), false).expect("the switch");
    far.become_tunnel(StreamId(1));
    let tunnelled: Vec<_> = std::iter::from_fn(|| far.receive(&mut input).expect("raw bytes")).collect();
    assert!(
        matches!(&tunnelled[..], [Event::Writable { .. }, Event::Data { data, end: false, .. }] if data == "early")
    );
    far.send_data(StreamId(1), Bytes::from("late"), true).expect("raw bytes");

    let answer = written(&mut far);
    assert!(answer.ends_with("upgrade: websocket\r\n\r\nlate"), "{answer}");
    let mut input = BytesMut::from(&*answer);
    assert!(matches!(near.receive(&mut input), Ok(Some(Event::Response { end: false, .. }))));
    assert!(matches!(near.receive(&mut input), Ok(None)), "the caller has not agreed yet");
    near.become_tunnel(stream);
    let tunnelled: Vec<_> = std::iter::from_fn(|| near.receive(&mut input).expect("raw bytes")).collect();
    assert!(matches!(&tunnelled[..], [Event::Writable { .. }, Event::Data { data, .. }] if data == "late"));

    // Each direction ends alone, and with both the connection.
    assert!(matches!(near.receive_eof(), Ok(Some(Event::Data { end: true, .. }))));
    assert!(matches!(near.receive_eof(), Ok(None)));
    assert!(!near.is_finished());
    near.send_data(stream, Bytes::new(), true).expect("the end");
    assert!(near.is_finished());
}

#[test]
fn connect_holds_what_is_sent_early() {
    let mut codec = client();
    let head = RequestHead { method: Method::Connect, path: "".into(), ..RequestHead::get("b:443", "") };
    let stream = codec.send_request(&head, false).expect("a request");
    assert_eq!(written(&mut codec), "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n");
    assert_eq!(codec.capacity(stream), 0);
    codec.send_data(stream, Bytes::from("early"), false).expect("kept");
    assert!(codec.output().is_empty());
    let too_much = Bytes::from(vec![0; MAX_EARLY_TUNNEL_BYTES]);
    assert!(codec.send_data(stream, too_much, false).is_err());
    feed(&mut codec, "HTTP/1.1 200 OK\r\n\r\n");
    codec.become_tunnel(stream);
    assert_eq!(written(&mut codec), "early");
    assert!(codec.capacity(stream) > 0);
}

#[test]
fn a_refused_tunnel_leaves_no_connection() {
    let mut far = server();
    feed(&mut far, "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n");
    far.send_response(StreamId(1), &response(407, &[]), true).expect("a refusal");
    let answer = written(&mut far);
    assert!(answer.contains("connection: close\r\n") && far.is_finished(), "{answer}");

    let mut near = client();
    let head = RequestHead { method: Method::Connect, path: "".into(), ..RequestHead::get("b:443", "") };
    let stream = near.send_request(&head, false).expect("a request");
    near.output().take();
    near.send_data(stream, Bytes::from("early"), false).expect("kept");
    let events = feed(&mut near, "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    assert!(matches!(events[..], [Event::Response { end: true, .. }]));
    assert!(near.output().is_empty() && near.is_finished(), "what was meant for the tunnel goes nowhere");
}

#[test]
fn an_upgrade_that_is_not_granted_is_an_ordinary_exchange() {
    let mut far = server();
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert!(!answer(&mut far, upgrade, &response(200, &[]), None).1);
    assert!(matches!(feed(&mut far, GET)[..], [Event::Request { stream: StreamId(2), .. }]));
    feed(&mut far, GET);
    assert!(far.send_response(StreamId(2), &response(101, &[]), false).is_err(), "101 without being asked");
}

#[test]
fn ends_of_connections_end_exchanges() {
    let mut idle = server();
    assert!(matches!(idle.receive_eof(), Ok(None)) && idle.is_finished());

    // As Envoy: a client that goes away gives its request up, even if that was whole.
    for asked in [GET, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc"] {
        let mut codec = server();
        feed(&mut codec, asked);
        let reset = codec.receive_eof();
        assert!(matches!(reset, Ok(Some(Event::Reset { reason: ResetReason::ConnectionClosed, .. }))));
        assert!(matches!(codec.receive_eof(), Ok(None)) && codec.is_finished());
    }
}

#[test]
fn a_reset_ends_the_connection() {
    let mut codec = client();
    let stream = codec.send_request(&request(Method::Get, &[]), true).expect("a request");
    codec.reset(StreamId(9), ResetReason::Cancel);
    assert_eq!(codec.open_streams(), 1, "another stream's reset is none of this one");
    codec.reset(stream, ResetReason::Cancel);
    assert!(codec.is_finished() && !codec.can_open());
    let mut late = BytesMut::from("HTTP/1.1 200 OK\r\n\r\n");
    assert!(matches!(codec.receive(&mut late), Ok(None)) && late.is_empty(), "late bytes must not pile up");
}

#[test]
fn draining_closes_after_the_exchange_in_flight() {
    let mut codec = server();
    codec.start_drain(false);
    assert!(!codec.is_finished(), "a request may be on its way");
    let (answer, closes) = answer(&mut codec, GET, &response(200, &[]), None);
    assert!(answer.contains("connection: close\r\n") && closes);

    let mut idle = server();
    idle.start_drain(true);
    assert!(idle.is_finished());
    let mut idle = client();
    idle.start_drain(false);
    assert!(idle.is_finished() && !idle.can_open());
}
