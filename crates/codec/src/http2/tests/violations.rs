//! Each way to break the protocol, and what must end by it. The sections are those of RFC 9113.

use crate::ResetReason;

use super::*;

/// What a row must lead to.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// The stream is reset with the code; the connection goes on.
    Stream(u32, ErrorCode),
    /// The connection ends with the code.
    Connection(ErrorCode),
    /// Nothing.
    Nothing,
}

use Ends::{Connection, Nothing, Stream};
use ErrorCode::{
    CompressionError as COMPRESSION, EnhanceYourCalm as CALM, FlowControlError as FLOW,
    FrameSizeError as SIZE, InternalError as INTERNAL, ProtocolError as PROTOCOL, RefusedStream as REFUSED,
    StreamClosed as CLOSED,
};

/// What is sent, and its section and name.
type Row = (&'static str, Vec<u8>, Ends);

fn check(side: Side, rows: Vec<Row>) {
    let count = rows.len();
    for (name, input, ends) in rows {
        let mut codec = opened(
            side,
            Limits { max_concurrent_streams: 4, stream_error_on_invalid: true, ..Limits::default() },
        );
        if side == Side::Client {
            codec.send_request(&request("GET", &[]), true).unwrap();
            codec.send_request(&request("POST", &[]), false).unwrap();
            codec.send_request(&request("HEAD", &[]), true).unwrap();
        }
        let (events, error) = feed(&mut codec, &input);
        let resets: Vec<(u32, u32)> = written(&mut codec)
            .iter()
            .filter(|(h, _)| h.kind == kind::RST_STREAM)
            .map(|(h, p)| (h.stream, u32::from_be_bytes(p[..].try_into().unwrap())))
            .collect();
        match ends {
            Stream(stream, code) => {
                assert_eq!(error, None, "{name}: {events:?}");
                assert_eq!(resets, [(stream, code.value())], "{name}: {events:?}");
            }
            Connection(code) => {
                let error = error.unwrap_or_else(|| panic!("{name}: no error, {events:?}"));
                assert_eq!(codec.failure_code(), Some(code), "{name}: {error}");
                codec.error_reply(&error, &crate::ErrorReply::default());
                let goaway = written(&mut codec).pop().unwrap();
                assert_eq!(goaway.0.kind, kind::GOAWAY, "{name}");
                assert_eq!(goaway.1[4..8], code.value().to_be_bytes(), "{name}");
                assert!(codec.is_finished());
            }
            Nothing => {
                assert_eq!(error, None, "{name}");
                assert!(resets.is_empty(), "{name}: {resets:?}");
            }
        }
        if !matches!(ends, Connection(_)) {
            feed_fine(&mut codec, &ping(b"12345678"));
            assert_eq!(outline(&mut codec), [(kind::PING, 0, 8)], "{name}: still alive");
        }
    }
    assert!(count > 20);
}

fn get_with(extra: Fields<'_>) -> Vec<u8> {
    headers(1, true, &[GET, extra].concat())
}

fn get_instead(name: &str, value: &str) -> Vec<u8> {
    let fields: Vec<_> = GET.iter().map(|(n, v)| if *n == name { (*n, value) } else { (*n, *v) }).collect();
    headers(1, true, &fields)
}

fn get_without(name: &str) -> Vec<u8> {
    let fields: Vec<_> = GET.iter().copied().filter(|(n, _)| *n != name).collect();
    headers(1, true, &fields)
}

fn post_then(rest: Vec<u8>) -> Vec<u8> {
    [headers(1, false, POST), rest].concat()
}

fn closed_then(rest: Vec<u8>) -> Vec<u8> {
    [headers(1, true, GET), rest].concat()
}

fn reset_then(rest: Vec<u8>) -> Vec<u8> {
    [headers(1, false, POST), rst(1, ErrorCode::Cancel), rest].concat()
}

#[test]
fn framing() {
    let unfinished = frame(kind::HEADERS, flag::END_STREAM, 1, &block(GET));
    let priority =
        |stream: u32, on: u32| frame(kind::PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[7]].concat());
    check(
        Side::Server,
        vec![
            ("4.1 unknown type", frame(0x16, 0xff, 0, b"12345678"), Nothing),
            ("4.1 reserved bit", frame(kind::HEADERS, 5, 1 | 1 << 31, &block(GET)), Nothing),
            ("4.2 frame too large", data(1, true, &[0; 16_385]), Connection(SIZE)),
            ("4.3 block of nonsense", frame(kind::HEADERS, 5, 1, &[0x80]), Connection(COMPRESSION)),
            ("4.3 cut block", frame(kind::HEADERS, 5, 1, &[0, 5]), Connection(COMPRESSION)),
            ("4.3 table too large", frame(kind::HEADERS, 5, 1, &[0x3f, 0xe2, 0x1f]), Connection(COMPRESSION)),
            (
                "4.3 PRIORITY within block",
                [unfinished.clone(), priority(3, 0)].concat(),
                Connection(PROTOCOL),
            ),
            (
                "4.3 unknown within block",
                [unfinished.clone(), frame(0x16, 0, 0, &[])].concat(),
                Connection(PROTOCOL),
            ),
            (
                "4.3 HEADERS within block",
                [unfinished.clone(), headers(3, true, GET)].concat(),
                Connection(PROTOCOL),
            ),
            (
                "6.10 CONTINUATION elsewhere",
                [unfinished.clone(), frame(kind::CONTINUATION, 4, 3, &[])].concat(),
                Connection(PROTOCOL),
            ),
            ("6.10 CONTINUATION alone", frame(kind::CONTINUATION, 4, 1, &[]), Connection(PROTOCOL)),
            (
                "6.10 CONTINUATION after the block",
                [headers(1, true, GET), frame(kind::CONTINUATION, 4, 1, &[])].concat(),
                Connection(PROTOCOL),
            ),
            (
                "6.10 CONTINUATION",
                [unfinished.clone(), frame(kind::CONTINUATION, 4, 1, &block(&[("a", "b")]))].concat(),
                Nothing,
            ),
            (
                "6.10 CONTINUATION flood",
                [unfinished, frame(kind::CONTINUATION, 0, 1, &[]).repeat(20)].concat(),
                Connection(CALM),
            ),
            ("6.1 DATA on stream 0", data(0, true, b"x"), Connection(PROTOCOL)),
            (
                "6.1 padding too long",
                post_then(frame(kind::DATA, 0x9, 1, &[4, 0, 0, 0])),
                Connection(PROTOCOL),
            ),
            ("6.1 no pad length", post_then(frame(kind::DATA, 0x9, 1, &[])), Connection(SIZE)),
            ("6.1 padding alone", post_then(frame(kind::DATA, 0x9, 1, &[3, 0, 0, 0])), Nothing),
            ("6.2 HEADERS on stream 0", headers(0, true, GET), Connection(PROTOCOL)),
            ("6.2 padding too long", frame(kind::HEADERS, 0xd, 1, &[9, 0x82]), Connection(PROTOCOL)),
            ("6.2 cut priority", frame(kind::HEADERS, 0x25, 1, &[0, 0, 0, 0]), Connection(SIZE)),
            (
                "5.3.1 HEADERS depend on themselves",
                frame(kind::HEADERS, 0x25, 1, &[&[0, 0, 0, 1, 7][..], &block(GET)].concat()),
                Connection(PROTOCOL),
            ),
            ("6.3 PRIORITY on stream 0", priority(0, 1), Connection(PROTOCOL)),
            ("6.3 PRIORITY size", post_then(frame(kind::PRIORITY, 0, 1, &[0; 4])), Stream(1, SIZE)),
            ("6.3 PRIORITY size, idle", frame(kind::PRIORITY, 0, 1, &[0; 6]), Connection(SIZE)),
            ("5.3.2 PRIORITY on itself", post_then(priority(1, 1)), Stream(1, PROTOCOL)),
            ("5.3.2 PRIORITY on itself, idle", priority(9, 9), Connection(PROTOCOL)),
            ("6.3 PRIORITY on idle", priority(9, 1), Nothing),
            ("6.3 PRIORITY on closed", reset_then(priority(1, 3)), Nothing),
        ],
    );
}

#[test]
fn connection_frames() {
    check(
        Side::Server,
        vec![
            ("6.4 RST_STREAM on stream 0", rst(0, ErrorCode::Cancel), Connection(PROTOCOL)),
            ("6.4 RST_STREAM on idle", rst(1, ErrorCode::Cancel), Connection(PROTOCOL)),
            ("6.4 RST_STREAM size", post_then(frame(kind::RST_STREAM, 0, 1, &[0; 3])), Connection(SIZE)),
            ("6.4 RST_STREAM twice", reset_then(rst(1, ErrorCode::Cancel)), Nothing),
            ("6.5 SETTINGS on a stream", frame(kind::SETTINGS, 0, 1, &[]), Connection(PROTOCOL)),
            ("6.5 SETTINGS size", frame(kind::SETTINGS, 0, 0, &[0; 5]), Connection(SIZE)),
            ("6.5 ack with payload", frame(kind::SETTINGS, 1, 0, &[0; 6]), Connection(SIZE)),
            ("6.5 ack of nothing", frame(kind::SETTINGS, 1, 0, &[]), Connection(PROTOCOL)),
            ("6.5.2 ENABLE_PUSH", settings(&[(2, 2)]), Connection(PROTOCOL)),
            ("6.5.2 INITIAL_WINDOW_SIZE", settings(&[(4, 1 << 31)]), Connection(FLOW)),
            ("6.5.2 MAX_FRAME_SIZE low", settings(&[(5, 16_383)]), Connection(PROTOCOL)),
            ("6.5.2 MAX_FRAME_SIZE high", settings(&[(5, 1 << 24)]), Connection(PROTOCOL)),
            ("6.5.2 unknown parameter", settings(&[(0xff, 7)]), Nothing),
            ("8441 ENABLE_CONNECT_PROTOCOL", settings(&[(8, 2)]), Connection(PROTOCOL)),
            ("8441 taken back", settings(&[(8, 1), (8, 0)]), Connection(PROTOCOL)),
            ("6.6 PUSH_PROMISE", frame(kind::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2]), Connection(PROTOCOL)),
            ("6.7 PING on a stream", frame(kind::PING, 0, 1, &[0; 8]), Connection(PROTOCOL)),
            ("6.7 PING size", ping(b"1234567"), Connection(SIZE)),
            ("6.7 unknown ack", frame(kind::PING, 1, 0, &[0; 8]), Nothing),
            ("6.8 GOAWAY on a stream", frame(kind::GOAWAY, 0, 1, &[0; 8]), Connection(PROTOCOL)),
            ("6.8 GOAWAY size", frame(kind::GOAWAY, 0, 0, &[0; 7]), Connection(SIZE)),
            (
                "6.8 GOAWAY raised",
                [frame(kind::GOAWAY, 0, 0, &[0; 8]), frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 2, 0, 0, 0, 0])]
                    .concat(),
                Connection(PROTOCOL),
            ),
            ("6.9 WINDOW_UPDATE size", frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3]), Connection(SIZE)),
            ("6.9 increment 0", window_update(0, 0), Connection(PROTOCOL)),
            ("6.9 increment 0 on a stream", post_then(window_update(1, 0)), Stream(1, PROTOCOL)),
            ("6.9 idle stream", window_update(1, 1), Connection(PROTOCOL)),
            ("6.9.1 connection overflow", window_update(0, (1 << 31) - 1), Connection(FLOW)),
            ("6.9.1 stream overflow", post_then(window_update(1, (1 << 31) - 1)), Stream(1, FLOW)),
            (
                "6.9.2 overflow by settings",
                [post_then(window_update(1, 1000)), settings(&[(4, (1 << 31) - 1)])].concat(),
                Connection(FLOW),
            ),
        ],
    );
}

#[test]
fn stream_states() {
    let four: Vec<u8> = [1, 3, 5, 7].iter().flat_map(|id| headers(*id, false, POST)).collect();
    check(
        Side::Server,
        vec![
            ("5.1 DATA on idle", data(1, true, b"x"), Connection(PROTOCOL)),
            ("5.1 DATA after end", closed_then(data(1, true, b"x")), Stream(1, CLOSED)),
            ("5.1 HEADERS after end", closed_then(headers(1, true, GET)), Stream(1, CLOSED)),
            ("5.1 WINDOW_UPDATE after end", closed_then(window_update(1, 5)), Nothing),
            ("5.1 DATA after RST_STREAM", reset_then(data(1, true, b"x")), Stream(1, CLOSED)),
            ("5.1 HEADERS after RST_STREAM", reset_then(headers(1, true, GET)), Stream(1, CLOSED)),
            ("5.1 WINDOW_UPDATE after RST_STREAM", reset_then(window_update(1, 5)), Nothing),
            ("5.1.1 even stream", headers(2, true, GET), Connection(PROTOCOL)),
            (
                "5.1.1 number below the last",
                [headers(5, true, GET), headers(3, true, GET)].concat(),
                Connection(PROTOCOL),
            ),
            (
                "5.1.1 DATA on a number passed over",
                [headers(5, true, GET), data(3, true, b"x")].concat(),
                Connection(CLOSED),
            ),
            ("5.1.2 one stream too many", [four, headers(9, true, GET)].concat(), Stream(9, REFUSED)),
            (
                "8.1 trailers that do not end",
                post_then(headers(1, false, &[("a", "b")])),
                Stream(1, PROTOCOL),
            ),
            ("8.1 trailers", post_then(headers(1, true, &[("a", "b")])), Nothing),
            (
                "8.1 pseudo-header in trailers",
                post_then(headers(1, true, &[(":path", "/")])),
                Stream(1, PROTOCOL),
            ),
            (
                "8.1 connection field in trailers",
                post_then(headers(1, true, &[("upgrade", "b")])),
                Stream(1, PROTOCOL),
            ),
            (
                "8.1.1 body too long",
                [headers(1, false, &[POST, &[("content-length", "1")]].concat()), data(1, false, b"xx")]
                    .concat(),
                Stream(1, PROTOCOL),
            ),
            (
                "8.1.1 body too short",
                [headers(1, false, &[POST, &[("content-length", "3")]].concat()), data(1, true, b"xx")]
                    .concat(),
                Stream(1, PROTOCOL),
            ),
            (
                "8.1.1 body too short before trailers",
                [
                    headers(1, false, &[POST, &[("content-length", "3")]].concat()),
                    data(1, false, b"xx"),
                    headers(1, true, &[("a", "b")]),
                ]
                .concat(),
                Stream(1, PROTOCOL),
            ),
            ("8.1.1 no body", get_with(&[("content-length", "3")]), Stream(1, PROTOCOL)),
            ("8.1.1 length 0", get_with(&[("content-length", "0")]), Nothing),
            (
                "6.9.1 beyond the connection's window",
                [headers(1, false, POST), data(1, false, &[0; 16_384]).repeat(1537)].concat(),
                // The stream's 16 MiB go before the connection's 24.
                Stream(1, FLOW),
            ),
        ],
    );
}

#[test]
fn request_heads() {
    let long = "x".repeat(70_000);
    let many: Vec<(&str, &str)> = GET.iter().copied().chain(std::iter::repeat_n(("a", "b"), 97)).collect();
    check(
        Side::Server,
        vec![
            ("8.2.1 upper case", get_with(&[("X-A", "b")]), Stream(1, PROTOCOL)),
            ("8.2.1 empty name", get_with(&[("", "b")]), Stream(1, PROTOCOL)),
            ("8.2.1 space in name", get_with(&[("a b", "b")]), Stream(1, PROTOCOL)),
            ("8.2.1 colon in name", get_with(&[("a:b", "b")]), Stream(1, PROTOCOL)),
            ("8.2.1 non-ASCII name", get_with(&[("ä", "b")]), Stream(1, PROTOCOL)),
            ("8.2.1 NUL in value", get_with(&[("a", "\0")]), Stream(1, PROTOCOL)),
            ("8.2.1 CR in value", get_with(&[("a", "b\r")]), Stream(1, PROTOCOL)),
            ("8.2.1 LF in value", get_with(&[("a", "b\nc: d")]), Stream(1, PROTOCOL)),
            ("8.2.1 other control in value", get_with(&[("a", "\u{1}")]), Stream(1, PROTOCOL)),
            ("8.2.1 tabulator in value", get_with(&[("a", "b\tc")]), Nothing),
            ("8.2.1 UTF-8 in value", get_with(&[("a", "ä")]), Nothing),
            ("8.2.2 connection", get_with(&[("connection", "close")]), Stream(1, PROTOCOL)),
            ("8.2.2 proxy-connection", get_with(&[("proxy-connection", "close")]), Stream(1, PROTOCOL)),
            ("8.2.2 keep-alive", get_with(&[("keep-alive", "5")]), Stream(1, PROTOCOL)),
            ("8.2.2 transfer-encoding", get_with(&[("transfer-encoding", "chunked")]), Stream(1, PROTOCOL)),
            ("8.2.2 upgrade", get_with(&[("upgrade", "websocket")]), Stream(1, PROTOCOL)),
            ("8.2.2 te", get_with(&[("te", "gzip")]), Stream(1, PROTOCOL)),
            ("8.2.2 te: trailers", get_with(&[("te", "trailers")]), Nothing),
            ("8.3 unknown pseudo-header", get_with(&[(":x", "y")]), Stream(1, PROTOCOL)),
            ("8.3 :status", get_with(&[(":status", "200")]), Stream(1, PROTOCOL)),
            (
                "8.3 pseudo-header after a field",
                headers(1, true, &[&GET[..3], &[("a", "b")], &GET[3..]].concat()),
                Stream(1, PROTOCOL),
            ),
            ("8.3 :path twice", headers(1, true, &[GET, &GET[2..3]].concat()), Stream(1, PROTOCOL)),
            ("8.3.1 :authority twice", headers(1, true, &[GET, &GET[3..]].concat()), Stream(1, PROTOCOL)),
            ("8.3.1 no :method", get_without(":method"), Stream(1, PROTOCOL)),
            ("8.3.1 no :scheme", get_without(":scheme"), Stream(1, PROTOCOL)),
            ("8.3.1 no :path", get_without(":path"), Stream(1, PROTOCOL)),
            ("8.3.1 no :authority", get_without(":authority"), Stream(1, PROTOCOL)),
            ("8.3.1 empty :path", get_instead(":path", ""), Stream(1, PROTOCOL)),
            ("8.3.1 relative :path", get_instead(":path", "a"), Stream(1, PROTOCOL)),
            ("8.3.1 absolute :path", get_instead(":path", "http://x/"), Stream(1, PROTOCOL)),
            ("8.3.1 space in :path", get_instead(":path", "/ HTTP/1.1"), Stream(1, PROTOCOL)),
            ("8.3.1 LF in :path", get_instead(":path", "/\n"), Stream(1, PROTOCOL)),
            ("8.3.1 * without OPTIONS", get_instead(":path", "*"), Stream(1, PROTOCOL)),
            ("8.3.1 empty :authority", get_instead(":authority", ""), Stream(1, PROTOCOL)),
            ("8.3.1 user information", get_instead(":authority", "u@h"), Stream(1, PROTOCOL)),
            ("8.3.1 slash in :authority", get_instead(":authority", "a/b"), Stream(1, PROTOCOL)),
            ("8.3.1 empty :method", get_instead(":method", ""), Stream(1, PROTOCOL)),
            ("8.3.1 space in :method", get_instead(":method", "GET /x"), Stream(1, PROTOCOL)),
            ("8.3.1 invalid :scheme", get_instead(":scheme", "1a"), Stream(1, PROTOCOL)),
            (
                "8.3.1 host twice",
                headers(1, true, &[&GET[..3], &[("host", "a"), ("host", "b")]].concat()),
                Stream(1, PROTOCOL),
            ),
            ("8.5 CONNECT with :path", get_instead(":method", "CONNECT"), Stream(1, PROTOCOL)),
            (
                "8.5 CONNECT without :authority",
                headers(1, false, &[(":method", "CONNECT")]),
                Stream(1, PROTOCOL),
            ),
            ("8.5 CONNECT", headers(1, false, &[(":method", "CONNECT"), (":authority", "a:1")]), Nothing),
            ("8441 not offered", get_with(&[(":protocol", "websocket")]), Stream(1, PROTOCOL)),
            ("8.1.1 content-length no number", get_with(&[("content-length", "x")]), Stream(1, PROTOCOL)),
            ("8.1.1 content-length list", get_with(&[("content-length", "0, 0")]), Stream(1, PROTOCOL)),
            (
                "8.1.1 content-length twice",
                get_with(&[("content-length", "0"), ("content-length", "0")]),
                Stream(1, PROTOCOL),
            ),
            ("6.5.2 head too large", continued(1, &[GET, &[("a", &long)]].concat()), Stream(1, INTERNAL)),
            ("100 fields too many", headers(1, true, &many), Stream(1, INTERNAL)),
            ("100 fields", headers(1, true, &many[..100]), Nothing),
        ],
    );
}

/// A head that needs CONTINUATION frames.
pub(super) fn continued(stream: u32, fields: Fields<'_>) -> Vec<u8> {
    let block = block(fields);
    let mut bytes = Vec::new();
    let mut kind = kind::HEADERS;
    let mut rest = &block[..];
    while !rest.is_empty() {
        let (fragment, after) = rest.split_at(rest.len().min(16_384));
        let end = if kind == kind::HEADERS { flag::END_STREAM } else { 0 };
        let flags = end | if after.is_empty() { flag::END_HEADERS } else { 0 };
        bytes.extend(frame(kind, flags, stream, fragment));
        kind = kind::CONTINUATION;
        rest = after;
    }
    bytes
}

/// Streams 1 (GET), 3 (POST, its body open) and 5 (HEAD) wait for responses.
#[test]
fn responses() {
    let ok: Fields<'_> = &[(":status", "200")];
    let with = |extra: Fields<'_>| headers(1, true, &[ok, extra].concat());
    check(
        Side::Client,
        vec![
            ("8.3.2 no :status", headers(1, true, &[("a", "b")]), Stream(1, PROTOCOL)),
            ("8.3.2 :status twice", with(ok), Stream(1, PROTOCOL)),
            ("8.3.2 :status of two digits", headers(1, true, &[(":status", "20")]), Stream(1, PROTOCOL)),
            ("8.3.2 :status of four digits", headers(1, true, &[(":status", "2000")]), Stream(1, PROTOCOL)),
            ("8.3.2 :status no number", headers(1, true, &[(":status", "2x0")]), Stream(1, PROTOCOL)),
            ("8.3.2 :path", with(&[(":path", "/")]), Stream(1, PROTOCOL)),
            ("8.6 101", headers(1, false, &[(":status", "101")]), Stream(1, PROTOCOL)),
            ("8.1 interim that ends", headers(1, true, &[(":status", "103")]), Stream(1, PROTOCOL)),
            ("8.1 interim", headers(1, false, &[(":status", "103")]), Nothing),
            ("8.1 DATA before the head", data(1, true, b"x"), Stream(1, PROTOCOL)),
            ("8.1 second head", [headers(1, false, ok), headers(1, false, ok)].concat(), Stream(1, PROTOCOL)),
            ("8.2.1 upper case", with(&[("A", "b")]), Stream(1, PROTOCOL)),
            ("8.2.2 connection", with(&[("connection", "close")]), Stream(1, PROTOCOL)),
            ("8.2.2 transfer-encoding", with(&[("transfer-encoding", "chunked")]), Stream(1, PROTOCOL)),
            ("8.1.1 no body", with(&[("content-length", "3")]), Stream(1, PROTOCOL)),
            ("8.1.1 HEAD", headers(5, true, &[(":status", "200"), ("content-length", "3")]), Nothing),
            (
                "8.1.1 body after HEAD",
                [headers(5, false, &[(":status", "200")]), data(5, true, b"x")].concat(),
                Stream(5, PROTOCOL),
            ),
            (
                "8.1.1 304 with a length",
                headers(1, true, &[(":status", "304"), ("content-length", "3")]),
                Nothing,
            ),
            (
                "8.1.1 204 with a body",
                [headers(1, false, &[(":status", "204")]), data(1, true, b"x")].concat(),
                Stream(1, PROTOCOL),
            ),
            ("5.1 DATA on a stream not opened", data(9, true, b"x"), Connection(PROTOCOL)),
            ("5.1 HEADERS on a stream not opened", headers(9, true, ok), Connection(PROTOCOL)),
            ("5.1.1 HEADERS of a pushed stream", headers(2, true, ok), Connection(PROTOCOL)),
            (
                "5.1 DATA after the end",
                [headers(1, true, ok), data(1, true, b"x")].concat(),
                Connection(CLOSED),
            ),
            (
                "5.1 HEADERS after the end",
                [headers(1, true, ok), headers(1, true, ok)].concat(),
                Connection(CLOSED),
            ),
            (
                "5.1 DATA after the end, half-closed",
                [headers(3, true, ok), data(3, true, b"x")].concat(),
                Stream(3, CLOSED),
            ),
            ("6.5.2 a server enables push", settings(&[(2, 1)]), Connection(PROTOCOL)),
            ("8.4 PUSH_PROMISE", frame(kind::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2]), Connection(PROTOCOL)),
        ],
    );
}

/// Without the option a malformed message ends the connection, and its stream first.
#[test]
fn by_default_malformed_messages_end_the_connection() {
    for (input, word) in [
        (get_without(":path"), "http2.violation.of.messaging.rule"),
        (get_instead(":path", "a"), "http2.violation.of.messaging.rule"),
        (get_with(&[("content-length", "3")]), "http2.violation.of.messaging.rule"),
        (get_with(&[("A", "b")]), "http2.invalid.header.field"),
        (get_with(&[("connection", "close")]), "http2.invalid.header.field"),
        (get_with(&[(":path", "/")]), "http2.invalid.header.field"),
    ] {
        let mut codec = server();
        let (events, error) = feed(&mut codec, &input);
        let error = error.unwrap();
        assert!(events.is_empty() && error.word == word && error.in_head, "{events:?} {error:?}");
        assert_eq!(codec.failure_code(), Some(PROTOCOL));
        assert!(written(&mut codec).is_empty(), "no RST_STREAM besides GOAWAY");
    }
    let mut codec = server();
    let mut input = BytesMut::from(&post_then(headers(1, true, &[(":path", "/")]))[..]);
    codec.receive(&mut input).unwrap();
    let reset = codec.receive(&mut input).unwrap();
    assert!(!codec.is_finished(), "the error is still to be told");
    let told = Event::Reset { stream: ONE, reason: ResetReason::Malformed("http2.invalid.header.field") };
    assert_eq!(format!("{reset:?}"), format!("{:?}", Some(told)));
    assert!(!codec.receive(&mut input).unwrap_err().in_head, "the request is known");
    assert!(codec.is_finished());
}

#[test]
fn refused_requests_are_told_of() {
    let many: Vec<(&str, &str)> = GET.iter().copied().chain(std::iter::repeat_n(("a", "b"), 97)).collect();
    let limits = || Limits { stream_error_on_invalid: true, reject_underscores: true, ..Limits::default() };
    for (input, word, malformed) in [
        (get_without(":path"), "http2.violation.of.messaging.rule", true),
        (get_with(&[("A", "b")]), "http2.invalid.header.field", true),
        (get_with(&[("a_b", "c")]), "http2.unexpected_underscore", false),
        (headers(1, true, &many), "http2.too_many_headers", false),
        (get_with(&[("a", &"x".repeat(70_000))]), "http2.header_list_size_too_large", false),
    ] {
        // A codec in its default sense takes frames of 16 KiB; these heads come in one.
        let mut codec = opened(Side::Server, Limits { max_frame_size: 1 << 20, ..limits() });
        let events = feed_fine(&mut codec, &input);
        let refused = Event::Refused { stream: ONE, word, malformed };
        assert_eq!(format!("{events:?}"), format!("{:?}", [refused]));
    }
    let (events, error) = feed(&mut server(), &frame(kind::HEADERS, 5, 1, &[0x80]));
    let error = error.unwrap();
    assert!(events.is_empty() && error.in_head && error.word == crate::http2::BROKEN, "{error:?}");
    let (_, error) = feed(&mut server(), &ping(b"1"));
    assert!(!error.unwrap().in_head, "no request was under way");
}

#[test]
fn openings() {
    let first_settings = settings(&[]);
    for (name, side, input) in [
        ("wrong preface", Side::Server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("HTTP/1 response", Side::Client, b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("no SETTINGS", Side::Server, [PREFACE, &ping(b"12345678")].concat()),
        ("no SETTINGS from a server", Side::Client, ping(b"12345678")),
        ("ack first", Side::Client, frame(kind::SETTINGS, 1, 0, &[])),
    ] {
        let mut codec = Http2::new(side, Limits::default(), "http");
        let (events, error) = feed(&mut codec, &input);
        assert!(events.is_empty() && error.is_some(), "{name}");
        assert!(matches!(codec.failure_code(), Some(PROTOCOL | SIZE)), "{name}");
    }
    // Byte by byte it is taken, and the first wrong byte is enough.
    let mut codec = Http2::new(Side::Server, Limits::default(), "http");
    let mut input = BytesMut::new();
    for byte in [PREFACE, &first_settings].concat() {
        input.extend_from_slice(&[byte]);
        assert!(matches!(codec.receive(&mut input), Ok(None)));
    }
    assert!(input.is_empty());
    let (_, error) = feed(&mut Http2::new(Side::Server, Limits::default(), "http"), b"PRI * HTTP/1");
    assert!(error.is_some());
}
