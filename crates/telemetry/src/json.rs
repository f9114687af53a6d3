//! Writing JSON strings.

use std::io::Write as _;

/// Appends `text` as a JSON string with quotes. Bytes that are not UTF-8 become U+FFFD.
pub fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                // Writing to a Vec cannot fail.
                0..0x20 | 0x7f => drop(write!(out, "\\u{byte:04x}")),
                _ => out.push(byte),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

/// Appends a number: whole ones without a fraction, and `null` for what JSON has no number for.
pub fn write_number(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        drop(write!(out, "{number}"));
    } else {
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_become_a_string_that_parses_to_their_text(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut out = Vec::new();
            write_string(&mut out, &bytes);
            let parsed: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(parsed, String::from_utf8_lossy(&bytes));
        }
    }
}
