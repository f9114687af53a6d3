//! A root's rule and a delegate's as one.

use std::collections::BTreeMap;

use weft_api::istio::http_match::HttpMatch;
use weft_api::istio::http_route::HttpRoute;
use weft_api::value::StringMatch;

/// The delegate's rule within the root's; `None` if no request can satisfy both.
pub(super) fn rules(root: &HttpRoute, theirs: &HttpRoute) -> Option<HttpRoute> {
    let matches = match (root.matches.as_slice(), theirs.matches.as_slice()) {
        ([], own) => own.to_vec(),
        (own, []) => own.to_vec(),
        (roots, own) => {
            let pairs = roots.iter().flat_map(|root| own.iter().map(move |leaf| (root, leaf)));
            let merged: Vec<_> = pairs.filter_map(|(root, leaf)| matches_of_both(root, leaf)).collect();
            if merged.is_empty() {
                return None;
            }
            merged
        }
    };
    let name = match (&root.name, &theirs.name) {
        (Some(root), Some(own)) if !root.is_empty() && !own.is_empty() => Some(format!("{root}-{own}")),
        (Some(name), _) if !name.is_empty() => Some(name.clone()),
        (_, own) => own.clone(),
    };
    let HttpRoute {
        name: _,
        matches: _,
        route,
        redirect,
        direct_response,
        delegate: _,
        rewrite,
        timeout,
        retries,
        fault,
        mirror,
        mirror_percentage,
        mirror_percent,
        mirrors,
        cors_policy,
        headers,
    } = theirs.clone();
    // What the delegate does not say, the root says for it.
    Some(HttpRoute {
        name,
        matches,
        route,
        redirect,
        direct_response: direct_response.or_else(|| root.direct_response.clone()),
        delegate: None,
        rewrite: rewrite.or_else(|| root.rewrite.clone()),
        timeout: timeout.or(root.timeout),
        retries: retries.or_else(|| root.retries.clone()),
        fault: fault.or_else(|| root.fault.clone()),
        mirror: mirror.or_else(|| root.mirror.clone()),
        mirror_percentage: mirror_percentage.or(root.mirror_percentage),
        mirror_percent: mirror_percent.or(root.mirror_percent),
        mirrors: if mirrors.is_empty() { root.mirrors.clone() } else { mirrors },
        cors_policy: cors_policy.or_else(|| root.cors_policy.clone()),
        headers: headers.or_else(|| root.headers.clone()),
    })
}

/// Both matches at once; `None` if they contradict each other.
fn matches_of_both(root: &HttpMatch, leaf: &HttpMatch) -> Option<HttpMatch> {
    // The case of a path is ignored by one flag for the whole match, so both must agree.
    if root.uri.is_some() && leaf.uri.is_some() && root.ignore_uri_case != leaf.ignore_uri_case {
        return None;
    }
    let uri_of_root = leaf.uri.is_none();
    let gateways = match (root.gateways.as_slice(), leaf.gateways.as_slice()) {
        ([], own) | (own, []) => own.to_vec(),
        (roots, own) if own.iter().all(|name| roots.contains(name)) => own.to_vec(),
        _ => return None,
    };
    Some(HttpMatch {
        name: match (&root.name, &leaf.name) {
            (Some(root), Some(leaf)) => Some(format!("{root}-{leaf}")),
            (root, leaf) => leaf.clone().or_else(|| root.clone()),
        },
        uri: one(root.uri.as_ref(), leaf.uri.as_ref())?,
        scheme: one(root.scheme.as_ref(), leaf.scheme.as_ref())?,
        method: one(root.method.as_ref(), leaf.method.as_ref())?,
        authority: one(root.authority.as_ref(), leaf.authority.as_ref())?,
        headers: all(&root.headers, &leaf.headers)?,
        without_headers: none(&root.without_headers, &leaf.without_headers)?,
        query_params: all(&root.query_params, &leaf.query_params)?,
        ignore_uri_case: if uri_of_root { root.ignore_uri_case } else { leaf.ignore_uri_case },
        port: same(root.port, leaf.port)?,
        source_labels: labels(&root.source_labels, &leaf.source_labels)?,
        source_namespace: same(root.source_namespace.clone(), leaf.source_namespace.clone())?,
        gateways,
        stat_prefix: leaf.stat_prefix.clone().or_else(|| root.stat_prefix.clone()),
    })
}

/// The value that either names; `None` if they name different ones.
#[expect(clippy::option_option, reason = "the outer one is the contradiction")]
fn same<T: PartialEq>(root: Option<T>, leaf: Option<T>) -> Option<Option<T>> {
    match (root, leaf) {
        (Some(root), Some(leaf)) if root != leaf => None,
        (root, leaf) => Some(leaf.or(root)),
    }
}

/// The narrower of two text tests; `None` if the leaf is not within the root's.
#[expect(clippy::option_option, reason = "the outer one is the contradiction")]
fn one(root: Option<&StringMatch>, leaf: Option<&StringMatch>) -> Option<Option<StringMatch>> {
    match (root, leaf) {
        (Some(root), Some(leaf)) if !within(root, leaf) => None,
        (root, leaf) => Some(leaf.or(root).cloned()),
    }
}

fn all(
    root: &BTreeMap<String, StringMatch>,
    leaf: &BTreeMap<String, StringMatch>,
) -> Option<BTreeMap<String, StringMatch>> {
    let mut merged = root.clone();
    for (key, test) in leaf {
        if root.get(key).is_some_and(|root| !within(root, test)) {
            return None;
        }
        merged.insert(key.clone(), test.clone());
    }
    Some(merged)
}

/// Of two tests that must not hold, the one that covers the other; `None` if neither does.
fn none(
    root: &BTreeMap<String, StringMatch>,
    leaf: &BTreeMap<String, StringMatch>,
) -> Option<BTreeMap<String, StringMatch>> {
    let mut merged = root.clone();
    for (key, test) in leaf {
        match root.get(key) {
            Some(root) if within(root, test) => {}
            Some(root) if !within(test, root) => return None,
            Some(_) => continue,
            None => {}
        }
        merged.insert(key.clone(), test.clone());
    }
    Some(merged)
}

fn labels(root: &crate::Labels, leaf: &crate::Labels) -> Option<crate::Labels> {
    let mut merged = root.clone();
    for (key, value) in leaf {
        if root.get(key).is_some_and(|root| root != value) {
            return None;
        }
        merged.insert(key.clone(), value.clone());
    }
    Some(merged)
}

/// Whether a leaf's text test is within a root's, as far as can be told: nothing is told of regular
/// expressions but that they are the same.
fn within(root: &StringMatch, leaf: &StringMatch) -> bool {
    match (root, leaf) {
        (StringMatch::Exact(root), StringMatch::Exact(leaf)) => root == leaf,
        (StringMatch::Prefix(root), StringMatch::Exact(leaf) | StringMatch::Prefix(leaf)) => {
            leaf.starts_with(root.as_str())
        }
        (StringMatch::Present, _) => true,
        _ => root == leaf,
    }
}
