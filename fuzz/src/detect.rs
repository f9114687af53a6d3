//! The first bytes of connections.

use weft_codec::detect::http::{HttpSniff, MAX_SNIFF_BYTES, sniff};
use weft_codec::detect::tls::{ClientHello, MAX_PEEK_BYTES, TlsPeek, peek};

use crate::dice::Dice;

pub fn run(data: &[u8]) {
    let mut dice = Dice::new(data);
    match dice.byte() % 3 {
        0 => prefixes(dice.rest()),
        1 => records(&mut dice),
        _ => hello(&mut dice),
    }
}

/// A longer prefix never contradicts, and nobody asks for more than the limits.
fn prefixes(bytes: &[u8]) {
    let (mut http, mut tls) = (HttpSniff::NeedMore, TlsPeek::NeedMore);
    for end in (0..=bytes.len()).filter(|end| *end < 400 || end % 101 == 0 || *end == bytes.len()) {
        let (now_http, now_tls) = (sniff(&bytes[..end]), verdict(&bytes[..end]));
        assert!(http == HttpSniff::NeedMore || http == now_http, "{http:?}, then {now_http:?}");
        assert!(tls == TlsPeek::NeedMore || tls == now_tls, "{tls:?}, then {now_tls:?}");
        assert!(now_http != HttpSniff::NeedMore || end < MAX_SNIFF_BYTES);
        assert!(now_tls != TlsPeek::NeedMore || end < MAX_PEEK_BYTES);
        (http, tls) = (now_http, now_tls);
    }
}

/// What is told of a prefix; of two faults it is a matter of cuts which is seen first.
fn verdict(prefix: &[u8]) -> TlsPeek {
    match peek(prefix) {
        TlsPeek::Malformed(_) => TlsPeek::Malformed("for one reason or another"),
        told => told,
    }
}

/// A handshake message of any content, cut into records in two ways: the same verdict.
fn records(dice: &mut Dice<'_>) {
    let (first, second) = (1 + usize::from(dice.byte()), 1 + dice.number() % 4000);
    let body = dice.clone().rest();
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    let message = [&[1, length[1], length[2], length[3]][..], body].concat();
    let (one, other) = (cut(&message, first), cut(&message, second));
    let (told, again) = (verdict(&one), verdict(&other));
    // Only records too many for what is in them may make a difference.
    if one.len().max(other.len()) < MAX_PEEK_BYTES {
        assert_eq!(told, again, "records change what is read");
        assert_ne!(told, TlsPeek::NeedMore);
    }
}

/// A ClientHello that we write: it is read as it was meant.
fn hello(dice: &mut Dice<'_>) {
    let length = usize::from(dice.byte() % 40);
    let name: String = dice.bytes(length).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let alpn: Vec<Box<[u8]>> = (0..dice.byte() % 4)
        .map(|_| {
            let length = 1 + usize::from(dice.byte() % 20);
            dice.bytes(length).into()
        })
        .filter(|name: &Box<[u8]>| !name.is_empty())
        .collect();
    let versions: Vec<u16> =
        (0..dice.byte() % 4).map(|_| u16::try_from(dice.number()).unwrap_or(0)).collect();
    let size = 1 + dice.number() % 2000;
    let meant = ClientHello {
        server_name: name.as_str().into(),
        versions: if versions.is_empty() { vec![0x0303] } else { versions.clone() },
        alpn,
    };
    let told = peek(&cut(&message(&meant, !versions.is_empty()), size));
    assert_eq!(told, TlsPeek::Hello(meant));
}

/// The handshake message of a ClientHello.
pub fn message(hello: &ClientHello, with_versions: bool) -> Vec<u8> {
    let mut extensions = Vec::new();
    if !hello.server_name.is_empty() {
        let entry = [&[0][..], &vector16(hello.server_name.as_bytes())].concat();
        extensions.extend(extension(0, &vector16(&entry)));
    }
    if !hello.alpn.is_empty() {
        let list: Vec<u8> = hello.alpn.iter().flat_map(|name| vector8(name)).collect();
        extensions.extend(extension(16, &vector16(&list)));
    }
    if with_versions {
        let list: Vec<u8> = hello.versions.iter().flat_map(|version| version.to_be_bytes()).collect();
        extensions.extend(extension(43, &vector8(&list)));
    }
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend(vector8(&[9; 32]));
    body.extend(vector16(&[0x13, 1, 0x13, 2]));
    body.extend(vector8(&[0]));
    body.extend(vector16(&extensions));
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    [&[1, length[1], length[2], length[3]][..], &body].concat()
}

/// Records of at most `size` bytes of content.
pub fn cut(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|piece| [&[22, 3, 1][..], &vector16(piece)].concat()).collect()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector16(content)].concat()
}

fn vector8(content: &[u8]) -> Vec<u8> {
    [&[u8::try_from(content.len()).unwrap_or(0)][..], content].concat()
}

fn vector16(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap_or(0).to_be_bytes()[..], content].concat()
}
