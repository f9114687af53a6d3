//! Huffman coding of strings (RFC 7541 section 5.2).

use super::HpackError;
use super::huffman_code::{CODES, EOS, SHORT, SORTED, SPANS};

/// Bits of the longest code.
const LONGEST_CODE: u32 = 30;

/// Bytes that `text` takes when coded.
pub(super) fn encoded_length(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|b| usize::from(CODES[usize::from(*b)].length)).sum();
    bits.div_ceil(8)
}

/// Appends the code of `text`.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let mut held = 0_u64;
    let mut count = 0_u32;
    for byte in text {
        let code = CODES[usize::from(*byte)];
        held = held << code.length | u64::from(code.bits);
        count += u32::from(code.length);
        while count >= 8 {
            count -= 8;
            out.push((held >> count & 0xff) as u8);
        }
    }
    if count > 0 {
        // Padded with the first bits of EOS, which are ones.
        let padding = 8 - count;
        out.push(((held << padding | ((1 << padding) - 1)) & 0xff) as u8);
    }
}

/// Appends the text that `input` codes.
///
/// # Errors
/// EOS within the string, or padding that is not the start of EOS or longer than 7 bits.
pub(super) fn decode(mut input: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    // No code is shorter than 5 bits.
    out.reserve(input.len() * 8 / 5);
    // The next bits, left-aligned; `count` of them are real.
    let mut held = 0_u64;
    let mut count = 0_u32;
    loop {
        while count <= 56 {
            let Some((byte, rest)) = input.split_first() else { break };
            held |= u64::from(*byte) << (56 - count);
            count += 8;
            input = rest;
        }
        // What is held serves several symbols.
        while count >= LONGEST_CODE {
            let (symbol, length) = next_symbol(held);
            let Ok(byte) = u8::try_from(symbol) else { return Err(HpackError::InvalidHuffman) };
            out.push(byte);
            held <<= length;
            count -= length;
        }
        if !input.is_empty() {
            continue;
        }
        let (symbol, length) = next_symbol(held);
        if length > count {
            return check_padding(held, count);
        }
        let Ok(byte) = u8::try_from(symbol) else { return Err(HpackError::InvalidHuffman) };
        out.push(byte);
        held <<= length;
        count -= length;
    }
}

/// The symbol that the left-aligned bits begin with, and the bits of its code.
fn next_symbol(held: u64) -> (u16, u32) {
    let short = SHORT[usize::from((held >> 56) as u8)];
    if short.length > 0 {
        return (u16::from(short.symbol), u32::from(short.length));
    }
    let window = held >> 32;
    for (length, span) in (0_u32..).zip(&SPANS).skip(9) {
        if window < span.end {
            let index = span.offset + ((window >> (32 - length)) as usize - span.first as usize);
            return (SORTED.get(index).copied().unwrap_or(EOS), length);
        }
    }
    (EOS, 30)
}

fn check_padding(held: u64, count: u32) -> Result<(), HpackError> {
    let ones = held.leading_ones() >= count;
    if count < 8 && ones { Ok(()) } else { Err(HpackError::InvalidHuffman) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        let mut coded = Vec::new();
        encode(&all, &mut coded);
        assert_eq!(coded.len(), encoded_length(&all));
        let mut back = Vec::new();
        decode(&coded, &mut back).unwrap();
        assert_eq!(back, all);
    }

    #[test]
    fn refuses_wrong_padding_and_eos() {
        for bad in [
            // "0" (5 bits) padded with zeros.
            &[0b0000_0000_u8][..],
            // "0" padded with a whole byte too much.
            &[0b0000_0111, 0xff],
            // Only padding, a whole byte.
            &[0xff],
            // EOS itself.
            &[0xff, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0xfc],
        ] {
            assert_eq!(decode(bad, &mut Vec::new()), Err(HpackError::InvalidHuffman), "{bad:x?}");
        }
        let mut out = Vec::new();
        decode(&[0b0000_0111], &mut out).unwrap();
        assert_eq!(out, b"0");
        decode(&[], &mut out).unwrap();
    }
}
