//! What a field, a pseudo-header field and a path may hold (RFC 9113 sections 8.2 and 8.3), as
//! Envoy 1.40 applies it.

/// The bytes of which something may consist.
struct Bytes([bool; 256]);

impl Bytes {
    const fn of(bytes: &[u8]) -> Self {
        Self([false; 256]).and(bytes)
    }

    const fn and(mut self, bytes: &[u8]) -> Self {
        let mut index = 0;
        while index < bytes.len() {
            self.0[bytes[index] as usize] = true;
            index += 1;
        }
        self
    }

    fn make_up(&self, text: &[u8]) -> bool {
        text.iter().all(|b| self.0[usize::from(*b)])
    }
}

const DIGITS: &[u8] = b"0123456789";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static NAME: Bytes = Bytes::of(b"!#$%&'*+-.^_`|~").and(DIGITS).and(LOWER);
static TOKEN: Bytes = Bytes::of(b"!#$%&'*+-.^_`|~").and(DIGITS).and(LOWER).and(UPPER);
static SCHEME: Bytes = Bytes::of(b"+-.").and(DIGITS).and(LOWER).and(UPPER);
static AUTHORITY: Bytes = Bytes::of(b"-._~!$&'()*+,;=:[]%").and(DIGITS).and(LOWER).and(UPPER);

/// Whether it is a name of an ordinary field: a token without upper-case letters.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && NAME.make_up(name)
}

/// Whether it is a field value: no control character but the tabulator.
pub(super) fn is_value(value: &[u8]) -> bool {
    // Looks at all bytes whatever comes, so that many are compared at once.
    !value.iter().fold(false, |bad, b| bad | ((*b < 0x20) & (*b != b'\t')) | (*b == 0x7f))
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
    !value.is_empty() && TOKEN.make_up(value)
}

/// Whether it is a scheme (RFC 3986 section 3.1).
pub(super) fn is_scheme(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_alphabetic) && SCHEME.make_up(value)
}

/// Whether it is an authority without user information (RFC 9113 section 8.3.1).
pub(super) fn is_authority(value: &[u8]) -> bool {
    !value.is_empty() && AUTHORITY.make_up(value)
}

/// Whether it has only bytes that a path may have: no space, no control character.
pub(super) fn is_target(value: &[u8]) -> bool {
    !value.is_empty() && !value.iter().fold(false, |bad, b| bad | (*b <= 0x20) | (*b == 0x7f))
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
    fn each_byte_has_its_place() {
        let token = |b: u8| weft_types::head::is_token_byte(b);
        for byte in 0..=255_u8 {
            let text = [byte];
            assert_eq!(is_method(&text), token(byte));
            assert_eq!(is_name(&text), token(byte) && !byte.is_ascii_uppercase());
            assert_eq!(is_value(&text), matches!(byte, b'\t' | 0x20..=0x7e | 0x80..));
            assert_eq!(is_target(&text), matches!(byte, 0x21..=0x7e | 0x80..));
            assert_eq!(is_scheme(&text), byte.is_ascii_alphabetic());
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
