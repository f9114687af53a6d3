//! The `location` of a redirect (VS-14).

use weft_tables::route::{PathMatcher, PathRewrite, Redirect, RedirectPath};
use weft_types::RequestHead;

use crate::host::port_start;
use crate::rewrite::rewritten_path;

/// Where a redirect sends the client.
#[must_use]
pub fn location(redirect: &Redirect, matcher: &PathMatcher, head: &RequestHead) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or(&head.scheme);
    let host = match &redirect.host {
        Some(host) => host,
        None => request_host(head, scheme, redirect.port.is_some()),
    };
    let port = redirect.port.map(|p| format!(":{p}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{}", path(redirect, matcher, head))
}

/// The `location` that turns a plaintext request into an encrypted one.
#[must_use]
pub fn https_location(head: &RequestHead) -> String {
    format!("https://{}{}", head.authority, head.path)
}

/// The request's host; its port goes when another is set, or when the scheme changes and it was the
/// old scheme's default. The old scheme is what `x-forwarded-proto` says.
fn request_host<'a>(head: &'a RequestHead, scheme: &str, other_port: bool) -> &'a str {
    let Some((host, port)) = port_start(&head.authority).and_then(|at| head.authority.split_at_checked(at))
    else {
        return &head.authority;
    };
    let old = head.headers.get_str("x-forwarded-proto").unwrap_or(&head.scheme);
    let default_of_old = matches!((old, port), ("http", ":80") | ("https", ":443"));
    if other_port || (default_of_old && scheme != old) { host } else { &head.authority }
}

fn path(redirect: &Redirect, matcher: &PathMatcher, head: &RequestHead) -> String {
    let (only, query) = head.path.split_at(head.path.find('?').unwrap_or(head.path.len()));
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

#[cfg(test)]
mod tests {
    use weft_tables::route::Action;

    use super::*;
    use crate::testing::host_of;

    fn redirected(criteria: &str, action: &str, head: &RequestHead) -> String {
        let config = host_of(&format!("{{match: {{{criteria}}}, redirect: {{{action}}}}}"));
        let route = &config.virtual_hosts[0].routes[0];
        let Action::Redirect(redirect) = &route.action else { panic!("{action}") };
        location(redirect, &route.matches.path, head)
    }

    fn of(action: &str, authority: &str, path: &str) -> String {
        redirected("prefix: /p", action, &RequestHead::get(authority, path))
    }

    #[test]
    fn ports_stay_unless_they_were_the_old_schemes_default() {
        for (action, authority, want) in [
            ("https_redirect: true", "x.test", "https://x.test/p"),
            ("https_redirect: true", "x.test:80", "https://x.test/p"),
            ("https_redirect: true", "x.test:443", "https://x.test:443/p"),
            ("https_redirect: true", "x.test:8080", "https://x.test:8080/p"),
            ("https_redirect: true", "[::1]:80", "https://[::1]/p"),
            ("scheme_redirect: http", "x.test:80", "http://x.test:80/p"),
            ("scheme_redirect: ftp", "x.test:80", "ftp://x.test/p"),
            ("https_redirect: true, port_redirect: 443", "x.test:80", "https://x.test:443/p"),
            ("port_redirect: 8443", "x.test:443", "http://x.test:8443/p"),
            ("port_redirect: 8443", "[::1]:80", "http://[::1]:8443/p"),
            ("port_redirect: 8443", "[::1]", "http://[::1]:8443/p"),
            ("host_redirect: new.test", "x.test:8080", "http://new.test/p"),
            ("host_redirect: 'new.test:99'", "x.test", "http://new.test:99/p"),
            ("host_redirect: new.test, port_redirect: 1", "x.test", "http://new.test:1/p"),
        ] {
            assert_eq!(of(action, authority, "/p"), want, "{action} {authority}");
        }
    }

    #[test]
    fn the_old_scheme_is_what_was_forwarded() {
        let mut head = RequestHead::get("x.test:80", "/p");
        head.headers.append("x-forwarded-proto", "https");
        assert_eq!(redirected("prefix: /", "https_redirect: true", &head), "https://x.test:80/p");
        head.authority = "x.test:443".into();
        assert_eq!(redirected("prefix: /", "scheme_redirect: http", &head), "http://x.test/p");
    }

    #[test]
    fn paths_are_kept_replaced_or_rewritten() {
        for (criteria, action, path, want) in [
            ("prefix: /p", "host_redirect: h", "/p/x?a=b", "/p/x?a=b"),
            ("prefix: /p", "strip_query: true", "/p?a", "/p"),
            ("prefix: /p", "path_redirect: /n", "/p/x?a", "/n?a"),
            ("prefix: /p", "path_redirect: /n, strip_query: true", "/p/x?a", "/n"),
            ("prefix: /p", "path_redirect: '/n?own=1'", "/p?a", "/n?own=1"),
            ("prefix: /p", "path_redirect: '/n?own=1', strip_query: true", "/p?a", "/n?own=1"),
            ("prefix: /p", "prefix_rewrite: /n", "/px?a", "/nx?a"),
            ("prefix: /p", "prefix_rewrite: /n, strip_query: true", "/p/x?a", "/n/x"),
            ("prefix: /p/", "prefix_rewrite: /", "/p/x", "/x"),
            ("path: /p", "prefix_rewrite: /n", "/p?a", "/n?a"),
            ("path_separated_prefix: /p", "prefix_rewrite: /n", "/p/x", "/n/x"),
            ("safe_regex: {regex: '/p/.*'}", "prefix_rewrite: /n", "/p/1?q", "/n?q"),
            (
                "prefix: /p",
                r"regex_rewrite: {pattern: {regex: '/p/(a+)/'}, substitution: '/\1/\1x/$1/\0'}",
                "/p/aa/z?aa/b",
                "/aa/aax/$1//p/aa/z?aa/b",
            ),
        ] {
            let got = redirected(criteria, action, &RequestHead::get("x", path));
            let host = if action.contains("host_redirect") { "h" } else { "x" };
            assert_eq!(got, format!("http://{host}{want}"), "{criteria} {action} {path}");
        }
    }

    #[test]
    fn encryption_changes_nothing_but_the_scheme() {
        assert_eq!(https_location(&RequestHead::get("x.test:80", "/a?b")), "https://x.test:80/a?b");
    }
}
