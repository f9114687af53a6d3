//! What the search begins with. Where the repository has cases already, they are taken from there; the
//! rest is made here, so that no binary file has to be kept.

use std::path::PathBuf;

use bytes::Bytes;
use weft_codec::detect::tls::ClientHello;
use weft_codec::hpack::Encoder;
use weft_codec::http2::PREFACE;
use weft_codec::{Codec, Http2, Limits, Side, StreamId};
use weft_types::{Headers, Method, RequestHead, ResponseHead};

use crate::detect;

const REQUESTS: &str = include_str!("../../crates/codec/tests/http1_conformance/requests.txt");
const RESPONSES: &str = include_str!("../../crates/codec/tests/http1_conformance/responses.txt");

/// Names the folder that a target writes its seeds into before it begins.
const FOLDER: &str = "WEFT_SEEDS";

/// Writes the seeds of a target into the folder that the environment names, if it does.
pub fn write(target: &str) {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    for (number, seed) in of(target).iter().enumerate() {
        let path = folder.join(format!("seed-{number:03}"));
        std::fs::write(&path, seed).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "http1_server" => behind(&[[0, 0, 1], [15, 1, 2]], &cases(REQUESTS)),
        "http1_client" => behind(&[[0, 0, 1], [4, 1, 2], [0, 2, 3], [0, 3, 1]], &cases(RESPONSES)),
        "http1_heads" => heads(),
        "chunked" => behind(&[[2]], &chunked()),
        "http2" => {
            [behind(&[[0, 1], [0x28, 2]], &frames_of_client()), behind(&[[1, 1]], &frames_of_server())]
                .concat()
        }
        "http2_pair" => pairs(),
        "hpack" => hpack(),
        "proxy_protocol" => proxy_headers(),
        "detect" => hellos(),
        _ => Vec::new(),
    }
}

/// Each seed behind each choice of options.
fn behind<const N: usize>(options: &[[u8; N]], seeds: &[Vec<u8>]) -> Vec<Vec<u8>> {
    options.iter().flat_map(|start| seeds.iter().map(|seed| [&start[..], seed].concat())).collect()
}

/// The bytes of the cases of a conformance table but the very long ones.
fn cases(table: &str) -> Vec<Vec<u8>> {
    let inputs = table.lines().filter_map(|line| line.strip_prefix("in: "));
    inputs.filter(|text| !text.contains('{')).map(unescape).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, if byte == b'\\' { rest.next() } else { None }) {
            (_, Some(b'r')) => b'\r',
            (_, Some(b'n')) => b'\n',
            (_, Some(b't')) => b'\t',
            (_, Some(b'x')) => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or(0)
            }
            (_, Some(other)) => other,
            (byte, None) => byte,
        });
    }
    bytes
}

fn chunked() -> Vec<Vec<u8>> {
    let texts = [
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n00\r\nX-T: 1\r\n\r\n",
        "A \t;q=\"x y\"\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
        "ffffffffffffffff\r\nx",
        "10000000000000000\r\nx",
        "5\nhello\n0\n\n",
        "5\r\nhelloXX",
        "0\r\nA: b\nC: d\r\n\n",
        "0\r\n: b\r\n\r\n",
        "-1\r\n\r\n",
        "0x5\r\nhello\r\n",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn heads() -> Vec<Vec<u8>> {
    vec![
        // A request with a length and a body that keeps to it.
        vec![0, 1, 16, 1, b'3', 4, 2, b'/', b'a', 2, b'h', b'i', b'a', b'b', b'c'],
        // A response in chunks with trailers.
        [&[5, 1, 0, 2, b'v', b'w', 1, 8, 1, b't', 0, 0][..], b"body of some length"].concat(),
        vec![0, 2, 24, 7, b'c', b'h', b'u', b'n', b'k', b'e', b'd', 0, 3, b'a', b'\r', b'\n', 4, 1, b'/'],
    ]
}

fn head(path: &str, fields: &[(&str, &str)]) -> RequestHead {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    RequestHead { method: Method::Post, headers, ..RequestHead::get("weft.test", path) }
}

fn client() -> Http2 {
    let mut client = Http2::new(Side::Client, Limits::default(), "http");
    client.output().take();
    client
}

/// What clients send, without preface and SETTINGS, which the target puts in front.
fn frames_of_client() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut one = client();
    one.send_request(&RequestHead::get("a", "/"), true).expect("a request");
    seeds.push(one.output().take().to_vec());

    let mut two = client();
    let fields = [("content-length", "5"), ("cookie", "a=b"), ("te", "trailers"), ("x-a", "Some Value!")];
    let stream = two.send_request(&head("/p?q", &fields), false).expect("a request");
    two.send_data(stream, Bytes::from_static(b"hello"), false).expect("data");
    let mut trailers = Headers::new();
    trailers.append("grpc-status", "0");
    two.send_trailers(stream, &trailers).expect("trailers");
    two.heartbeat();
    two.send_request(&head("/again", &fields[1..]), true).expect("a request");
    seeds.push(two.output().take().to_vec());

    let mut three = client();
    for _ in 0..10 {
        let stream = three.send_request(&head("/r", &[]), false).expect("a request");
        three.send_data(stream, Bytes::from_static(b"some"), false).expect("data");
        three.reset(stream, weft_codec::ResetReason::Cancel);
    }
    three.start_drain(true);
    seeds.push(three.output().take().to_vec());

    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap_or(0);
        [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
    };
    let block = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]);
    let (first, second) = block.split_at(block.len() / 2);
    seeds.push([frame(1, 1, 1, first), frame(9, 4, 1, second)].concat());
    seeds.push(
        [frame(1, 0x29, 1, &[&[2, 0, 0, 0, 0, 15][..], &block, &[0, 0]].concat()), frame(2, 0, 1, &[0; 5])]
            .concat(),
    );
    seeds.push(
        [frame(1, 4, 1, &block), frame(0, 9, 1, &[3, b'x', b'y', 0, 0, 0]), frame(8, 0, 0, &[0, 0, 0, 9])]
            .concat(),
    );
    seeds.push(
        [
            frame(4, 0, 0, &[0, 4, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0]),
            frame(6, 0, 0, b"12345678"),
        ]
        .concat(),
    );
    seeds.push(
        [frame(4, 1, 0, &[]), frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 2, b'd']), frame(3, 0, 1, &[0, 0, 0, 8])]
            .concat(),
    );
    seeds.push(frame(5, 4, 1, &[0, 0, 0, 2]));
    for fields in [
        &[(":method", "CONNECT"), (":authority", "a:1")][..],
        &[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", "/"),
        ],
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/ HTTP/1.1"),
            (":authority", "a"),
            ("host", "b"),
        ],
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "*"),
            (":authority", "a"),
            ("transfer-encoding", "chunked"),
        ],
        &[
            (":method", "OPTIONS"),
            (":scheme", "http"),
            (":path", "*"),
            ("host", "b"),
            ("x", "a\r\nb: c"),
            ("A", "b"),
        ],
    ] {
        seeds.push(frame(1, 5, 1, &self::block(fields)));
    }
    seeds
}

/// What servers send in answer to three requests.
fn frames_of_server() -> Vec<Vec<u8>> {
    let mut server = Http2::new(Side::Server, Limits::default(), "http");
    server.output().take();
    let mut input = bytes::BytesMut::from(PREFACE);
    input.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let mut asking = client();
    for path in ["/1", "/2", "/3"] {
        asking.send_request(&RequestHead::get("a", path), path != "/3").expect("a request");
    }
    input.extend_from_slice(&asking.output().take());
    while let Ok(Some(_)) = server.receive(&mut input) {}
    server.output().take();
    let mut headers = Headers::new();
    headers.append("content-length", "2");
    headers.append("server", "weft");
    server.send_response(StreamId(1), &ResponseHead::new(103), false).expect("interim");
    server
        .send_response(StreamId(1), &ResponseHead { headers, ..ResponseHead::new(200) }, false)
        .expect("a head");
    server.send_data(StreamId(1), Bytes::from_static(b"hi"), true).expect("data");
    server.send_response(StreamId(3), &ResponseHead::new(204), true).expect("a head");
    server.send_response(StreamId(5), &ResponseHead::new(200), false).expect("a head");
    server.send_trailers(StreamId(5), &head("/", &[("grpc-status", "0")]).headers).expect("trailers");
    server.start_drain(true);
    vec![server.output().take().to_vec()]
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for (name, value) in fields {
        encoder.field(name.as_bytes(), value.as_bytes(), &mut block);
    }
    block
}

fn pairs() -> Vec<Vec<u8>> {
    vec![
        [&[0, 0, 0, 1, 0, 3, 0, 1, 0, 1, 5, 255, 255, 2, 1, 2, 3, 0x80 | 3, 0, 1, 0, 0, 8][..]].concat(),
        vec![
            1,
            7,
            0,
            1,
            2,
            9,
            9,
            3,
            0,
            60,
            0,
            1,
            3,
            0,
            60,
            0,
            0,
            5,
            0,
            40,
            2,
            1,
            0,
            0x80 | 3,
            0,
            8,
            0,
            0,
            6,
            0,
            9,
            8,
        ],
        vec![0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 4, 0, 1, 3, 7, 0xc7, 1, 8, 7, 0x87, 8, 2, 0, 1, 4, 2, 8],
    ]
}

fn hpack() -> Vec<Vec<u8>> {
    let one =
        block(&[(":method", "GET"), (":path", "/x"), ("user-agent", "me"), ("authorization", "secret")]);
    let length = u8::try_from(one.len()).unwrap_or(0);
    let both = [&[0, 3, length][..], &one, &[length], &one].concat();
    let update = vec![0, 3, 3, 0x20, 0x3f, 0x09, 2, 0x3f, 0xe1];
    let huffman = vec![0, 3, 5, 0x40, 0x82, 0xff, 0xff, 0xff];
    vec![
        both,
        update,
        huffman,
        vec![1, 0, 1, 0, 4, 2, 3, 5, b'a', 9, 16, b'x', 2, b'y', b'z', 8, 15, 250, 3, 17, 255],
    ]
}

fn proxy_headers() -> Vec<Vec<u8>> {
    let v1 = [
        "PROXY TCP4 203.0.113.7 203.0.113.8 1000 80\r\nGET /",
        "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN a b c\r\nx",
    ];
    let v2 = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\x0a\0\0\x01\x0a\0\0\x02\0\x50\x01\xbb\x04\0\0rest"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb\0\x50\x01\xbb",
    ];
    let read = v1.iter().map(|text| text.as_bytes()).chain(v2).map(|bytes| [&[0][..], bytes].concat());
    read.chain([vec![1, 0, 0, 10, 0, 0, 1, 0, 80, 0, 10, 0, 0, 2, 0, 81], vec![1, 1, 1], vec![1; 60]])
        .collect()
}

fn hellos() -> Vec<Vec<u8>> {
    let hello = ClientHello {
        server_name: "a.weft.test".into(),
        alpn: vec![b"h2"[..].into(), b"http/1.1"[..].into()],
        versions: vec![0x0304, 0x0303],
    };
    let message = detect::message(&hello, true);
    let lines =
        ["GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "CONNECT a:1 HTTP/1.0\r\n", "SSH-2.0\r\n"];
    let mut seeds: Vec<Vec<u8>> = lines.iter().map(|line| [&[0][..], line.as_bytes()].concat()).collect();
    seeds.push([&[0][..], &detect::cut(&message, 4000)].concat());
    seeds.push([&[0][..], &detect::cut(&message, 20)].concat());
    seeds.push([&[1, 5, 0, 30][..], &message[4..]].concat());
    seeds.push(vec![2, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 1, b'h', b'2', 0, b'x', 2, 3, 4, 3, 3, 0, 9]);
    seeds
}
