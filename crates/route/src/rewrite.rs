//! Changes of path and authority on the way to a cluster (VS-16).

use weft_tables::route::{Forward, HostRewrite, PathMatcher, PathRewrite, Route, WeightedCluster};
use weft_types::RequestHead;

/// Rewrites the head as weighted cluster and route say, and leaves the traces that Envoy leaves
/// (`x-envoy-original-path`, `x-envoy-original-host`, `x-forwarded-host`; the first two not with
/// `suppress_envoy_headers`). It follows the header changes of the route, and the route's host comes
/// after the weighted cluster's. The chosen endpoint's host name ([`HostRewrite::Endpoint`]) is set by
/// who chooses it, with [`set_host`].
pub fn apply(
    head: &mut RequestHead,
    route: &Route,
    forward: &Forward,
    weighted: Option<&WeightedCluster>,
    suppress_envoy_headers: bool,
) {
    if let Some(host) = weighted.and_then(|w| w.host_rewrite.as_deref()) {
        head.authority = host.into();
    }
    if let Some(host) = rewritten_host(head, forward) {
        replace_host(head, &host, forward.append_x_forwarded_host, !suppress_envoy_headers);
    }
    let Some(rewrite) = &forward.path_rewrite else { return };
    let new_path = rewritten_path(&head.path, &route.matches.path, rewrite);
    // An expression may leave nothing of the path: then it stays.
    if new_path.is_empty() {
        return;
    }
    if !suppress_envoy_headers {
        head.headers.set("x-envoy-original-path", head.path.as_bytes());
    }
    head.path = new_path.into();
}

/// Sets the authority to an endpoint's host name, keeping the old one in `x-forwarded-host` if asked,
/// and in `x-envoy-original-host`.
pub fn set_host(head: &mut RequestHead, host: &str, keep_old: bool) {
    replace_host(head, host, keep_old, true);
}

/// Sets the authority. `forwarded`: the old one joins `x-forwarded-host`, unless it is the last there;
/// `original`: it replaces `x-envoy-original-host`.
pub fn replace_host(head: &mut RequestHead, host: &str, forwarded: bool, original: bool) {
    if forwarded && !head.authority.is_empty() {
        let old = head.headers.get_joined(b"x-forwarded-host").unwrap_or_default();
        let last = old.rsplit(|b| *b == b',').find(|host| !host.is_empty());
        if last != Some(head.authority.as_bytes()) {
            let comma: &[u8] = if old.is_empty() { b"" } else { b"," };
            let value = [&*old, comma, head.authority.as_bytes()].concat();
            head.headers.set("x-forwarded-host", value);
        }
    }
    if original {
        head.headers.set("x-envoy-original-host", head.authority.as_bytes());
    }
    head.authority = host.into();
}

/// Gives a CONNECT's authority its port back, which canonicalization took off for matching. To be
/// called after the header changes of the route and before [`apply`].
pub fn restore_port(head: &mut RequestHead, port: Option<u32>) {
    if let Some(port) = port {
        head.authority = format!("{}:{port}", head.authority).into();
    }
}

fn rewritten_host(head: &RequestHead, forward: &Forward) -> Option<String> {
    match forward.host_rewrite.as_ref()? {
        HostRewrite::Literal(host) => Some(host.to_string()),
        HostRewrite::Endpoint => None,
        HostRewrite::Header(name) => {
            head.headers.get_str(&**name).filter(|v| !v.is_empty()).map(str::to_owned)
        }
        HostRewrite::PathRegex(regex, substitution) => {
            Some(regex.replace_all(head.path_only(), &*dollar_groups(substitution)).into_owned())
        }
    }
}

/// The path after a rewrite; the query stays. Empty if an expression leaves nothing.
#[must_use]
pub fn rewritten_path(path: &str, matcher: &PathMatcher, rewrite: &PathRewrite) -> String {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let (only, rest) = path.split_at(end);
    let new = match rewrite {
        PathRewrite::Prefix(replacement) => {
            let matched = match matcher {
                PathMatcher::Prefix(p) | PathMatcher::PathSeparatedPrefix(p) => p.len(),
                _ => only.len(),
            };
            format!("{replacement}{}", only.get(matched..).unwrap_or_default())
        }
        PathRewrite::Regex(regex, substitution) => {
            regex.replace_all(only, &*dollar_groups(substitution)).into_owned()
        }
        PathRewrite::Path(new) => new.to_string(),
    };
    if new.is_empty() { new } else { new + rest }
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

#[cfg(test)]
mod tests;
