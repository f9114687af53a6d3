//! Flow control.

use super::*;

/// A server with one request whose response head is out, for a client with that initial window.
fn responding(window: u32) -> Http2 {
    let mut codec = server();
    feed_fine(&mut codec, &[settings(&[(4, window)]), headers(1, true, GET)].concat());
    codec.send_response(ONE, &response(200, &[]), false).unwrap();
    codec.output().take();
    codec
}

fn writable(events: &[Event]) -> Vec<u32> {
    events
        .iter()
        .map(|e| if let Event::Writable { stream } = e { stream.0 } else { panic!("{e:?}") })
        .collect()
}

#[test]
fn data_beyond_the_stream_window_wait() {
    let mut codec = responding(10);
    assert_eq!(codec.capacity(ONE), 10);
    codec.send_data(ONE, Bytes::from(vec![b'a'; 25]), false).unwrap();
    assert_eq!(outline(&mut codec), [(kind::DATA, 1, 10)]);
    assert_eq!(codec.capacity(ONE), 0);
    assert!(feed_fine(&mut codec, &window_update(1, 10)).is_empty(), "still blocked");
    assert_eq!(outline(&mut codec), [(kind::DATA, 1, 10)]);
    assert_eq!(writable(&feed_fine(&mut codec, &window_update(1, 10))), [1]);
    assert_eq!(outline(&mut codec), [(kind::DATA, 1, 5)]);
    assert_eq!(codec.capacity(ONE), 5);
}

#[test]
fn a_caller_that_saw_no_capacity_is_told() {
    let mut codec = responding(10);
    codec.send_data(ONE, Bytes::from(vec![b'a'; 10]), false).unwrap();
    assert!(feed_fine(&mut codec, &window_update(1, 1)).is_empty(), "nobody asked");
    codec.send_data(ONE, Bytes::from_static(b"a"), false).unwrap();
    assert_eq!(codec.capacity(ONE), 0);
    assert_eq!(writable(&feed_fine(&mut codec, &window_update(1, 1))), [1]);
    assert!(feed_fine(&mut codec, &window_update(1, 1)).is_empty(), "told once");
}

#[test]
fn the_end_waits_behind_the_data() {
    for trailers in [None, Some(fields(&[("t", "1")]))] {
        let mut codec = responding(1);
        codec.send_data(ONE, Bytes::from_static(b"abc"), trailers.is_none()).unwrap();
        if let Some(trailers) = &trailers {
            codec.send_trailers(ONE, trailers).unwrap();
        }
        assert!(codec.send_data(ONE, Bytes::from_static(b"d"), false).is_err(), "ended for the caller");
        codec.output().take();
        assert_eq!(writable(&feed_fine(&mut codec, &window_update(1, 9))), [1], "all is out");
        let frames = written(&mut codec);
        let (last, _) = frames.last().unwrap();
        assert!(last.has(flag::END_STREAM));
        assert_eq!(last.kind, if trailers.is_some() { kind::HEADERS } else { kind::DATA });
        assert_eq!(&frames[0].1[..], b"bc");
        assert_eq!(codec.open_streams(), 0);
    }
}

#[test]
fn an_end_needs_no_credit() {
    let mut codec = responding(0);
    codec.send_data(ONE, Bytes::new(), true).unwrap();
    assert_eq!(outline(&mut codec), [(kind::DATA, 1, 0)]);
}

#[test]
fn streams_share_the_connection_in_turns() {
    let mut codec = server();
    let mut input = settings(&[(4, 1 << 20)]);
    for id in [1, 3, 5] {
        input.extend(headers(id, true, GET));
    }
    feed_fine(&mut codec, &input);
    for id in [1, 3, 5] {
        codec.send_response(StreamId(id), &response(200, &[]), false).unwrap();
    }
    codec.output().take();
    // The first one takes the whole credit of 65,535 bytes.
    for id in [1, 3, 5] {
        codec.send_data(StreamId(id), Bytes::from(vec![0; 65_535 + 40_000]), id == 3).unwrap();
    }
    let first: Vec<_> = outline(&mut codec);
    assert!(first.iter().all(|(_, stream, _)| *stream == 1), "{first:?}");
    feed_fine(&mut codec, &window_update(0, 16_384 * 6));
    let turns: Vec<_> = outline(&mut codec).iter().map(|(_, stream, _)| *stream).collect();
    assert_eq!(turns, [1, 3, 5, 1, 3, 5]);
    codec.reset(StreamId(3), crate::ResetReason::Cancel);
    codec.output().take();
    feed_fine(&mut codec, &window_update(0, 16_384));
    assert_eq!(outline(&mut codec), [(kind::DATA, 1, 40_000 - 2 * 16_384), (kind::DATA, 5, 9152)]);
}

#[test]
fn a_stream_waiting_for_the_connection_is_told() {
    let mut codec = server();
    feed_fine(
        &mut codec,
        &[settings(&[(4, 1 << 20)]), headers(1, true, GET), headers(3, true, GET)].concat(),
    );
    for id in [1, 3] {
        codec.send_response(StreamId(id), &response(200, &[]), false).unwrap();
    }
    codec.send_data(ONE, Bytes::from(vec![0; 65_535]), false).unwrap();
    assert_eq!(codec.capacity(StreamId(3)), 0);
    assert_eq!(writable(&feed_fine(&mut codec, &window_update(0, 100))), [3]);
    assert_eq!(codec.capacity(StreamId(3)), 100);
}

#[test]
fn a_changed_initial_window_moves_open_streams() {
    let mut codec = responding(10);
    codec.send_data(ONE, Bytes::from(vec![0; 20]), false).unwrap();
    codec.output().take();
    assert!(feed_fine(&mut codec, &settings(&[(4, 0)])).is_empty());
    feed_fine(&mut codec, &window_update(1, 10));
    assert_eq!(codec.capacity(ONE), 0);
    codec.output().take();
    // -10 + 10 + 15
    assert_eq!(writable(&feed_fine(&mut codec, &settings(&[(4, 15)]))), [1]);
    assert_eq!(outline(&mut codec)[1..], [(kind::DATA, 1, 10)]);
    assert_eq!(codec.capacity(ONE), 5);
}

#[test]
fn credit_returns_when_data_were_consumed() {
    let limits =
        Limits { initial_stream_window: 65_535, initial_connection_window: 100_000, ..Limits::default() };
    let mut codec = opened(Side::Server, limits);
    feed_fine(&mut codec, &[headers(1, false, POST), data(1, false, &[0; 16_384]).repeat(3)].concat());
    assert!(codec.output().is_empty());
    codec.consumed(ONE, 32_766);
    assert!(codec.output().is_empty(), "less than half");
    codec.consumed(ONE, 1);
    assert_eq!(outline(&mut codec), [(kind::WINDOW_UPDATE, 1, 4)]);
    codec.consumed(ONE, 1_000_000);
    assert!(codec.output().is_empty(), "no more than came");
    feed_fine(&mut codec, &data(1, false, &[0; 16_384]));
    codec.consumed(ONE, 16_384);
    let frames = written(&mut codec);
    let increments: Vec<(u32, u32)> =
        frames.iter().map(|(h, p)| (h.stream, u32::from_be_bytes(p[..].try_into().unwrap()))).collect();
    assert_eq!(increments, [(0, 65_536), (1, 16_385 + 16_384)]);
}

#[test]
fn padding_counts_and_comes_back_at_once() {
    let limits = Limits { initial_stream_window: 1000, ..Limits::default() };
    let mut codec = opened(Side::Server, limits);
    let mut padded = vec![200];
    padded.extend([b'x'; 10]);
    padded.extend([0; 200]);
    let one = frame(kind::DATA, flag::PADDED, 1, &padded);
    feed_fine(&mut codec, &[headers(1, false, POST), one.repeat(3)].concat());
    let frames = written(&mut codec);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].1[..], u32::to_be_bytes(603));
}

#[test]
fn a_stream_reset_or_ended_gives_the_connections_credit_back() {
    let limits = Limits { initial_connection_window: 65_535, ..Limits::default() };
    for how in 0..3 {
        let mut codec = opened(Side::Server, limits.clone());
        let body = [headers(1, false, POST), data(1, false, &[0; 16_384]).repeat(3)].concat();
        feed_fine(&mut codec, &body);
        match how {
            0 => codec.reset(ONE, crate::ResetReason::Cancel),
            1 => drop(feed_fine(&mut codec, &rst(1, ErrorCode::Cancel))),
            _ => {
                feed_fine(&mut codec, &data(1, true, b""));
                assert!(codec.output().is_empty());
                codec.send_response(ONE, &response(200, &[]), true).unwrap();
                assert_eq!(codec.open_streams(), 0);
            }
        }
        assert!(outline(&mut codec).contains(&(kind::WINDOW_UPDATE, 0, 4)), "way {how}");
        codec.consumed(ONE, 3 * 16_384);
        assert!(codec.output().is_empty(), "not twice");
    }
}

#[test]
fn data_for_a_stream_that_we_reset_still_feed_the_connection() {
    let limits = Limits { initial_connection_window: 65_535, ..Limits::default() };
    let mut codec = opened(Side::Server, limits);
    feed_fine(&mut codec, &headers(1, false, POST));
    codec.reset(ONE, crate::ResetReason::Cancel);
    codec.output().take();
    feed_fine(&mut codec, &data(1, false, &[0; 16_384]).repeat(2));
    assert_eq!(outline(&mut codec), [(kind::WINDOW_UPDATE, 0, 4)]);
}

#[test]
fn a_small_window_of_ours_holds_from_its_acknowledgement_on() {
    let limits = Limits { initial_stream_window: 100, ..Limits::default() };
    let mut codec = Http2::new(Side::Server, limits, "http");
    let before = [PREFACE, &settings(&[]), &headers(1, false, POST), &data(1, false, &[0; 1000])].concat();
    feed_fine(&mut codec, &before);
    feed_fine(&mut codec, &frame(kind::SETTINGS, flag::ACK, 0, &[]));
    codec.output().take();
    feed_fine(&mut codec, &data(1, false, &[0; 1]));
    assert_eq!(outline(&mut codec), [(kind::RST_STREAM, 1, 4)]);
}

#[test]
fn data_that_cost_their_stream_still_feed_the_connection() {
    let one_byte: Fields<'_> = &[("content-length", "1")];
    for input in [
        [headers(1, false, &[POST, one_byte].concat()), data(1, false, b"xx")].concat(),
        [headers(1, true, GET), data(1, false, b"xx")].concat(),
        [headers(1, false, POST), rst(1, ErrorCode::Cancel), data(1, false, b"xx")].concat(),
        [headers(1, false, POST), data(1, false, &[0; 9]).repeat(12)].concat(),
    ] {
        let limits = Limits { initial_stream_window: 100, ..Limits::default() };
        let mut codec = opened(Side::Server, limits);
        feed_fine(&mut codec, &input);
        assert_eq!(codec.open_streams(), 0);
        assert!(codec.receive_window.is_whole());
    }
}
