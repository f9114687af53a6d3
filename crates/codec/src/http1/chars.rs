//! Which bytes may stand where.

/// A field name: token bytes (RFC 9110 section 5.6.2).
pub(super) const NAME: u8 = 1;
/// A field value, reason phrase or chunk extension: no control bytes but tab.
pub(super) const VALUE: u8 = 2;
/// A request target: visible ASCII. Wider than RFC 3986, as in Envoy.
pub(super) const TARGET: u8 = 4;
/// An authority of a `Host` field, as in Envoy: unreserved, sub-delims, `:`, `@`, `[`, `]`, `%`.
pub(super) const AUTHORITY: u8 = 8;
/// A registered name or IPv4 address in a request target, as in Envoy: letters, digits, `-`, `.`.
pub(super) const HOST: u8 = 16;

static CLASSES: [u8; 256] = classes();

/// Whether all bytes are of the class.
pub(super) fn all(bytes: &[u8], class: u8) -> bool {
    // Without a way out in the middle: heads are nearly always fine, and a loop without branches is fast.
    bytes.iter().fold(class, |seen, byte| seen & CLASSES[usize::from(*byte)]) != 0
}

/// Whether a field's value has no control bytes but tab: [`all`] of [`VALUE`], eight bytes at a time.
pub(super) fn all_value(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let Some(last) = bytes.last_chunk::<8>() else { return all(rest, VALUE) };
    // The last eight bytes overlap the words before them, so that nothing is left over.
    let control = words.iter().chain([last]).fold(0, |seen, word| seen | controls(u64::from_ne_bytes(*word)));
    control == 0 || all(bytes, VALUE)
}

/// Not 0 if one of the bytes is a control byte (tab among them).
fn controls(word: u64) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let below_blank = word.wrapping_sub(EACH * 0x20) & !word;
    let delete = word ^ (EACH * 0x7f);
    (below_blank | (delete.wrapping_sub(EACH) & !delete)) & (EACH * 0x80)
}

/// Whether the byte is of the class.
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Whether the byte is a control byte that makes a head invalid as such (NUL, DEL …), rather than
/// one that separates (tab, CR, LF).
pub(super) fn is_forbidden_control(byte: u8) -> bool {
    (byte < 0x20 && !matches!(byte, b'\t' | b'\r' | b'\n')) || byte == 0x7f
}

/// The value without blanks around it.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        let alphanumeric = byte.is_ascii_alphanumeric();
        let visible = byte > 0x20 && byte < 0x7f;
        let mut class = 0;
        if alphanumeric || among(byte, b"!#$%&'*+-.^_`|~") {
            class |= NAME;
        }
        if visible || byte >= 0x80 || byte == b' ' || byte == b'\t' {
            class |= VALUE;
        }
        if visible {
            class |= TARGET;
        }
        if alphanumeric || among(byte, b"!$%&'()*+,-.:;=@[]_~") {
            class |= AUTHORITY;
        }
        if alphanumeric || among(byte, b"-.") {
            class |= HOST;
        }
        table[index] = class;
        index += 1;
    }
    table
}

const fn among(byte: u8, set: &[u8]) -> bool {
    let mut index = 0;
    while index < set.len() {
        if set[index] == byte {
            return true;
        }
        index += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_alike_by_words_and_by_bytes() {
        for byte in 0..=255 {
            for length in 1..20 {
                for at in 0..length {
                    let mut value = vec![b'a'; length];
                    value[at] = byte;
                    assert_eq!(all_value(&value), all(&value, VALUE), "{byte:#x} at {at} of {length}");
                    value[length - 1 - at] = 0xff;
                    assert_eq!(all_value(&value), all(&value, VALUE), "{byte:#x} beside 0xff");
                }
            }
        }
        assert!(all_value(b""));
    }
}
