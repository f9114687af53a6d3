//! What a field, a pseudo-header field and a path may hold (RFC 9113 sections 8.2 and 8.3), as
//! Envoy 1.40 applies it.

use weft_types::head::is_token_byte;

/// Whether it is a name of an ordinary field: a token without upper-case letters.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| NAME_BYTES[usize::from(*b)])
}

static NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let special = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    let mut index = 0;
    while index < special.len() {
        table[special[index] as usize] = true;
        index += 1;
    }
    table
};

/// Whether it is a field value: no control character but the tabulator.
pub(super) fn is_value(value: &[u8]) -> bool {
    value.iter().all(|b| matches!(b, b'\t' | 0x20..=0x7e | 0x80..))
}

/// The value without spaces and tabulators around it. The RFC calls such a field malformed; Envoy
/// takes it, and without them no next hop can be misled.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let blank = |b: &u8| *b == b' ' || *b == b'\t';
    if !value.first().is_some_and(blank) && !value.last().is_some_and(blank) {
        return value;
    }
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

/// Whether the field speaks about a connection of HTTP/1.1 and so has no place here (section 8.2.2).
pub(super) fn is_connection_specific(name: &[u8]) -> bool {
    matches!(name, b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade")
}

/// Whether it is a method.
pub(super) fn is_method(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|b| is_token_byte(*b))
}

/// Whether it is a scheme (RFC 3986 section 3.1).
pub(super) fn is_scheme(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_alphabetic)
        && value.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
}

/// Whether it is an authority without user information (RFC 9113 section 8.3.1).
pub(super) fn is_authority(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(b))
}

/// Whether it has only bytes that a path may have: no space, no control character.
pub(super) fn is_target(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|b| matches!(b, 0x21..=0x7e | 0x80..))
}

/// Reads a `content-length` value: digits only, below 2^64.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_only_around() {
        for (value, trimmed) in
            [("a", "a"), (" a\t", "a"), ("a b", "a b"), ("", ""), (" \t ", ""), ("\ta b ", "a b")]
        {
            assert_eq!(trim(value.as_bytes()), trimmed.as_bytes());
        }
    }

    #[test]
    fn content_length_is_digits() {
        assert_eq!(content_length(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["", "+1", "-1", "1 ", "5, 5", "0x1", "18446744073709551616"] {
            assert_eq!(content_length(bad.as_bytes()), None, "{bad}");
        }
    }
}
