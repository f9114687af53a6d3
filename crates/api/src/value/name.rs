//! Names as DNS and Kubernetes have them.

/// Whether it is a DNS label: letters, digits and inner hyphens, at most 63 (RFC 1123).
pub(crate) fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

/// Whether it is the name of an object: DNS labels with dots between them, at most 253 characters.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| !part.is_empty() && is_label(part))
}

/// Says that a text is no name.
pub(crate) fn not_a_name(text: &str) -> String {
    format!("{:?} is not a name: lower-case letters, digits and inner hyphens", crate::decode::shorten(text))
}
