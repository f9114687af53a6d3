//! The `location` of a redirect (VS-14).

use weft_tables::route::{PathMatcher, PathRewrite, Redirect, RedirectPath};
use weft_types::RequestHead;

use crate::rewrite::rewritten_path;

/// Where a redirect sends the client.
#[must_use]
pub fn location(redirect: &Redirect, matcher: &PathMatcher, head: &RequestHead) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or(&head.scheme);
    let host = match &redirect.host {
        Some(host) => host.to_string(),
        None => request_host(head, scheme, redirect.port),
    };
    let port = redirect.port.map(|p| format!(":{p}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{}", path(redirect, matcher, head))
}

/// The `location` that turns a plaintext request into an encrypted one.
#[must_use]
pub fn https_location(head: &RequestHead) -> String {
    format!("https://{}{}", request_host(head, "https", None), head.path)
}

/// The request's host; its port goes when another is set, or when the scheme changes and it was the
/// old scheme's default.
fn request_host(head: &RequestHead, new_scheme: &str, new_port: Option<u16>) -> String {
    let host = crate::host::without_port(&head.authority);
    let port = &head.authority[host.len()..];
    let default_of_old = matches!((&*head.scheme, port), ("http", ":80") | ("https", ":443"));
    if new_port.is_some() || (default_of_old && new_scheme != &*head.scheme) {
        host.to_owned()
    } else {
        head.authority.to_string()
    }
}

fn path(redirect: &Redirect, matcher: &PathMatcher, head: &RequestHead) -> String {
    let whole = &*head.path;
    let query_at = whole.find('?').unwrap_or(whole.len());
    let (only, query) = whole.split_at(query_at);
    let query = if redirect.strip_query { "" } else { query };
    match &redirect.path {
        RedirectPath::Keep => format!("{only}{query}"),
        // A query of its own wins over the request's and is never stripped.
        RedirectPath::Replace(new) if new.contains('?') => new.to_string(),
        RedirectPath::Replace(new) => format!("{new}{query}"),
        RedirectPath::Prefix(new) => {
            format!("{}{query}", rewritten_path(only, matcher, &PathRewrite::Prefix(new.clone())))
        }
        RedirectPath::Regex(regex, substitution) => {
            format!("{}{query}", regex.replace_all(only, &*crate::rewrite::dollar_groups(substitution)))
        }
    }
}
