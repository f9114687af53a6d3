//! GOAWAY both ways, and heartbeats.

use super::*;
use crate::ResetReason;

fn goaways(codec: &mut Http2) -> Vec<(u32, u32)> {
    let word = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    written(codec)
        .iter()
        .filter(|(h, _)| h.kind == kind::GOAWAY)
        .map(|(_, p)| (word(&p[..4]), word(&p[4..8])))
        .collect()
}

#[test]
fn a_server_drains_in_two_steps() {
    let mut codec = server();
    feed_fine(&mut codec, &headers(1, true, GET));
    codec.start_drain(false);
    codec.start_drain(false);
    assert_eq!(goaways(&mut codec), [(0x7fff_ffff, 0)]);
    assert_eq!(feed_fine(&mut codec, &headers(3, true, GET)).len(), 1, "in flight at the warning");
    codec.start_drain(true);
    codec.start_drain(true);
    assert_eq!(goaways(&mut codec), [(3, 0)]);
    assert!(feed_fine(&mut codec, &[headers(5, false, POST), data(5, true, b"x")].concat()).is_empty());
    assert!(codec.output().is_empty(), "streams above the last one are ignored");
    assert!(!codec.is_finished());
    for id in [1, 3] {
        codec.send_response(StreamId(id), &response(200, &[]), true).unwrap();
    }
    assert!(codec.is_finished());
}

#[test]
fn a_client_is_told_which_streams_may_be_sent_again() {
    let mut codec = client();
    for _ in 0..3 {
        codec.send_request(&request("GET", &[]), true).unwrap();
    }
    let mut payload = 1_u32.to_be_bytes().to_vec();
    payload.extend(2_u32.to_be_bytes());
    payload.extend(b"debug");
    let events = feed_fine(&mut codec, &frame(kind::GOAWAY, 0, 0, &payload));
    let [
        Event::GoAway { last: ONE, code: 2 },
        Event::Reset { stream: StreamId(3), reason: ResetReason::Refused },
        Event::Reset { stream: StreamId(5), reason: ResetReason::Refused },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(!codec.can_open() && !codec.is_finished());
    feed_fine(&mut codec, &headers(1, true, &[(":status", "200")]));
    assert!(codec.is_finished());
}

#[test]
fn a_client_drains_at_once() {
    let mut codec = client();
    codec.send_request(&request("GET", &[]), true).unwrap();
    codec.start_drain(false);
    codec.start_drain(true);
    assert_eq!(goaways(&mut codec), [(0, 0)]);
    assert!(!codec.can_open() && !codec.is_finished());
    feed_fine(&mut codec, &headers(1, true, &[(":status", "200")]));
    assert!(codec.is_finished());
}

#[test]
fn an_error_after_the_drain_does_not_take_more_streams() {
    let mut codec = server();
    feed_fine(&mut codec, &headers(1, true, GET));
    codec.start_drain(true);
    let (_, error) = feed(&mut codec, &[headers(7, true, GET), ping(b"1")].concat());
    codec.error_reply(&error.unwrap(), &crate::ErrorReply::default());
    assert_eq!(goaways(&mut codec), [(1, 0), (1, 6)]);
}

#[test]
fn heartbeats_are_answered_and_awaited() {
    let mut codec = client();
    assert!(codec.heartbeat());
    assert!(!codec.heartbeat(), "one at a time");
    let (header, payload) = written(&mut codec).pop().unwrap();
    assert_eq!(header.kind, kind::PING);
    assert!(feed_fine(&mut codec, &frame(kind::PING, flag::ACK, 0, b"nonsense")).is_empty());
    let ack = frame(kind::PING, flag::ACK, 0, &payload);
    assert!(matches!(feed_fine(&mut codec, &ack)[..], [Event::HeartbeatAck]));
    assert!(feed_fine(&mut codec, &ack).is_empty(), "nobody asked");
    assert!(codec.heartbeat());
}
