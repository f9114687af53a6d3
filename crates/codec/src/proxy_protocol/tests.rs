use super::*;

fn addresses(source: &str, destination: &str) -> Addresses {
    Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

fn header(format: Format, addresses: Option<Addresses>) -> Header {
    Header { format, addresses, tlvs: Tlvs::default() }
}

/// Every version 2 header begins so; then version and command, family, length.
fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [v2::SIGNATURE, &[command, family], &length, content].concat()
}

const V4: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 3, 232, 7, 208];

#[test]
fn reads_lines() {
    let v4 = Some(addresses("1.2.3.4:1000", "5.6.7.8:2000"));
    let v6 = Some(addresses("[1::2]:1000", "[3::4]:2000"));
    for (line, expected) in [
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n", v4),
        ("PROXY TCP6 1::2 3::4 1000 2000\r\n", v6),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN a b c d\r\n", None),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", Some(addresses("1.2.3.4:0", "5.6.7.8:0"))),
    ] {
        let followed = format!("{line}GET / HTTP/1.1\r\n");
        let expected = Parsed::Header { header: header(Format::V1, expected), length: line.len() };
        assert_eq!(parse(followed.as_bytes()), expected, "{line:?}");
    }
}

#[test]
fn refuses_lines() {
    let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(100));
    for line in [
        "PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000 x\r\n",
        "PROXY TCP4 1.2.3.4  5.6.7.8 1000 2000\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000 \r\n",
        "PROXY TCP4 1.2.3 5.6.7.8 1000 2000\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 70000 2000\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        "PROXY TCP4 1::2 3::4 1000 2000\r\n",
        "PROXY TCP6 1.2.3.4 5.6.7.8 1000 2000\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\n",
        "PROXY UDP4 1.2.3.4 5.6.7.8 1000 2000\r\n",
        "PROXY  TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n",
        "PROXY TCP4 224.0.0.1 5.6.7.8 1000 2000\r\n",
        "PROXY TCP4 0.0.0.0 5.6.7.8 1000 2000\r\n",
        "PROXY TCP4 1.2.3.4 255.255.255.255 1000 2000\r\n",
        "PROXY TCP6 ff02::1 3::4 1000 2000\r\n",
        "PROXY TCP6 :: 3::4 1000 2000\r\n",
        "PROXY \r\n",
        &long,
    ] {
        assert!(matches!(parse(line.as_bytes()), Parsed::Malformed(_)), "{line:?}");
    }
    assert_eq!(parse(b"PROXY\r\n"), Parsed::Absent);
    assert_eq!(parse(b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), Parsed::Absent);
    assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Parsed::Absent);
    assert_eq!(parse(b"\r\n\r\nX"), Parsed::Absent);
}

#[test]
fn reads_binary() {
    let udp = v2(0x21, 0x12, V4);
    let Parsed::Header { header: read, length } = parse(&[&udp[..], b"GET"].concat()) else { panic!() };
    assert_eq!(read.addresses, Some(addresses("1.2.3.4:1000", "5.6.7.8:2000")));
    assert_eq!(length, udp.len());

    for local in [v2(0x20, 0, &[]), v2(0x20, 0x11, V4), v2(0x20, 0x11, &[255; 5])] {
        let expected = Parsed::Header { header: header(Format::V2, None), length: local.len() };
        assert_eq!(parse(&local), expected, "{local:?}");
    }

    let with_tlv = v2(0x21, 0x11, &[V4, &[4, 0, 2, b'a', b'b', 5, 0, 0]].concat());
    let Parsed::Header { header: read, .. } = parse(&with_tlv) else { panic!() };
    assert_eq!(read.tlvs.iter().collect::<Vec<_>>(), [(4, &b"ab"[..]), (5, &b""[..])]);
    assert_eq!((read.tlvs.get(5), read.tlvs.get(6)), (Some(&b""[..]), None));
}

#[test]
fn refuses_binary() {
    for bytes in [
        v2(0x21, 0x00, &[]),
        v2(0x21, 0x31, &[0; 216]),
        v2(0x22, 0x11, V4),
        v2(0x11, 0x11, V4),
        v2(0x31, 0x11, V4),
        v2(0x21, 0x11, &V4[..8]),
        v2(0x21, 0x13, V4),
        v2(0x21, 0x10, V4),
        v2(0x21, 0x11, &[V4, &[4, 0, 5, b'a', b'b']].concat()),
        v2(0x21, 0x11, &[V4, &[4, 0]].concat()),
        v2(0x21, 0x11, &[&[224, 0, 0, 1], &V4[4..]].concat()),
    ] {
        assert!(matches!(parse(&bytes), Parsed::Malformed(_)), "{bytes:?}");
    }
}

#[test]
fn writes_what_it_reads_and_every_prefix_needs_more() {
    let mut with_tlvs = header(Format::V2, Some(addresses("1.2.3.4:1", "5.6.7.8:2")));
    with_tlvs.tlvs.push(4, &vec![b'x'; 60_000]).unwrap();
    for header in [
        header(Format::V1, Some(addresses("1.2.3.4:1", "5.6.7.8:65535"))),
        header(Format::V1, Some(addresses("[1::2]:1", "[3::4]:2"))),
        header(Format::V1, None),
        header(Format::V2, Some(addresses("1.2.3.4:1", "5.6.7.8:2"))),
        header(Format::V2, Some(addresses("[1::2]:1", "[3::4]:2"))),
        header(Format::V2, None),
        with_tlvs,
    ] {
        let bytes = header.write().unwrap();
        let (format, length) = (header.format, bytes.len());
        assert_eq!(parse(&bytes), Parsed::Header { header, length });
        for end in (0..length.min(200)).chain([length - 1]) {
            assert_eq!(parse(&bytes[..end]), Parsed::NeedMore, "{format:?} cut at {end}");
        }
    }
}

#[test]
fn two_families_are_written_as_one() {
    let mixed = Some(addresses("1.2.3.4:1", "[3::4]:2"));
    let line = header(Format::V1, mixed).write().unwrap();
    assert_eq!(line, b"PROXY TCP6 ::ffff:1.2.3.4 3::4 1 2\r\n");
    let Parsed::Header { header, .. } = parse(&header(Format::V2, mixed).write().unwrap()) else { panic!() };
    assert_eq!(header.addresses, Some(addresses("[::ffff:1.2.3.4]:1", "[3::4]:2")));
}

#[test]
fn a_header_that_cannot_be_said_is_not_written() {
    let mut header = header(Format::V2, Some(addresses("1.2.3.4:1", "5.6.7.8:2")));
    assert_eq!(header.tlvs.push(1, &vec![0; 65_536]), Err(WriteError::TooLong));
    header.tlvs.push(1, &vec![0; 65_535]).unwrap();
    assert_eq!(header.write(), Err(WriteError::TooLong));
}
