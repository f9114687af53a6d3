//! Whether a route takes a request.

use weft_tables::route::{PathMatcher, Route, RouteMatch};
use weft_types::{Method, RequestHead};

/// What else than the head a decision may look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestFacts {
    /// The downstream connection is encrypted.
    pub tls: bool,
    /// The client presented a certificate.
    pub certificate_presented: bool,
    /// It was verified.
    pub certificate_validated: bool,
    /// One uniform draw for the whole decision: weights and runtime fractions use the same value, as
    /// Envoy's stream random.
    pub dice: u64,
}

/// Whether all criteria hold. `path` is the path without query, in the form for matching.
#[must_use]
pub fn route_matches(route: &Route, head: &RequestHead, path: &str, facts: &RequestFacts) -> bool {
    let RouteMatch { path: matcher, case_sensitive, headers, query, runtime_fraction, grpc, tls } =
        &route.matches;
    path_matches(matcher, *case_sensitive, head, path)
        && runtime_fraction.is_none_or(|share| share.includes(facts.dice))
        && (!grpc || is_grpc(head))
        && headers.iter().all(|m| m.matches(head))
        && query.iter().all(|m| m.matches(head.query()))
        && tls.is_none_or(|t| {
            t.presented.is_none_or(|want| want == facts.certificate_presented)
                && t.validated.is_none_or(|want| want == facts.certificate_validated)
        })
}

fn path_matches(matcher: &PathMatcher, case_sensitive: bool, head: &RequestHead, path: &str) -> bool {
    // A plain CONNECT has no path, and only routes for CONNECT take it.
    if head.path.is_empty() {
        return matches!(matcher, PathMatcher::Connect) && head.method == Method::Connect;
    }
    match matcher {
        PathMatcher::Prefix(prefix) => starts_with(path, prefix, case_sensitive),
        PathMatcher::Exact(exact) => path.len() == exact.len() && starts_with(path, exact, case_sensitive),
        PathMatcher::PathSeparatedPrefix(prefix) => {
            starts_with(path, prefix, case_sensitive)
                && matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'))
        }
        // Expressions say themselves whether case counts.
        PathMatcher::Regex(regex) | PathMatcher::Template(_, regex) => regex.is_match(path.as_bytes()),
        PathMatcher::Connect => head.method == Method::Connect,
    }
}

fn starts_with(path: &str, prefix: &str, case_sensitive: bool) -> bool {
    path.as_bytes().get(..prefix.len()).is_some_and(|start| {
        if case_sensitive {
            start == prefix.as_bytes()
        } else {
            start.eq_ignore_ascii_case(prefix.as_bytes())
        }
    })
}

/// Whether a request is gRPC by its content type: `application/grpc`, alone or followed by `+` or `;`.
#[must_use]
pub fn is_grpc(head: &RequestHead) -> bool {
    head.headers.get("content-type").is_some_and(weft_types::grpc::is_content_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Decision, decide};
    use crate::testing::host_of;

    fn takes(criteria: &str, head: &RequestHead, facts: &RequestFacts) -> bool {
        let config = host_of(&format!("{{match: {{{criteria}}}, direct_response: {{status: 200}}}}"));
        matches!(decide(&config, head, facts), Decision::Route(_))
    }

    fn takes_path(criteria: &str, path: &str) -> bool {
        takes(criteria, &RequestHead::get("x.test", path), &RequestFacts::default())
    }

    #[test]
    fn path_tests_leave_out_the_query() {
        for (criteria, yes, no) in [
            ("prefix: /a", &["/a", "/ab", "/a/b?c", "/a?x"][..], &["/", "/A", "/b/a"][..]),
            ("prefix: '/q?x'", &[], &["/q?x", "/q?xy"]),
            ("path: /a", &["/a", "/a?b"], &["/a/", "/ab", "/A", "/"]),
            ("path_separated_prefix: /s", &["/s", "/s/", "/s/x", "/s?y"], &["/sx", "/S/x", "/"]),
            ("safe_regex: {regex: '/r/[0-9]+'}", &["/r/12", "/r/1?x=y"], &["/r/12/x", "/x/r/1", "/r/"]),
            ("safe_regex: {regex: '/r.*q=1'}", &[], &["/r?q=1"]),
        ] {
            for path in yes {
                assert!(takes_path(criteria, path), "{criteria} takes {path}");
            }
            for path in no {
                assert!(!takes_path(criteria, path), "{criteria} leaves {path}");
            }
        }
    }

    #[test]
    fn case_can_be_ignored_but_not_by_expressions() {
        for criteria in ["prefix: /AbC", "path: /AbC", "path_separated_prefix: /AbC"] {
            assert!(takes_path(&format!("{criteria}, case_sensitive: false"), "/aBc"), "{criteria}");
            assert!(!takes_path(criteria, "/aBc"), "{criteria}");
        }
        assert!(!takes_path("safe_regex: {regex: /AbC}, case_sensitive: false", "/aBc"));
    }

    #[test]
    fn a_connect_without_path_is_only_for_connect_routes() {
        let connect =
            RequestHead { method: Method::Connect, path: "".into(), ..RequestHead::get("x.test:443", "/") };
        let facts = RequestFacts::default();
        assert!(takes("connect_matcher: {}", &connect, &facts));
        assert!(!takes("connect_matcher: {}", &RequestHead::get("x.test", "/"), &facts));
        for other in ["prefix: ''", "prefix: /", "safe_regex: {regex: '.*'}"] {
            assert!(!takes(other, &connect, &facts), "{other}");
        }
    }

    #[test]
    fn a_runtime_fraction_takes_its_share_of_the_dice() {
        let criteria = "prefix: /, runtime_fraction: {default_value: {numerator: 25, denominator: HUNDRED}, runtime_key: k}";
        let head = RequestHead::get("x.test", "/");
        let taken = (0..1000)
            .filter(|dice| takes(criteria, &head, &RequestFacts { dice: *dice, ..RequestFacts::default() }));
        assert_eq!(taken.count(), 250);
    }

    #[test]
    fn grpc_is_told_by_content_type() {
        for (value, want) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;x", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let mut head = RequestHead::get("x.test", "/");
            head.headers.append("content-type", value);
            assert_eq!(takes("prefix: /, grpc: {}", &head, &RequestFacts::default()), want, "{value}");
        }
        assert!(!takes_path("prefix: /, grpc: {}", "/"));
    }

    #[test]
    fn certificates_can_be_asked_for() {
        let head = RequestHead::get("x.test", "/");
        for (criteria, presented, validated, want) in [
            ("presented: true", true, false, true),
            ("presented: true", false, false, false),
            ("presented: false", false, false, true),
            ("presented: true, validated: true", true, false, false),
            ("presented: true, validated: true", true, true, true),
        ] {
            let facts = RequestFacts {
                tls: true,
                certificate_presented: presented,
                certificate_validated: validated,
                dice: 0,
            };
            assert_eq!(
                takes(&format!("prefix: /, tls_context: {{{criteria}}}"), &head, &facts),
                want,
                "{criteria}"
            );
        }
    }

    proptest::proptest! {
        /// Many routes are found by look-up: it must come to the same one as asking each in order.
        #[test]
        fn the_first_of_many_that_matches_wins(
            criteria in proptest::collection::vec(
                (0usize..6, "/?[ab/]{0,3}", proptest::bool::weighted(0.7)), 0..40),
            path in "/[abAB/]{0,5}",
            connect: bool,
        ) {
            let routes: Vec<String> = criteria.iter().enumerate().map(|(place, (kind, text, case))| {
                let test = match kind {
                    0 | 1 => format!("prefix: '{text}'"),
                    2 => format!("path: '/{text}'"),
                    3 => format!("path_separated_prefix: '/x{}'", text.trim_end_matches('/')),
                    4 => format!("safe_regex: {{regex: '/{text}.'}}"),
                    _ => "connect_matcher: {}".to_owned(),
                };
                format!("{{match: {{{test}, case_sensitive: {case}}}, direct_response: {{status: {}}}}}", 200 + place)
            }).collect();
            let config = host_of(&routes.join(", "));
            let mut head = RequestHead::get("x.test", &path);
            if connect {
                head.method = Method::Connect;
                head.path = "".into();
            }
            let facts = RequestFacts::default();
            let host = &config.virtual_hosts[0];
            let want = host.routes.iter().find(|route| route_matches(route, &head, head.path_only(), &facts));
            let found = match decide(&config, &head, &facts) {
                Decision::Route(choice) => Some(choice.route),
                _ => None,
            };
            proptest::prop_assert_eq!(found.map(|r| std::sync::Arc::as_ptr(&r)), want.map(std::sync::Arc::as_ptr));
        }
    }

    #[test]
    fn all_criteria_must_hold() {
        let criteria = "prefix: /a, headers: [{name: x, string_match: {exact: '1'}}], \
                        query_parameters: [{name: q, present_match: true}]";
        let mut head = RequestHead::get("x.test", "/a?q");
        assert!(!takes(criteria, &head, &RequestFacts::default()));
        head.headers.append("x", "1");
        assert!(takes(criteria, &head, &RequestFacts::default()));
        head.path = "/a".into();
        assert!(!takes(criteria, &head, &RequestFacts::default()));
    }
}
