//! Matches of HTTP rules (VS-05 to VS-11).

use std::collections::BTreeMap;

use super::{header, label, reference, regex};
use crate::diagnostic::Code;
use crate::istio::http_match::HttpMatch;
use crate::report::Report;
use crate::value::StringMatch;

pub(super) fn check(r: &mut Report, rule: &HttpMatch) {
    let HttpMatch {
        name: _,
        uri,
        scheme,
        method,
        authority,
        headers,
        without_headers,
        query_params,
        ignore_uri_case: _,
        port: _,
        source_labels,
        source_namespace,
        gateways,
        stat_prefix: _,
    } = rule;
    let bare = HttpMatch { name: None, stat_prefix: None, ignore_uri_case: false, ..rule.clone() };
    if bare == HttpMatch::default() {
        r.error_with_hint(Code::Match, "an empty match says nothing", "leave match out to take everything");
    }
    for (field, test) in [("uri", uri), ("scheme", scheme), ("method", method), ("authority", authority)] {
        r.maybe(field, test.as_ref(), |r, test| {
            if *test == StringMatch::Present {
                r.error(Code::Match, "needs one of exact, prefix and regex");
            }
            text(r, test);
        });
    }
    r.within("headers", |r| fields(r, headers));
    r.within("withoutHeaders", |r| fields(r, without_headers));
    r.within("queryParams", |r| {
        for (key, test) in query_params {
            r.key(key, |r| text(r, test));
        }
    });
    r.within("sourceLabels", |r| label::labels(r, source_labels));
    reference::namespace(r, "sourceNamespace", source_namespace.as_ref());
    reference::gateways(r, gateways);
}

/// Checks one test of a text.
pub(super) fn text(r: &mut Report, test: &StringMatch) {
    match test {
        StringMatch::Prefix(prefix) if prefix.is_empty() => {
            r.error_at("prefix", Code::Match, "an empty prefix says nothing");
        }
        StringMatch::Regex(expression) if expression.is_empty() => {
            r.error_at("regex", Code::Match, "an empty expression matches only empty texts");
        }
        StringMatch::Regex(expression) => r.within("regex", |r| regex(r, expression)),
        StringMatch::Present | StringMatch::Exact(_) | StringMatch::Prefix(_) => {}
    }
}

/// Prefix of keys that test claims of a token instead of headers (VS-07).
const CLAIMS: &str = "@request.auth.claims";

fn fields(r: &mut Report, tests: &BTreeMap<String, StringMatch>) {
    for (key, test) in tests {
        r.key(key, |r| {
            match key.strip_prefix(CLAIMS) {
                Some(claim) if claim.len() > 1 && claim.starts_with(['.', '[']) => {}
                Some(_) => {
                    r.error(Code::Header, format!("{CLAIMS} needs a claim: {CLAIMS}.NAME or {CLAIMS}[NAME]"));
                }
                None => header::name(r, key, true),
            }
            text(r, test);
        });
    }
}
