//! Floods, and that nothing grows.

use super::violations::continued;
use super::*;

/// Feeds the bytes again and again, taking the output each time if `reads`; yields after how many
/// times the connection ended.
fn endured(codec: &mut Http2, bytes: &[u8], most: usize, reads: bool) -> Option<usize> {
    for round in 0..most {
        if feed(codec, bytes).1.is_some() {
            assert_eq!(codec.failure_code(), Some(ErrorCode::EnhanceYourCalm));
            return Some(round);
        }
        if reads {
            codec.output().take();
        }
    }
    None
}

#[test]
fn answers_that_nobody_reads_are_bounded() {
    for frame in [ping(b"12345678"), settings(&[])] {
        let mut codec = server();
        feed_fine(&mut codec, &headers(1, true, GET));
        assert_eq!(endured(&mut codec, &frame, 20_000, false), Some(10_000));
        assert!(codec.output().len() <= 10_000 * 17);
    }
    let mut codec = server();
    assert_eq!(endured(&mut codec, &ping(b"12345678"), 20_000, true), None, "a reader may ask on");
}

#[test]
fn frames_that_move_nothing_are_bounded() {
    for idle in [
        data(1, false, b""),
        frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 1]),
        window_update(0, 1),
        window_update(1, 1),
        settings(&[]),
        frame(0x55, 0, 0, b""),
        frame(kind::PING, flag::ACK, 0, b"12345678"),
    ] {
        let mut codec = server();
        feed_fine(&mut codec, &headers(1, false, POST));
        assert_eq!(endured(&mut codec, &idle, 20_000, true), Some(10_000), "{idle:?}");
        // The same with work in between goes on.
        let mut codec = server();
        feed_fine(&mut codec, &headers(1, false, POST));
        let busy = [idle.repeat(100), data(1, false, b"x")].concat();
        assert_eq!(endured(&mut codec, &busy, 300, true), None);
    }
}

#[test]
fn rapid_resets_end_the_connection() {
    let mut codec = server();
    let mut rounds = 0;
    while rounds < 5000 {
        let id = 1 + 2 * rounds;
        let (_, error) = feed(&mut codec, &[headers(id, true, GET), rst(id, ErrorCode::Cancel)].concat());
        codec.output().take();
        if error.is_some() {
            break;
        }
        rounds += 1;
    }
    assert_eq!(rounds, 1000);
    assert_eq!(codec.failure_code(), Some(ErrorCode::EnhanceYourCalm));
}

#[test]
fn resets_that_we_are_made_to_send_count_as_well() {
    let mut codec = server();
    let mut rounds = 0;
    while rounds < 5000 {
        let id = 1 + 2 * rounds;
        let (_, error) = feed(&mut codec, &[headers(id, true, GET), window_update(id, 0)].concat());
        codec.output().take();
        if error.is_some() {
            break;
        }
        rounds += 1;
    }
    assert_eq!(rounds, 1000);
}

#[test]
fn a_client_that_cancels_half_of_its_streams_is_served() {
    let mut codec = server();
    for round in 0..3000 {
        let id = 1 + 4 * round;
        feed_fine(
            &mut codec,
            &[headers(id, true, GET), rst(id, ErrorCode::Cancel), headers(id + 2, true, GET)].concat(),
        );
        codec.send_response(StreamId(id + 2), &response(204, &[]), true).unwrap();
        codec.output().take();
    }
    assert_eq!(codec.open_streams(), 0);
}

#[test]
fn a_stream_reset_after_its_response_began_is_no_attack() {
    let mut codec = server();
    for round in 0..3000 {
        let id = 1 + 2 * round;
        feed_fine(&mut codec, &headers(id, true, GET));
        codec.send_response(StreamId(id), &response(200, &[]), false).unwrap();
        feed_fine(&mut codec, &rst(id, ErrorCode::Cancel));
        codec.output().take();
    }
}

#[test]
fn a_header_block_has_an_end() {
    let mut codec = server();
    let value = "x".repeat(300_000);
    let (events, error) = feed(&mut codec, &continued(1, &[GET, &[("a", &value)]].concat()));
    assert!(events.is_empty());
    assert_eq!(error.unwrap().word, "http2.too_many_headers");
    assert_eq!(codec.failure_code(), Some(ErrorCode::EnhanceYourCalm));
}

/// One entry of the table named thousands of times (CVE-2016-6581).
#[test]
fn a_compressed_bomb_is_stored_no_further_than_the_limit() {
    let mut codec = server();
    let mut block = block(GET);
    block.push(0x40);
    integer(1, &mut block);
    block.push(b'a');
    integer(3900, &mut block);
    block.extend([b'x'; 3900]);
    block.extend([0xbe; 10_000]);
    let events = feed_fine(&mut codec, &frame(kind::HEADERS, 5, 1, &block));
    assert!(matches!(events[..], [Event::Refused { stream: ONE, malformed: false, .. }]));
    assert_eq!(outline(&mut codec), [(kind::RST_STREAM, 1, 4)]);
}

#[test]
fn crumbs_of_cookie_count_as_fields() {
    let crumbs: Vec<(&str, &str)> =
        GET.iter().copied().chain(std::iter::repeat_n(("cookie", "a=b"), 100)).collect();
    let mut codec = server();
    let events = feed_fine(&mut codec, &headers(1, true, &crumbs));
    assert!(matches!(events[..], [Event::Refused { word: "http2.too_many_headers", .. }]));
    assert_eq!(outline(&mut codec), [(kind::RST_STREAM, 1, 4)]);
}

#[test]
fn late_frames_of_streams_long_gone_harm_nobody() {
    let mut codec = server();
    for round in 0..400 {
        let id = 1 + 2 * round;
        feed_fine(&mut codec, &headers(id, false, POST));
        codec.reset(StreamId(id), crate::ResetReason::Cancel);
    }
    codec.output().take();
    for round in 0..400 {
        let id = 1 + 2 * round;
        let late = [data(id, false, b"late"), headers(id, true, &[("t", "1")]), window_update(id, 1)];
        assert!(feed_fine(&mut codec, &late.concat()).is_empty());
    }
    assert!(codec.output().is_empty());
}

#[test]
fn refused_streams_do_not_open() {
    let limits = Limits { max_concurrent_streams: 1, ..Limits::default() };
    let mut codec = opened(Side::Server, limits);
    feed_fine(&mut codec, &headers(1, false, POST));
    assert!(feed_fine(&mut codec, &[headers(3, false, POST), data(3, true, b"x")].concat()).is_empty());
    let frames = written(&mut codec);
    assert_eq!(frames[0].1[..], ErrorCode::RefusedStream.value().to_be_bytes());
    assert_eq!(codec.open_streams(), 1);
}
