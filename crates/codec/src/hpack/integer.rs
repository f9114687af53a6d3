//! Integers with a prefix (RFC 7541 section 5.1).

use super::HpackError;

/// Reads an integer whose first byte gives it the low `bits` bits; returns it and what follows.
///
/// # Errors
/// The input ends within it, or it has more than four continuation bytes.
pub(super) fn read(input: &[u8], bits: u32) -> Result<(usize, &[u8]), HpackError> {
    let (first, mut rest) = input.split_first().ok_or(HpackError::Truncated)?;
    let mask = (1_usize << bits) - 1;
    let mut value = usize::from(*first) & mask;
    if value < mask {
        return Ok((value, rest));
    }
    for shift in [0, 7, 14, 21] {
        let (byte, after) = rest.split_first().ok_or(HpackError::Truncated)?;
        rest = after;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value, rest));
        }
    }
    Err(HpackError::IntegerTooLarge)
}

/// Writes `value` with a prefix of `bits` bits; `flags` are the bits above the prefix.
pub(super) fn write(mut value: usize, bits: u32, flags: u8, out: &mut Vec<u8>) {
    let mask = (1_usize << bits) - 1;
    if value < mask {
        out.push(flags | low_byte(value));
        return;
    }
    out.push(flags | low_byte(mask));
    value -= mask;
    while value >= 0x80 {
        out.push(0x80 | low_byte(value & 0x7f));
        value >>= 7;
    }
    out.push(low_byte(value));
}

fn low_byte(value: usize) -> u8 {
    (value & 0xff) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 appendix C.1.
    #[test]
    fn examples_of_the_rfc() {
        for (value, bits, bytes) in
            [(10, 5, &[10_u8][..]), (1337, 5, &[0x1f, 0x9a, 0x0a]), (42, 8, &[42]), (31, 5, &[0x1f, 0])]
        {
            let mut out = Vec::new();
            write(value, bits, 0, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(read(bytes, bits), Ok((value, &[][..])));
        }
    }

    #[test]
    fn refuses_cut_and_endless_integers() {
        assert_eq!(read(&[], 5), Err(HpackError::Truncated));
        assert_eq!(read(&[0x1f, 0x80], 5), Err(HpackError::Truncated));
        assert_eq!(read(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0x01], 5), Err(HpackError::IntegerTooLarge));
        assert_eq!(read(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00], 5), Err(HpackError::IntegerTooLarge));
    }
}
