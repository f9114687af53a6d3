//! How heads are mapped to and from fields.

use weft_types::{Method, Version};

use super::*;

fn received(list: Fields<'_>) -> RequestHead {
    let limits = Limits { allow_extended_connect: true, ..Limits::default() };
    let mut codec = opened(Side::Server, limits);
    let events = feed_fine(&mut codec, &headers(1, false, list));
    match events.into_iter().next() {
        Some(Event::Request { head, .. }) => *head,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pseudo_headers_are_members() {
    let head = received(&[GET, &[("accept", "*/*"), ("x-b", " 1\t")]].concat());
    assert_eq!(
        head,
        RequestHead {
            method: Method::Get,
            scheme: "http".into(),
            authority: "a.example".into(),
            path: "/".into(),
            protocol: None,
            version: Version::Http2,
            headers: fields(&[("accept", "*/*"), ("x-b", "1")]),
        }
    );
}

#[test]
fn host_stands_in_for_authority_and_never_contradicts_it() {
    let only_host = received(&[&GET[..3], &[("host", "b.example"), ("a", "b")]].concat());
    assert_eq!(&*only_host.authority, "b.example");
    assert_eq!(only_host.headers, fields(&[("a", "b")]));
    let both = received(&[GET, &[("host", "b.example")]].concat());
    assert_eq!(&*both.authority, "a.example");
    assert!(both.headers.is_empty());
}

#[test]
fn cookie_crumbs_are_joined() {
    let head =
        received(&[GET, &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")]].concat());
    assert_eq!(head.headers.get_all(b"cookie").collect::<Vec<_>>(), [b"a=1; b=2; c=3"]);
}

#[test]
fn connect_has_no_path_and_extended_connect_all() {
    let plain = received(&[(":method", "CONNECT"), (":authority", "a:443"), ("content-length", "5")]);
    assert_eq!((&*plain.path, &*plain.scheme, &*plain.authority), ("", "http", "a:443"));
    let extended = received(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "a"),
    ]);
    assert_eq!(extended.protocol.as_deref(), Some("websocket"));
    assert_eq!((&*extended.path, &*extended.scheme), ("/chat", "https"));
}

#[test]
fn connect_can_be_switched_off() {
    let mut codec = opened(
        Side::Server,
        Limits { allow_connect: false, stream_error_on_invalid: true, ..Limits::default() },
    );
    let events = feed_fine(&mut codec, &headers(1, false, &[(":method", "CONNECT"), (":authority", "a:1")]));
    assert!(matches!(events[..], [Event::Refused { stream: ONE, malformed: true, .. }]));
    assert_eq!(outline(&mut codec), [(kind::RST_STREAM, 1, 4)]);
}

/// Sends through a client and reads with a server.
fn carried(head: &RequestHead) -> RequestHead {
    let mut sender = opened(Side::Client, Limits::default());
    sender.send_request(head, true).unwrap();
    let limits = Limits { allow_extended_connect: true, ..Limits::default() };
    let mut receiver = opened(Side::Server, limits);
    let bytes = sender.output().take();
    match feed_fine(&mut receiver, &bytes).pop() {
        Some(Event::Request { head, end: true, .. }) => *head,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_belongs_to_http1_is_left_out_when_sending() {
    let sent = request(
        "GET",
        &[
            ("Host", "c.example"),
            ("Connection", "keep-alive"),
            ("Keep-Alive", "5"),
            ("Proxy-Connection", "x"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "x"),
            ("TE", "gzip, trailers"),
            ("X-Mixed-Case", "Value"),
        ],
    );
    let head = carried(&sent);
    assert_eq!(&*head.authority, "a.example");
    assert_eq!(head.headers, fields(&[("te", "trailers"), ("x-mixed-case", "Value")]));
    let names: Vec<_> = head.headers.iter().map(|(n, _)| n.to_vec()).collect();
    assert_eq!(names, [b"te".to_vec(), b"x-mixed-case".to_vec()]);
    assert_eq!(carried(&request("GET", &[("te", "gzip")])).headers, fields(&[]));
}

#[test]
fn connect_goes_out_in_both_forms() {
    let mut head = request("CONNECT", &[]);
    head.path = "".into();
    assert_eq!(&*carried(&head).path, "");
    head.protocol = Some("websocket".into());
    head.path = "/chat".into();
    head.scheme = "".into();
    let mut sender = client();
    // Our default peer did not offer it.
    assert!(sender.send_request(&head, false).is_err());
    feed_fine(&mut sender, &settings(&[(8, 1)]));
    sender.output().take();
    sender.send_request(&head, true).unwrap();
    let mut receiver = opened(Side::Server, Limits { allow_extended_connect: true, ..Limits::default() });
    let events = feed_fine(&mut receiver, &sender.output().take());
    let [Event::Request { head, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((head.protocol.as_deref(), &*head.scheme, &*head.path), (Some("websocket"), "http", "/chat"));
}

#[test]
fn unspeakable_heads_are_refused_before_anything_is_written() {
    let mut codec = client();
    let mut no_path = request("GET", &[]);
    no_path.path = "".into();
    assert!(codec.send_request(&no_path, true).is_err());
    assert!(codec.send_request(&request("GET", &[(":path", "/b")]), true).is_err());
    assert!(codec.output().is_empty());
    let mut codec = server();
    feed_fine(&mut codec, &headers(1, true, GET));
    assert!(codec.send_response(ONE, &response(101, &[]), false).is_err());
    assert!(codec.send_response(ONE, &response(103, &[]), true).is_err());
    assert!(codec.send_response(StreamId(3), &response(200, &[]), true).is_err());
    assert!(codec.output().is_empty());
}

#[test]
fn large_heads_go_out_in_continuation_frames() {
    let value = "x".repeat(40_000);
    let sent = request("GET", &[("x-large", &value)]);
    assert_eq!(carried(&sent).headers.get("x-large"), Some(value.as_bytes()));
    let mut codec = client();
    codec.send_request(&sent, true).unwrap();
    let kinds: Vec<u8> = outline(&mut codec).iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [kind::HEADERS, kind::CONTINUATION, kind::CONTINUATION]);
}

#[test]
fn hpack_stays_in_step_over_a_head_that_was_too_large() {
    let mut codec = server();
    let mut sender = crate::hpack::Encoder::new();
    let value = vec![b'x'; 50_000];
    for stream in [1, 3] {
        let mut block = Vec::new();
        for (name, value) in GET {
            sender.field(name.as_bytes(), value.as_bytes(), &mut block);
        }
        if stream == 1 {
            for name in ["a", "b"] {
                sender.field(name.as_bytes(), &value, &mut block);
            }
        }
        sender.field(b"user-agent", b"me", &mut block);
        let (first, rest) = block.split_at(block.len().min(10_000));
        let mut bytes = frame(kind::HEADERS, flag::END_STREAM, stream, first);
        for fragment in rest.chunks(16_384) {
            bytes.extend(frame(kind::CONTINUATION, 0, stream, fragment));
        }
        bytes.extend(frame(kind::CONTINUATION, flag::END_HEADERS, stream, &[]));
        let events = feed_fine(&mut codec, &bytes);
        if stream == 1 {
            assert!(matches!(events[..], [Event::Refused { stream: ONE, malformed: false, .. }]));
            assert_eq!(outline(&mut codec), [(kind::RST_STREAM, 1, 4)]);
        } else {
            let [Event::Request { head, .. }] = &events[..] else { panic!("{events:?}") };
            assert_eq!(head.headers.get("user-agent"), Some(&b"me"[..]));
        }
    }
}
