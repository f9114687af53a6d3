//! Choosing the virtual host by authority (VS-28).

use std::sync::Arc;

use weft_tables::route::{RouteConfig, VirtualHost};

/// The virtual host for an authority: exact domain, then the longest `*suffix`, then the longest
/// `prefix*`, then `*`. Case and, if the configuration says so, the port do not count.
#[must_use]
pub fn find_host<'a>(config: &'a RouteConfig, authority: &str) -> Option<&'a Arc<VirtualHost>> {
    let host = if config.ignore_port { without_port(authority) } else { authority };
    let lower = host.to_ascii_lowercase();
    let index = &config.domains;
    let found = index
        .exact
        .get(&*lower)
        .copied()
        // A wildcard stands for at least one character.
        .or_else(|| longest(&index.suffixes, |s| lower.len() > s.len() && lower.ends_with(s)))
        .or_else(|| longest(&index.prefixes, |p| lower.len() > p.len() && lower.starts_with(p)))
        .or(index.any)?;
    config.virtual_hosts.get(found)
}

fn longest(entries: &[(Box<str>, usize)], fits: impl Fn(&str) -> bool) -> Option<usize> {
    entries.iter().find(|(text, _)| fits(text)).map(|(_, index)| *index)
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
