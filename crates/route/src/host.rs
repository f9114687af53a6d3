//! Choosing the virtual host by authority (VS-28).

use std::sync::Arc;

use weft_tables::route::{RouteConfig, VirtualHost};

/// The virtual host for an authority: exact domain, then the longest `*suffix`, then the longest
/// `prefix*`, then `*`. Case and, if the configuration says so, the port do not count.
#[must_use]
pub fn find_host<'a>(config: &'a RouteConfig, authority: &str) -> Option<&'a Arc<VirtualHost>> {
    let end = if config.ignore_port { port_start(authority) } else { None };
    let host = authority.get(..end.unwrap_or(authority.len())).unwrap_or_default();
    let lower = host.to_ascii_lowercase();
    let index = &config.domains;
    let found = index
        .exact
        .get(&*lower)
        .copied()
        .or_else(|| index.suffixes.suffix_of(&lower))
        .or_else(|| index.prefixes.prefix_of(&lower))
        .or(index.any)?;
    config.virtual_hosts.get(found)
}

/// Where the colon of a port would stand: the last one that is not within the brackets of an IPv6
/// literal. What follows it need not be a number.
#[must_use]
pub fn port_start(authority: &str) -> Option<usize> {
    let colon = authority.rfind(':')?;
    authority.rfind(']').is_none_or(|bracket| bracket < colon).then_some(colon)
}

/// An authority without its port; brackets of an IPv6 literal stay.
#[must_use]
pub fn without_port(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon)
            if authority[colon + 1..].bytes().all(|b| b.is_ascii_digit())
                && (!authority[..colon].contains(':') || authority[..colon].ends_with(']')) =>
        {
            &authority[..colon]
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::routes;

    const DOMAINS: &[&str] =
        &["exact.test", "exact.test:80", "*.test", "*-x.test", "*.long.test", "start.*", "start.lo*", "*"];

    fn found(domains: &[&str], ignore_port: bool, authority: &str) -> Option<String> {
        let hosts: Vec<String> =
            domains.iter().map(|d| format!("{{name: {d:?}, domains: [{d:?}], routes: []}}")).collect();
        let config = routes(&format!(
            "ignore_port_in_host_matching: {ignore_port}, virtual_hosts: [{}]",
            hosts.join(", ")
        ));
        find_host(&config, authority).map(|host| host.name.to_string())
    }

    #[test]
    fn exact_then_longest_suffix_then_longest_prefix_then_any() {
        for (authority, want) in [
            ("exact.test", "exact.test"),
            ("EXACT.Test", "exact.test"),
            ("exact.test:80", "exact.test:80"),
            ("a.test", "*.test"),
            ("a-x.test", "*-x.test"),
            ("a.long.test", "*.long.test"),
            ("start.test", "*.test"),
            ("start.a", "start.*"),
            ("start.local", "start.lo*"),
            ("start.", "*"),
            (".test", "*"),
            ("other", "*"),
            ("exact.test:81", "*"),
        ] {
            assert_eq!(found(DOMAINS, false, authority).as_deref(), Some(want), "{authority}");
        }
        assert_eq!(found(&["a"], false, "b"), None);
    }

    #[test]
    fn ports_do_not_count_where_told_so() {
        let domains = ["exact.test", "[::1]"];
        for authority in ["exact.test:1", "exact.test:", "exact.test:abc", "EXACT.test"] {
            assert_eq!(found(&domains, true, authority).as_deref(), Some("exact.test"), "{authority}");
        }
        assert_eq!(found(&domains, true, "[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(found(&domains, true, "[::1]").as_deref(), Some("[::1]"));
        assert_eq!(found(&domains, false, "exact.test:1"), None);
    }

    #[test]
    fn ports_are_told_from_addresses() {
        for (authority, want) in [
            ("a:1", "a"),
            ("a", "a"),
            ("[::1]:2", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("a:b", "a:b"),
        ] {
            assert_eq!(without_port(authority), want);
        }
    }

    proptest! {
        /// A more specific domain of the same kind never loses to a less specific one.
        #[test]
        fn the_longest_wins(a in "[ab.]{1,4}", b in "[ab.]{1,4}", rest in "[ab]{1,3}") {
            let (short, long) = (format!("*{b}"), format!("*{a}{b}"));
            let host = format!("{rest}{a}{b}");
            prop_assert_eq!(found(&[&short, &long], false, &host), Some(long));
            let (short, long) = (format!("{a}*"), format!("{a}{b}*"));
            prop_assert_eq!(found(&[&short, &long], false, &format!("{a}{b}{rest}")), Some(long));
        }

        #[test]
        fn any_authority_is_only_looked_up(authority: String, ignore_port: bool) {
            let _ = found(DOMAINS, ignore_port, &authority);
            prop_assert!(without_port(&authority).len() <= authority.len());
        }
    }
}
