use proptest::prelude::*;

use super::*;
use crate::decide::{Decision, RouteChoice, decide};
use crate::matching::RequestFacts;
use crate::testing::host_of;

fn rewritten(criteria: &str, action: &str, mut head: RequestHead, suppress: bool) -> RequestHead {
    let config = host_of(&format!("{{match: {{{criteria}}}, route: {{{action}}}}}"));
    let choice: RouteChoice = match decide(&config, &head, &RequestFacts::default()) {
        Decision::Route(choice) => choice,
        other => panic!("{other:?}"),
    };
    apply(&mut head, &choice.route, choice.forward().unwrap(), choice.weighted_cluster(), suppress);
    head
}

fn path_of(criteria: &str, action: &str, path: &str) -> (String, Option<String>) {
    let head = rewritten(criteria, &format!("cluster: a, {action}"), RequestHead::get("x.test", path), false);
    (head.path.to_string(), head.headers.get_str("x-envoy-original-path").map(str::to_owned))
}

fn host_of_request(action: &str, fields: &[(&str, &str)]) -> Vec<String> {
    let mut head = RequestHead::get("x.test", "/h/abc?q");
    head.headers = fields.iter().copied().collect();
    let head = rewritten("prefix: /", action, head, false);
    let field = |name: &str| head.headers.get_str(name).unwrap_or("-").to_owned();
    vec![head.authority.to_string(), field("x-envoy-original-host"), field("x-forwarded-host")]
}

#[test]
fn paths_are_rewritten_and_queries_stay() {
    for (criteria, action, path, want) in [
        ("prefix: /p", "prefix_rewrite: /", "/p/x", "//x"),
        ("prefix: /p", "prefix_rewrite: /", "/px", "/x"),
        ("prefix: /p/", "prefix_rewrite: /", "/p/x?q", "/x?q"),
        ("prefix: /p", "prefix_rewrite: /new", "/p?x", "/new?x"),
        ("path: /p", "prefix_rewrite: /new", "/p?a=/p", "/new?a=/p"),
        ("safe_regex: {regex: '/p/.*'}", "prefix_rewrite: /new", "/p/1?q", "/new?q"),
        ("path_separated_prefix: /p", "prefix_rewrite: /new", "/p/x?y", "/new/x?y"),
        ("prefix: /P, case_sensitive: false", "prefix_rewrite: /new", "/p/X", "/new/X"),
        (
            "prefix: /p",
            r"regex_rewrite: {pattern: {regex: '/p/([^/]+)/(.*)'}, substitution: '/\2/\1'}",
            "/p/a/b?c/d",
            "/b/a?c/d",
        ),
        ("prefix: /", "regex_rewrite: {pattern: {regex: x}, substitution: yy}", "/xx?xx", "/yyyy?xx"),
        (
            "prefix: /",
            r"regex_rewrite: {pattern: {regex: '(x)|q'}, substitution: '[\1\\$1]'}",
            "/xq",
            r"/[x\$1][\$1]",
        ),
        ("prefix: /", "regex_rewrite: {pattern: {regex: 'x*'}, substitution: '-'}", "/axb", "-/-a-b-"),
        ("prefix: /", "regex_rewrite: {pattern: {regex: ^/r}}", "/r/z", "/z"),
        ("prefix: /", "regex_rewrite: {pattern: {regex: nomatch}, substitution: z}", "/r", "/r"),
    ] {
        assert_eq!(
            path_of(criteria, action, path),
            (want.to_owned(), Some(path.to_owned())),
            "{action} {path}"
        );
    }
}

#[test]
fn a_path_that_would_be_empty_stays() {
    assert_eq!(path_of("prefix: /", "regex_rewrite: {pattern: {regex: ^/r}}", "/r"), ("/r".to_owned(), None));
}

#[test]
fn hosts_are_rewritten_with_their_traces() {
    for (action, fields, want) in [
        ("cluster: a", &[][..], ["x.test", "-", "-"]),
        ("cluster: a, host_rewrite_literal: l.test", &[], ["l.test", "x.test", "-"]),
        (
            "cluster: a, host_rewrite_literal: l.test, append_x_forwarded_host: true",
            &[],
            ["l.test", "x.test", "x.test"],
        ),
        (
            "cluster: a, host_rewrite_literal: x.test, append_x_forwarded_host: true",
            &[("x-forwarded-host", "old")],
            ["x.test", "x.test", "old,x.test"],
        ),
        (
            "cluster: a, host_rewrite_literal: l.test, append_x_forwarded_host: true",
            &[("x-forwarded-host", "x.test")],
            ["l.test", "x.test", "x.test"],
        ),
        ("cluster: a, host_rewrite_header: x-h", &[], ["x.test", "-", "-"]),
        ("cluster: a, host_rewrite_header: x-h", &[("x-h", "")], ["x.test", "-", "-"]),
        ("cluster: a, host_rewrite_header: x-h", &[("x-h", "a"), ("x-h", "b")], ["a", "x.test", "-"]),
        (
            r"cluster: a, host_rewrite_path_regex: {pattern: {regex: '^/h/(.+)$'}, substitution: '\1.test'}",
            &[],
            ["abc.test", "x.test", "-"],
        ),
        ("cluster: a, auto_host_rewrite: true", &[], ["x.test", "-", "-"]),
        (
            "append_x_forwarded_host: true, weighted_clusters: {clusters: [{name: a, weight: 1, host_rewrite_literal: w.test}]}",
            &[],
            ["w.test", "-", "-"],
        ),
        (
            "host_rewrite_literal: r.test, append_x_forwarded_host: true,
             weighted_clusters: {clusters: [{name: a, weight: 1, host_rewrite_literal: w.test}]}",
            &[],
            ["r.test", "w.test", "w.test"],
        ),
    ] {
        assert_eq!(host_of_request(action, fields), want, "{action} {fields:?}");
    }
}

#[test]
fn traces_can_be_suppressed() {
    let action =
        "cluster: a, prefix_rewrite: /n, host_rewrite_literal: l.test, append_x_forwarded_host: true";
    let head = rewritten("prefix: /", action, RequestHead::get("x.test", "/a"), true);
    assert_eq!((&*head.path, &*head.authority, head.headers.len()), ("/na", "l.test", 1));
    assert_eq!(head.headers.get("x-forwarded-host"), Some(&b"x.test"[..]));
}

#[test]
fn endpoints_set_the_host_later() {
    let mut head = RequestHead::get("x.test", "/");
    set_host(&mut head, "pod-1", true);
    assert_eq!((&*head.authority, head.headers.get_str("x-forwarded-host")), ("pod-1", Some("x.test")));
    assert_eq!(head.headers.get_str("x-envoy-original-host"), Some("x.test"));
}

proptest! {
    /// A substitution without groups puts in exactly its text, whatever it holds.
    #[test]
    fn plain_substitutions_are_literal(text in r"[a-z$\{\}1]{0,6}") {
        let regex = weft_match::re2::search("X").unwrap();
        prop_assert_eq!(regex.replace_all("aXb", &*dollar_groups(&text)), format!("a{text}b"));
    }

    /// Replacing a prefix by itself changes nothing.
    #[test]
    fn a_prefix_for_itself_is_the_same_path(prefix in "/[a-z]{0,3}", rest in "[a-z/]{0,4}", query in r"(\?[a-z?]{0,3})?") {
        let path = format!("{prefix}{rest}{query}");
        let matcher = PathMatcher::Prefix(prefix.as_str().into());
        prop_assert_eq!(rewritten_path(&path, &matcher, &PathRewrite::Prefix(prefix.into())), path.clone());
    }
}
