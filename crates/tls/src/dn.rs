//! Distinguished names as text (RFC 2253), as OpenSSL writes them and Envoy logs them.

use std::fmt::Write as _;

use x509_parser::der_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Short names of attribute types.
const SHORT: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// The name, last part first, parts joined by commas and multiple values of a part by `+`.
pub(crate) fn rfc2253(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| {
            let mut values: Vec<_> = rdn.iter().map(attribute).collect();
            values.reverse();
            values.join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let value = attribute.attr_value();
    let known = SHORT.iter().find(|(id, _)| *id == oid).map(|(_, short)| *short);
    match (known, known.and_then(|_| text(value))) {
        (Some(short), Some(text)) => format!("{short}={}", escape(&text)),
        // What has no name or is no text is dumped as DER.
        (short, _) => {
            let mut dump = format!("{}=#", short.unwrap_or(&oid));
            for byte in der(value) {
                let _ = write!(dump, "{byte:02X}");
            }
            dump
        }
    }
}

fn text(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            std::str::from_utf8(value.data).ok().map(str::to_owned)
        }
        // Latin-1, as everybody uses it.
        Tag::T61String => Some(value.data.iter().map(|b| char::from(*b)).collect()),
        Tag::BmpString => {
            let units = value.data.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            char::decode_utf16(units).collect::<Result<String, _>>().ok()
        }
        _ => None,
    }
}

/// The value with its tag and length.
fn der(value: &Any<'_>) -> Vec<u8> {
    let length = value.data.len();
    let mut out = vec![u8::try_from(value.tag().0).unwrap_or_default()];
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap_or_default());
    } else {
        let bytes = length.to_be_bytes();
        let used = bytes.iter().skip_while(|b| **b == 0).copied().collect::<Vec<_>>();
        out.push(0x80 | u8::try_from(used.len()).unwrap_or_default());
        out.extend(used);
    }
    out.extend_from_slice(value.data);
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b'#' | b' ' if at == 0 => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' ' if at == last => out.push_str("\\ "),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::prelude::FromDer;

    fn rdn(oid_tail: u8, tag: u8, value: &[u8]) -> Vec<u8> {
        let mut inner = vec![0x06, 0x03, 0x55, 0x04, oid_tail, tag, value.len() as u8];
        inner.extend_from_slice(value);
        let mut set = vec![0x31, inner.len() as u8 + 2, 0x30, inner.len() as u8];
        set.extend(inner);
        set
    }

    fn name(parts: &[Vec<u8>]) -> String {
        let body = parts.concat();
        let mut der = vec![0x30, body.len() as u8];
        der.extend(body);
        let (_, parsed) = X509Name::from_der(&der).unwrap();
        rfc2253(&parsed)
    }

    #[test]
    fn last_part_first_with_escapes() {
        assert_eq!(
            name(&[rdn(6, 0x13, b"DE"), rdn(10, 0x0c, b"Weft, Inc"), rdn(3, 0x0c, " #ü".as_bytes())]),
            "CN=\\ #\\C3\\BC,O=Weft\\, Inc,C=DE"
        );
        // BMPString, and a type without a short name.
        assert_eq!(name(&[rdn(3, 0x1e, &[0, b'a', 0, b'b'])]), "CN=ab");
        assert_eq!(name(&[rdn(99, 0x0c, b"x")]), "2.5.4.99=#0C0178");
        assert_eq!(name(&[]), "");
    }

    #[test]
    fn text_that_is_none_is_dumped() {
        assert_eq!(name(&[rdn(3, 0x0c, &[0xff])]), "CN=#0C01FF");
    }
}
