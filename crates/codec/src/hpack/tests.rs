//! RFC 7541 appendix C, and the laws.

use proptest::prelude::*;

use super::{Decoder, Encoder, HpackError};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, |n, v| fields.push((n.to_vec(), v.to_vec())))?;
    Ok(fields)
}

fn text(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
}

/// A block in hexadecimal, its fields, and the size of the table after it.
type Example<'a> = (&'a str, &'a [(&'a str, &'a str)], usize);

/// Decodes blocks one after the other with one decoder; after each the table has the given size.
fn check(table: usize, blocks: &[Example<'_>]) {
    let mut decoder = Decoder::new(table);
    for (hex, fields, size) in blocks {
        assert_eq!(decode(&mut decoder, &bytes(hex)), Ok(text(fields)));
        assert_eq!(decoder.table().size(), *size, "after {hex}");
    }
}

/// Appendix C.2: each representation.
#[test]
fn field_representations() {
    check(
        4096,
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            &[("custom-key", "custom-header")],
            55,
        )],
    );
    check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", &[(":path", "/sample/path")], 0)]);
    check(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", &[("password", "secret")], 0)]);
    check(4096, &[("82", &[(":method", "GET")], 0)]);
}

const REQUESTS: [&[(&str, &str)]; 3] = [
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

/// Appendix C.3.
#[test]
fn requests_without_huffman() {
    check(
        4096,
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUESTS[0], 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1], 110),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", REQUESTS[2], 164),
        ],
    );
}

/// Appendix C.4.
#[test]
fn requests_with_huffman() {
    check(
        4096,
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUESTS[0], 57),
            ("8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1], 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", REQUESTS[2], 164),
        ],
    );
}

const COOKIE: &str = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSES: [&[(&str, &str)]; 3] = [
    &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "307"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        ("set-cookie", COOKIE),
    ],
];

/// Appendix C.5: the table of 256 bytes evicts.
#[test]
fn responses_without_huffman() {
    check(
        256,
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
                 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
                 6c65 2e63 6f6d",
                RESPONSES[0],
                222,
            ),
            ("4803 3330 37c1 c0bf", RESPONSES[1], 222),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
                 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
                 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
                 3d31",
                RESPONSES[2],
                215,
            ),
        ],
    );
}

/// Appendix C.6.
#[test]
fn responses_with_huffman() {
    check(
        256,
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                RESPONSES[0],
                222,
            ),
            ("4883 640e ffc1 c0bf", RESPONSES[1], 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                RESPONSES[2],
                215,
            ),
        ],
    );
}

#[test]
fn refuses_what_the_rfc_forbids() {
    use HpackError::{InvalidHuffman, MisplacedSizeUpdate, TableSizeAboveLimit, Truncated, UnknownIndex};
    for (hex, error) in [
        ("80", UnknownIndex(0)),
        ("be", UnknownIndex(62)),
        ("7e 01 61", UnknownIndex(62)),
        ("ff", Truncated),
        ("00 05 61", Truncated),
        ("00 01 61", Truncated),
        ("00 81 00 01 61", InvalidHuffman),
        ("3f e2 1f", TableSizeAboveLimit(4097)),
        ("82 20", MisplacedSizeUpdate),
        ("20 20 20", MisplacedSizeUpdate),
    ] {
        assert_eq!(decode(&mut Decoder::new(4096), &bytes(hex)), Err(error), "{hex}");
    }
}

#[test]
fn a_larger_table_is_used_only_after_its_update() {
    let mut decoder = Decoder::new(65_536);
    assert_eq!(decoder.table().max_size(), 4096);
    decode(&mut decoder, &bytes("3f e1 ff 03")).unwrap();
    assert_eq!(decoder.table().max_size(), 65_536);
}

#[test]
fn a_lowered_limit_must_be_confirmed() {
    let mut decoder = Decoder::new(4096);
    decoder.set_limit(100);
    assert_eq!(decode(&mut decoder, &bytes("82")), Err(HpackError::MissingSizeUpdate));
    let mut decoder = Decoder::new(4096);
    decoder.set_limit(100);
    assert_eq!(decode(&mut decoder, &bytes("3f 45 82")), Ok(text(&[(":method", "GET")])));
    assert_eq!(decode(&mut decoder, &bytes("3f 46 82")), Err(HpackError::TableSizeAboveLimit(101)));
}

#[test]
fn a_lowered_and_raised_limit_reaches_the_peer() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    let mut block = Vec::new();
    encoder.field(b"user-agent", b"a", &mut block);
    decode(&mut decoder, &block).unwrap();
    encoder.set_limit(0);
    encoder.set_limit(1000);
    block.clear();
    encoder.begin(&mut block);
    encoder.field(b"user-agent", b"a", &mut block);
    assert_eq!(decode(&mut decoder, &block), Ok(text(&[("user-agent", "a")])));
    assert_eq!(decoder.table().max_size(), 1000);
    assert_eq!(decoder.table().size(), encoder.table().size());
}

#[test]
fn secrets_are_marked_never_indexed() {
    for (name, value, never) in [
        ("authorization", "Bearer x", true),
        ("set-cookie", "a=b", true),
        ("cookie", "short=1", true),
        ("cookie", "long=0123456789012345678901", false),
        ("x-custom", "1", false),
    ] {
        let mut encoder = Encoder::new();
        let mut block = Vec::new();
        encoder.field(name.as_bytes(), value.as_bytes(), &mut block);
        assert_eq!(block[0] & 0xf0 == 0x10, never, "{name}");
        assert_eq!(encoder.table().size() == 0, name != "cookie" || never, "{name}");
    }
}

fn field() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let name = prop_oneof![
        proptest::sample::select(vec![
            ":status",
            ":authority",
            "user-agent",
            "cookie",
            "authorization",
            "content-type",
            "te",
        ])
        .prop_map(|n| n.as_bytes().to_vec()),
        "[a-z0-9-]{1,40}".prop_map(String::into_bytes),
    ];
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "[a-c]{0,2}".prop_map(String::into_bytes)
    ];
    (name, value)
}

proptest! {
    /// Blocks of one connection decode to what was encoded, whatever the peer's limit does between.
    #[test]
    fn decode_undoes_encode(
        blocks in proptest::collection::vec(
            (proptest::option::of(0_usize..5000), proptest::collection::vec(field(), 0..20)), 1..12
        )
    ) {
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new(4096);
        for (limit, fields) in blocks {
            if let Some(limit) = limit {
                encoder.set_limit(limit);
                decoder.set_limit(limit);
            }
            let mut block = Vec::new();
            encoder.begin(&mut block);
            for (name, value) in &fields {
                encoder.field(name, value, &mut block);
            }
            prop_assert_eq!(decode(&mut decoder, &block), Ok(fields));
            prop_assert_eq!(decoder.table().size(), encoder.table().size());
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_fields(block in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = Decoder::new(4096);
        let _ = decode(&mut decoder, &block);
        prop_assert!(decoder.table().size() <= 4096);
    }
}
