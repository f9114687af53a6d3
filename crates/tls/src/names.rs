//! Comparing subject alternative names.

use weft_match::StringMatcher;
use weft_tables::tls::{SanKind, SanMatcher};

use crate::certificate::Certificate;

/// Whether one of the certificate's names is `name`: a DNS name (with wildcards), URI or address.
pub(crate) fn has_name(facts: &Certificate, name: &str) -> bool {
    facts.dns_sans.iter().any(|san| dns_matches(san, name))
        || facts.uri_sans.iter().any(|san| san == name)
        || name.parse().is_ok_and(|address| facts.ip_sans.contains(&address))
}

/// Whether one of the certificate's names of the matcher's kind passes it.
pub(crate) fn matches_san(matcher: &SanMatcher, facts: &Certificate) -> bool {
    let test = |text: &str| matcher.matcher.matches(text.as_bytes());
    let dns = || {
        facts.dns_sans.iter().any(|san| match &matcher.matcher {
            // Only an exact matcher names a host; the certificate's wildcard may stand for it.
            StringMatcher::Exact(name, _) => dns_matches(san, name),
            _ => test(san),
        })
    };
    let uri = || facts.uri_sans.iter().any(|san| test(san));
    let email = || facts.email_sans.iter().any(|san| test(san));
    let ip = || facts.ip_sans.iter().any(|san| test(&san.to_string()));
    match matcher.kind {
        SanKind::Any => dns() || uri() || email() || ip(),
        SanKind::Dns => dns(),
        SanKind::Uri => uri(),
        SanKind::Email => email(),
        SanKind::Ip => ip(),
    }
}

/// Whether the certificate's DNS name `pattern` stands for `name`: equal without regard to case, or
/// `*.` for exactly one label (RFC 6125 section 6.4.3).
pub(crate) fn dns_matches(pattern: &str, name: &str) -> bool {
    if pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    let Some(parent) = pattern.strip_prefix("*.") else { return false };
    name.split_once('.').is_some_and(|(label, rest)| {
        !label.is_empty() && !rest.is_empty() && rest.eq_ignore_ascii_case(parent)
    })
}

#[cfg(test)]
mod tests {
    use super::dns_matches;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(dns_matches("A.example", "a.EXAMPLE"));
        assert!(dns_matches("*.example", "a.example"));
        for (pattern, name) in
            [("*.example", "a.b.example"), ("*.example", "example"), ("*.example", ".example"), ("*", "a")]
        {
            assert!(!dns_matches(pattern, name), "{pattern} {name}");
        }
    }
}
