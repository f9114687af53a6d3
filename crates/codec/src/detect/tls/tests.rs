use super::*;

/// A ClientHello of our own making, as a handshake message.
#[derive(Clone, Default)]
struct Recipe {
    extensions: Vec<(u16, Vec<u8>)>,
}

impl Recipe {
    fn with(mut self, kind: u16, content: &[u8]) -> Self {
        self.extensions.push((kind, content.to_vec()));
        self
    }

    fn server_name(self, name: &str) -> Self {
        let entry = [&[0][..], &vector16(name.as_bytes())].concat();
        self.with(0, &vector16(&entry))
    }

    fn alpn(self, names: &[&str]) -> Self {
        let list: Vec<u8> = names.iter().flat_map(|name| vector8(name.as_bytes())).collect();
        self.with(16, &vector16(&list))
    }

    fn handshake(&self) -> Vec<u8> {
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &vector16(content)].concat())
            .collect();
        let body = [
            &[3, 3][..],
            &[7; 32],
            &vector8(&[1; 32]),
            &vector16(&[0x13, 0x01]),
            &vector8(&[0]),
            &vector16(&extensions),
        ]
        .concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[1][..], &length[1..], &body].concat()
    }

    fn records(&self, piece: usize) -> Vec<u8> {
        self.handshake().chunks(piece).flat_map(|part| [&[22, 3, 1][..], &vector16(part)].concat()).collect()
    }
}

fn vector8(content: &[u8]) -> Vec<u8> {
    [&[u8::try_from(content.len()).unwrap()][..], content].concat()
}

fn vector16(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

fn usual() -> Recipe {
    Recipe::default()
        .with(10, &vector16(&[0, 29]))
        .server_name("Reviews.Default.svc")
        .alpn(&["istio-peer-exchange", "istio"])
        .with(43, &vector8(&[3, 4, 3, 3]))
}

#[test]
fn reads_name_protocols_and_versions() {
    let TlsPeek::Hello(hello) = peek(&usual().records(16_384)) else { panic!() };
    assert_eq!(&*hello.server_name, "reviews.default.svc");
    assert_eq!(hello.alpn, [(*b"istio-peer-exchange").into(), Box::from(*b"istio")] as [Box<[u8]>; 2]);
    assert_eq!(hello.versions, [0x0304, 0x0303]);
}

#[test]
fn a_hello_without_extensions_is_one() {
    let mut message = Recipe::default().handshake();
    message.truncate(message.len() - 2);
    let length = u8::try_from(message.len() - 4).unwrap();
    message[3] = length;
    let TlsPeek::Hello(hello) = peek(&[&[22, 3, 1][..], &vector16(&message)].concat()) else { panic!() };
    assert_eq!((&*hello.server_name, hello.versions), ("", vec![0x0303]));
}

#[test]
fn every_cut_into_records_reads_the_same() {
    let whole = peek(&usual().records(16_384));
    for piece in 1..60 {
        assert_eq!(peek(&usual().records(piece)), whole, "records of {piece}");
    }
}

#[test]
fn every_prefix_needs_more() {
    for piece in [16_384, 50, 3] {
        let records = usual().records(piece);
        for end in 0..records.len() {
            assert_eq!(peek(&records[..end]), TlsPeek::NeedMore, "{end} of records of {piece}");
        }
        let followed = [&records[..], b"\x17\x03\x03 anything"].concat();
        assert_eq!(peek(&followed), peek(&records));
    }
}

#[test]
fn other_protocols_are_told_by_their_first_bytes() {
    for other in
        [&b"GET / HTTP/1.1"[..], b"P", b"\x16\x02", b"\x15\x03\x01\x00\x02", b"\0\0\0\x08\x04\xd2\x16\x2f"]
    {
        assert_eq!(peek(other), TlsPeek::NotTls, "{other:?}");
    }
}

#[test]
fn broken_hellos_are_malformed() {
    let cases = [
        ("no bytes in a record", vec![22, 3, 1, 0, 0]),
        ("record too long", vec![22, 3, 1, 0x40, 1]),
        ("another handshake message", vec![22, 3, 1, 0, 4, 2, 0, 0, 0]),
        ("an alert within", [&usual().records(40)[..45], &[21, 3, 1, 0, 2, 1, 0]].concat()),
        ("a short hello", vec![22, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
        ("two names", usual().server_name("b").records(16_384)),
        ("empty name", Recipe::default().server_name("").records(16_384)),
        ("NUL in the name", Recipe::default().server_name("a\0b").records(16_384)),
        ("surplus in the name list", Recipe::default().with(0, &[0, 4, 0, 0, 1, b'a', 0]).records(16_384)),
        ("name type 1", Recipe::default().with(0, &[0, 4, 1, 0, 1, b'a']).records(16_384)),
        ("an unknown extension twice", Recipe::default().with(999, &[]).with(999, &[]).records(16_384)),
        ("half a version", Recipe::default().with(43, &[3, 3, 4, 3]).records(16_384)),
    ];
    for (name, bytes) in cases {
        assert!(matches!(peek(&bytes), TlsPeek::Malformed(_)), "{name}: {:?}", peek(&bytes));
    }
}

#[test]
fn odd_names_and_protocols_are_tls_all_the_same() {
    let odd = Recipe::default().server_name("a b").alpn(&["h2", ""]);
    let TlsPeek::Hello(hello) = peek(&odd.records(16_384)) else { panic!() };
    assert_eq!((&*hello.server_name, hello.alpn.len()), ("a b", 0));
}

#[test]
fn size_is_bounded_in_content_and_in_records() {
    let large = usual().with(21, &vec![0; 17_000]);
    assert_eq!(peek(&large.records(16_384)), TlsPeek::TooLarge);
    assert_eq!(peek(&large.records(16_384)[..9]), TlsPeek::TooLarge);
    let fits = usual().with(21, &vec![0; 15_000]);
    assert!(matches!(peek(&fits.records(16_384)), TlsPeek::Hello(_)));
    let fine = fits.records(2);
    assert_eq!(peek(&fine[..MAX_PEEK_BYTES]), TlsPeek::TooLarge);
}
