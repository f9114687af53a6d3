//! Whole exchanges in order.

use super::*;
use crate::ResetReason;

#[test]
fn a_server_answers_with_interim_head_data_and_trailers() {
    let mut codec = server();
    let events = feed_fine(
        &mut codec,
        &[headers(1, false, POST), data(1, false, b"ab"), headers(1, true, &[("t", "1")])].concat(),
    );
    let [
        Event::Request { stream: ONE, end: false, .. },
        Event::Data { data, end: false, .. },
        Event::Trailers { trailers, .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(&data[..], b"ab");
    assert_eq!(trailers, &fields(&[("t", "1")]));
    codec.send_response(ONE, &response(103, &[("link", "x")]), false).unwrap();
    codec.send_response(ONE, &response(200, &[]), false).unwrap();
    assert!(codec.send_response(ONE, &response(200, &[]), false).is_err(), "only one final head");
    codec.send_data(ONE, Bytes::from_static(b"cd"), false).unwrap();
    codec.send_trailers(ONE, &fields(&[("grpc-status", "0")])).unwrap();
    assert!(codec.send_data(ONE, Bytes::new(), true).is_err(), "ended");
    let frames = written(&mut codec);
    let outline: Vec<_> = frames.iter().map(|(h, _)| (h.kind, h.has(flag::END_STREAM))).collect();
    assert_eq!(
        outline,
        [(kind::HEADERS, false), (kind::HEADERS, false), (kind::DATA, false), (kind::HEADERS, true)]
    );
    assert_eq!(codec.open_streams(), 0);
}

#[test]
fn a_client_takes_interim_head_data_and_trailers() {
    let mut codec = client();
    let stream = codec.send_request(&request("GET", &[]), true).unwrap();
    assert_eq!(stream, ONE);
    let events = feed_fine(
        &mut codec,
        &[
            headers(1, false, &[(":status", "100")]),
            headers(1, false, &[(":status", "200")]),
            data(1, false, b"ab"),
            data(1, false, b""),
            headers(1, true, &[("t", "1")]),
        ]
        .concat(),
    );
    let statuses: Vec<u16> = events
        .iter()
        .filter_map(|e| if let Event::Response { head, .. } = e { Some(head.status) } else { None })
        .collect();
    assert_eq!(statuses, [100, 200]);
    assert_eq!(events.len(), 4, "empty DATA says nothing: {events:?}");
    assert_eq!(codec.open_streams(), 0);
    assert_eq!(codec.send_request(&request("GET", &[]), true).unwrap(), StreamId(3));
}

#[test]
fn an_end_without_content_is_one_frame() {
    let mut codec = server();
    feed_fine(&mut codec, &[headers(1, true, GET), headers(3, true, GET), headers(5, true, GET)].concat());
    codec.send_response(ONE, &response(204, &[]), true).unwrap();
    assert_eq!(outline(&mut codec).len(), 1);
    codec.send_response(StreamId(3), &response(200, &[]), false).unwrap();
    codec.send_data(StreamId(3), Bytes::new(), false).unwrap();
    codec.send_data(StreamId(3), Bytes::new(), true).unwrap();
    assert_eq!(outline(&mut codec)[1..], [(kind::DATA, 3, 0)]);
    codec.send_response(StreamId(5), &response(200, &[]), false).unwrap();
    codec.send_trailers(StreamId(5), &Headers::new()).unwrap();
    assert_eq!(outline(&mut codec)[1..], [(kind::DATA, 5, 0)]);
    assert_eq!(codec.open_streams(), 0);
}

#[test]
fn resets_are_told_apart() {
    let mut codec = client();
    for _ in 0..3 {
        codec.send_request(&request("POST", &[]), false).unwrap();
    }
    let events = feed_fine(
        &mut codec,
        &[rst(1, ErrorCode::RefusedStream), rst(3, ErrorCode::Cancel), data(5, false, b"early")].concat(),
    );
    let reasons: Vec<_> =
        events.iter().map(|e| if let Event::Reset { reason, .. } = e { *reason } else { panic!() }).collect();
    assert_eq!(reasons, [ResetReason::Refused, ResetReason::Remote(8), ResetReason::Protocol]);
    assert_eq!(codec.open_streams(), 0);
}

#[test]
fn our_reset_names_its_reason_and_what_follows_is_ignored() {
    for (reason, code) in [
        (ResetReason::Refused, 7),
        (ResetReason::Remote(13), 13),
        (ResetReason::Protocol, 1),
        (ResetReason::Cancel, 8),
        (ResetReason::Internal, 2),
        (ResetReason::ConnectionClosed, 2),
    ] {
        let mut codec = server();
        feed_fine(&mut codec, &headers(1, false, POST));
        codec.reset(ONE, reason);
        let frames = written(&mut codec);
        assert_eq!(frames[0].1[..], u32::to_be_bytes(code));
        let late = [data(1, false, b"late"), headers(1, true, &[("t", "1")]), rst(1, ErrorCode::Cancel)];
        assert!(feed_fine(&mut codec, &late.concat()).is_empty());
        assert!(codec.output().is_empty());
        codec.reset(ONE, reason);
        assert!(codec.output().is_empty(), "once");
    }
}

#[test]
fn a_server_that_answered_stops_the_request_without_blame() {
    let mut codec = server();
    feed_fine(&mut codec, &headers(1, false, POST));
    codec.send_response(ONE, &response(413, &[]), true).unwrap();
    assert_eq!(codec.open_streams(), 1);
    codec.output().take();
    codec.reset(ONE, ResetReason::Cancel);
    assert_eq!(written(&mut codec)[0].1[..], [0; 4]);
    assert_eq!(codec.open_streams(), 0);
}

#[test]
fn an_end_of_input_resets_what_is_open() {
    let mut codec = client();
    for _ in 0..2 {
        codec.send_request(&request("GET", &[]), true).unwrap();
    }
    for id in [1, 3] {
        let event = codec.receive_eof().unwrap();
        assert!(
            matches!(event, Some(Event::Reset { stream: StreamId(s), reason: ResetReason::ConnectionClosed }) if s == id)
        );
    }
    assert!(codec.receive_eof().unwrap().is_none());
}

#[test]
fn a_client_opens_no_more_than_the_peer_takes() {
    let mut codec = client();
    feed_fine(&mut codec, &settings(&[(3, 2)]));
    codec.output().take();
    for _ in 0..2 {
        assert!(codec.can_open());
        codec.send_request(&request("GET", &[]), true).unwrap();
    }
    assert!(!codec.can_open());
    assert!(codec.send_request(&request("GET", &[]), true).is_err());
    feed_fine(&mut codec, &headers(1, true, &[(":status", "204")]));
    assert!(codec.can_open());
    let mut fresh = Http2::new(Side::Client, Limits::default(), "http");
    let opened = (0..).take_while(|_| fresh.send_request(&request("GET", &[]), true).is_ok()).count();
    assert_eq!(opened, 100, "before the peer's settings");
}
