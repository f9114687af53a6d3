//! Changes of path and authority on the way to a cluster (VS-16).

use weft_tables::route::{Forward, HostRewrite, PathMatcher, PathRewrite, Route, WeightedCluster};
use weft_types::RequestHead;

/// Rewrites the head as route and weighted cluster say, and leaves the traces that Envoy leaves
/// (`x-envoy-original-path`, `x-forwarded-host`) unless `suppress_envoy_headers`. `endpoint_host` is
/// the chosen endpoint's host name, if it has one.
pub fn apply(
    head: &mut RequestHead,
    route: &Route,
    forward: &Forward,
    weighted: Option<&WeightedCluster>,
    suppress_envoy_headers: bool,
) {
    if let Some(host) = rewritten_host(head, forward, weighted) {
        if !suppress_envoy_headers && *head.authority != *host {
            let old = head.authority.clone();
            head.headers.set("x-envoy-original-host", old.as_bytes());
        }
        set_host(head, &host, forward.append_x_forwarded_host);
    }
    let Some(rewrite) = &forward.path_rewrite else { return };
    let new_path = rewritten_path(&head.path, &route.matches.path, rewrite);
    if !suppress_envoy_headers {
        head.headers.set("x-envoy-original-path", head.path.as_bytes());
    }
    head.path = new_path.into();
}

/// Sets the authority, keeping the old one in `x-forwarded-host` if asked.
pub fn set_host(head: &mut RequestHead, host: &str, keep_old: bool) {
    if keep_old && *head.authority != *host && !head.authority.is_empty() {
        append_comma_separated(head, "x-forwarded-host");
    }
    head.authority = host.into();
}

fn append_comma_separated(head: &mut RequestHead, name: &str) {
    let old = head.headers.get_str(name).map(str::to_owned);
    let value = match old {
        Some(old) if !old.is_empty() => format!("{old},{}", head.authority),
        _ => head.authority.to_string(),
    };
    head.headers.set(name, value);
}

fn rewritten_host(
    head: &RequestHead,
    forward: &Forward,
    weighted: Option<&WeightedCluster>,
) -> Option<String> {
    if let Some(host) = weighted.and_then(|w| w.host_rewrite.as_deref()) {
        return Some(host.to_owned());
    }
    match forward.host_rewrite.as_ref()? {
        HostRewrite::Literal(host) => Some(host.to_string()),
        // The endpoint is known only once it is chosen; the proxy sets it then.
        HostRewrite::Endpoint => None,
        HostRewrite::Header(name) => {
            head.headers.get_str(&**name).filter(|v| !v.is_empty()).map(str::to_owned)
        }
        HostRewrite::PathRegex(regex, substitution) => {
            Some(regex.replace_all(head.path_only(), &*dollar_groups(substitution)).into_owned())
        }
    }
}

/// The path after a rewrite; the query stays.
#[must_use]
pub fn rewritten_path(path: &str, matcher: &PathMatcher, rewrite: &PathRewrite) -> String {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let (only, rest) = path.split_at(end);
    match rewrite {
        PathRewrite::Prefix(replacement) => {
            let matched = match matcher {
                PathMatcher::Prefix(p) | PathMatcher::PathSeparatedPrefix(p) => p.len().min(only.len()),
                _ => only.len(),
            };
            format!("{replacement}{}{rest}", only.get(matched..).unwrap_or_default())
        }
        PathRewrite::Regex(regex, substitution) => {
            format!("{}{rest}", regex.replace_all(only, &*dollar_groups(substitution)))
        }
        PathRewrite::Path(new) => format!("{new}{rest}"),
    }
}

/// RE2's `\1` in the form of the regex crate, `${1}`; `$` itself is doubled.
#[must_use]
pub fn dollar_groups(substitution: &str) -> String {
    let mut out = String::with_capacity(substitution.len() + 4);
    let mut characters = substitution.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek()) {
            ('\\', Some(d)) if d.is_ascii_digit() => {
                out.push_str("${");
                out.push(*d);
                out.push('}');
                characters.next();
            }
            ('\\', Some('\\')) => {
                out.push('\\');
                characters.next();
            }
            ('$', _) => out.push_str("$$"),
            _ => out.push(c),
        }
    }
    out
}
