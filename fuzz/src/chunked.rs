//! Chunked bodies, beside a second reader of RFC 9112 section 7.1 that has the whole body at hand.

use bytes::BytesMut;
use weft_codec::http1::MAX_CHUNK_LINE_BYTES;
use weft_codec::{Codec, Http1, Limits, Side};

use crate::dice::{Dice, pieces};
use crate::told::{Told, Word};

/// Bytes of a trailer section, at most.
const MOST_TRAILERS: usize = 8000;

pub fn run(data: &[u8]) {
    let mut dice = Dice::new(data);
    let cuts = dice.byte();
    let bytes = dice.rest();
    let (whole, left) = feed(bytes, 0);
    assert_eq!((&whole, left), (&feed(bytes, cuts).0, feed(bytes, cuts).1), "cuts change what is told");
    let failed = matches!(whole.words.last(), Some(Word::Error(_)));
    match (read(bytes), whole.whole(1)) {
        (Verdict::Whole { body, length }, Some(message)) => {
            assert!(message.body == body, "another body than the second reader's");
            assert_eq!(length, bytes.len() - left, "another end than the second reader's");
        }
        (Verdict::Whole { .. }, None) => panic!("refused or awaited what is whole: {whole:?}"),
        (verdict, Some(_)) => panic!("taken, but the second reader says {verdict:?}"),
        (Verdict::More, None) => assert!(!failed, "refused what may become whole: {whole:?}"),
        // We may wait for the end of a trailer line before we refuse it.
        (Verdict::Bad, None) => {}
    }
}

/// What was told, and how many bytes are left.
fn feed(bytes: &[u8], cuts: u8) -> (Told, usize) {
    let limits = Limits {
        max_head_bytes: MOST_TRAILERS,
        max_head_fields: MOST_TRAILERS,
        http1_trailers: true,
        ..Limits::default()
    };
    let mut codec = Http1::new(Side::Server, limits, "http");
    let mut input = BytesMut::from("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    codec.receive(&mut input).expect("a request").expect("a request");
    let mut told = Told::default();
    let mut taken = 0;
    for piece in pieces(bytes, cuts) {
        input.extend_from_slice(piece);
        taken += piece.len();
        loop {
            match codec.receive(&mut input) {
                Ok(Some(event)) => told.take(event),
                Ok(None) => break,
                Err(error) => {
                    told.fail(error.word);
                    return (told, 0);
                }
            }
        }
        if told.words.contains(&Word::End(1)) {
            // The next request, which waits.
            return (told, bytes.len() - taken + input.len());
        }
        assert!(input.len() <= MOST_TRAILERS, "{} bytes are kept", input.len());
    }
    (told, input.len())
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Whole { body: Vec<u8>, length: usize },
    More,
    Bad,
}

/// The second reader.
fn read(bytes: &[u8]) -> Verdict {
    let mut at = 0;
    let mut body = Vec::new();
    loop {
        let rest = &bytes[at..];
        let Some(feed) = rest.iter().position(|byte| *byte == b'\n') else {
            return if is_start_of_line(rest) { Verdict::More } else { Verdict::Bad };
        };
        let Some(size) = rest[..feed].strip_suffix(b"\r").and_then(size_line) else { return Verdict::Bad };
        at += feed + 1;
        if size == 0 {
            return trailers(&bytes[at..], at, body);
        }
        let Ok(size) = usize::try_from(size) else { return Verdict::Bad };
        let Some(data) = at.checked_add(size).and_then(|end| bytes.get(at..end)) else {
            return Verdict::More;
        };
        body.extend_from_slice(data);
        at += size;
        match &bytes[at..] {
            [] | [b'\r'] => return Verdict::More,
            [b'\r', b'\n', ..] => at += 2,
            _ => return Verdict::Bad,
        }
    }
}

/// `1*HEXDIG BWS [ ";" extensions ]`
fn size_line(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, rest) = line.split_at(digits);
    let behind = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t')).map_or(&[][..], |at| &rest[at..]);
    let clean = behind.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..));
    let sound = digits > 0 && line.len() < MAX_CHUNK_LINE_BYTES && clean && matches!(behind, [] | [b';', ..]);
    let text = std::str::from_utf8(size).ok()?;
    // Zeros in front are no overflow.
    let text = text.trim_start_matches('0');
    sound.then_some(())?;
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 16).ok() }
}

/// Whether bytes without a line feed can begin a size line.
fn is_start_of_line(start: &[u8]) -> bool {
    if start.is_empty() {
        return true;
    }
    let line = start.strip_suffix(b"\r").unwrap_or(start);
    size_line(line).is_some()
}

fn trailers(rest: &[u8], at: usize, body: Vec<u8>) -> Verdict {
    let mut line_at = 0;
    loop {
        let line = &rest[line_at..];
        let Some(feed) = line.iter().position(|byte| *byte == b'\n') else {
            // What comes later decides; a line that can't be one is refused at the block's end.
            return if rest.len() > MOST_TRAILERS { Verdict::Bad } else { Verdict::More };
        };
        let text = line[..feed].strip_suffix(b"\r").unwrap_or(&line[..feed]);
        line_at += feed + 1;
        if text.is_empty() {
            let sound = line_at <= MOST_TRAILERS
                && rest[..line_at].split(|byte| *byte == b'\n').all(is_field_or_empty);
            let whole = Verdict::Whole { body, length: at + line_at };
            return if sound { whole } else { Verdict::Bad };
        }
    }
}

fn is_field_or_empty(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return line.is_empty() };
    let token = |byte: &u8| weft_types::head::is_token_byte(*byte);
    let name = &line[..colon];
    !name.is_empty()
        && name.iter().all(token)
        && line[colon + 1..].iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..))
}
