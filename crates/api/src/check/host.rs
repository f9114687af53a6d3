//! Host names.

use std::net::IpAddr;

use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::report::Report;

/// Which forms a host may have where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A name or an address.
    NameOrAddress,
    /// A name, perhaps with a wildcard at its front, or `*`.
    Wildcard,
    /// Any of these.
    Any,
}

/// Checks a host.
pub(super) fn check(r: &mut Report, host: &str, form: Form) {
    let wildcards = matches!(form, Form::Wildcard | Form::Any);
    let addresses = matches!(form, Form::NameOrAddress | Form::Any);
    if addresses && host.parse::<IpAddr>().is_ok() {
        return;
    }
    match fault(host, wildcards) {
        None => {}
        Some(fault) => r.error(Code::Host, format!("{:?} is not a host: {fault}", shorten(host))),
    }
}

/// What is wrong with a host name.
fn fault(host: &str, wildcards: bool) -> Option<&'static str> {
    if host.is_empty() {
        return Some("it is empty");
    }
    if host.len() > 255 {
        return Some("it is longer than 255 bytes");
    }
    if host.contains('*') && !wildcards {
        return Some("a wildcard has no meaning here");
    }
    if host == "*" {
        return None;
    }
    // A dot at the end makes a name absolute.
    let name = host.strip_suffix('.').unwrap_or(host);
    let name = name.strip_prefix("*.").unwrap_or(name);
    let name = name.strip_prefix("*-").or_else(|| name.strip_prefix('*')).unwrap_or(name);
    if name.contains('*') {
        return Some("a wildcard must stand at the front");
    }
    if host.contains("://") {
        return Some("leave the scheme out");
    }
    if name.contains(':') {
        return Some("leave the port out");
    }
    let labels = || name.split('.');
    if !labels().all(is_label) {
        return Some("each part must be 1 to 63 letters, digits and inner hyphens");
    }
    if labels().next_back().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        return Some("its last part must not be a number");
    }
    None
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

/// Whether each name that `part` covers is covered by `whole`.
pub(super) fn covers(whole: &str, part: &str) -> bool {
    match whole.strip_prefix('*') {
        Some(suffix) => {
            part.len() >= suffix.len() && part.to_ascii_lowercase().ends_with(&suffix.to_ascii_lowercase())
        }
        None => whole.eq_ignore_ascii_case(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_wildcards_and_their_faults() {
        for host in
            ["reviews", "reviews.default.svc.cluster.local", "a-b.c", "A.example.com", "a.example.com."]
        {
            assert_eq!(fault(host, false), None, "{host}");
        }
        for host in ["*", "*.example.com", "*-a.example.com", "*.com"] {
            assert_eq!(fault(host, true), None, "{host}");
            assert!(fault(host, false).is_some(), "{host}");
        }
        for host in
            ["", ".", "a..b", "-a", "a-", "a b", "a.*", "*.*.a", "http://a", "a:80", "1.2.3.4", "a.1", "a/b"]
        {
            assert!(fault(host, true).is_some(), "{host}");
        }
    }

    #[test]
    fn wildcards_cover() {
        assert!(covers("*.example.com", "a.b.example.com"));
        assert!(covers("*.example.com", "*.b.example.com"));
        assert!(covers("*", "a"));
        assert!(!covers("*.example.com", "example.com"));
        assert!(!covers("a.example.com", "*.example.com"));
    }
}
