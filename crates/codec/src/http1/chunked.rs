//! The chunked coding, as received (RFC 9112 section 7.1).
//!
//! Stricter than Envoy in one way: every line end of the coding is CR LF, and what follows chunk
//! data must be one. Readers that differ there are how requests are smuggled.

use bytes::{Buf, Bytes, BytesMut};
use weft_types::Headers;

use super::chars::{self, VALUE};
use super::fields::{self, Kind};
use super::lines::{self, Lines};
use super::number::hex_digit;
use super::verdict::{HEADERS_TOO_LARGE, bad, refuse};
use crate::{CodecError, Limits};

/// Largest line that states a chunk's size, extensions included, in bytes. Extensions mean nothing
/// to anybody and are skipped; a peer that sends more of them than this is at play.
pub const MAX_CHUNK_LINE_BYTES: usize = 4096;

/// Decoder of one chunked body.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
}

#[derive(Debug)]
enum State {
    Line(SizeLine),
    Data { left: u64 },
    DataEnd,
    Trailers { scanned: usize },
}

/// A piece of a chunked body.
#[derive(Debug)]
pub(super) enum Chunk {
    /// Data; `end` when it is the last and no trailers follow.
    Data { data: Bytes, end: bool },
    /// The end, with the trailer fields.
    End(Headers),
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Line(SizeLine::default()) }
    }

    /// Takes the next piece out of `input`; `None` when more is needed.
    pub(super) fn read(
        &mut self,
        input: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<Chunk>, CodecError> {
        loop {
            match &mut self.state {
                State::Line(line) => match line.read(input)? {
                    None => return Ok(None),
                    Some(0) => self.state = State::Trailers { scanned: 0 },
                    Some(left) => self.state = State::Data { left },
                },
                State::Data { left } => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    if here == 0 {
                        return Ok(None);
                    }
                    *left -= here as u64;
                    let over = *left == 0;
                    let data = input.split_to(here).freeze();
                    if over {
                        self.state = State::DataEnd;
                    }
                    let end = over && Self::take_plain_end(input);
                    return Ok(Some(Chunk::Data { data, end }));
                }
                State::DataEnd => match input.get(..2) {
                    Some(b"\r\n") => {
                        input.advance(2);
                        self.state = State::Line(SizeLine::default());
                    }
                    None if input.first().is_none_or(|byte| *byte == b'\r') => return Ok(None),
                    _ => return Err(bad("chunk data longer than its size says")),
                },
                State::Trailers { scanned } => {
                    let end = lines::block_end(input, scanned);
                    if end.unwrap_or(input.len()) > limits.max_head_bytes {
                        return Err(refuse(431, HEADERS_TOO_LARGE, "trailers too large"));
                    }
                    let Some(end) = end else { return Ok(None) };
                    let block = input.split_to(end);
                    return read_trailers(&block, limits).map(|trailers| Some(Chunk::End(trailers)));
                }
            }
        }
    }

    /// Takes the end of the body if all of it is here already, which it mostly is: so the last data
    /// is known to be the last.
    fn take_plain_end(input: &mut BytesMut) -> bool {
        const PLAIN_END: &[u8] = b"\r\n0\r\n\r\n";
        let here = input.starts_with(PLAIN_END);
        if here {
            input.advance(PLAIN_END.len());
        }
        here
    }
}

fn read_trailers(block: &[u8], limits: &Limits) -> Result<Headers, CodecError> {
    if !limits.http1_trailers {
        // What is no field is refused all the same.
        fields::parse(Lines::new(block), Kind::Trailers, 0, limits)?;
        return Ok(Headers::new());
    }
    fields::parse(Lines::new(block), Kind::Trailers, block.len(), limits).map(|fields| fields.headers)
}

/// The line `1*HEXDIG *( ";" extension ) CRLF`, read byte by byte so that nothing of it is kept.
#[derive(Debug, Default)]
struct SizeLine {
    size: u64,
    length: usize,
    part: Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Start,
    Digits,
    Blank,
    Extension,
    Feed,
}

impl SizeLine {
    /// Takes bytes up to the line's end; the size when it came.
    fn read(&mut self, input: &mut BytesMut) -> Result<Option<u64>, CodecError> {
        let mut taken = 0;
        for byte in input.iter() {
            taken += 1;
            if self.part == Part::Feed {
                if *byte != b'\n' {
                    return Err(bad("carriage return inside a chunk size line"));
                }
                input.advance(taken);
                return Ok(Some(self.size));
            }
            self.step(*byte)?;
        }
        input.clear();
        Ok(None)
    }

    fn step(&mut self, byte: u8) -> Result<(), CodecError> {
        self.length += 1;
        if self.length > MAX_CHUNK_LINE_BYTES {
            return Err(bad("chunk size line too long"));
        }
        self.part = match (self.part, byte) {
            (Part::Digits | Part::Blank | Part::Extension, b'\r') => Part::Feed,
            (Part::Digits | Part::Blank, b';') => Part::Extension,
            (Part::Digits | Part::Blank, b' ' | b'\t') => Part::Blank,
            (Part::Extension, byte) if chars::is(byte, VALUE) => Part::Extension,
            (Part::Start | Part::Digits, byte) => {
                let digit = hex_digit(byte).ok_or_else(|| bad("malformed chunk size"))?;
                let size = self.size.checked_mul(16).ok_or_else(|| bad("chunk size too large"))?;
                self.size = size | digit;
                Part::Digits
            }
            _ => return Err(bad("malformed chunk size line")),
        };
        Ok(())
    }
}
