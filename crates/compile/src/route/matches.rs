//! Which requests a route takes (VS-05 to VS-08).

use weft_api::istio::http_match::HttpMatch;
use weft_api::value::StringMatch;
use weft_proto::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use weft_proto::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use weft_proto::envoy::config::route::v3::route_match::PathSpecifier;
use weft_proto::envoy::config::route::v3::{HeaderMatcher, QueryParameterMatcher, RouteMatch};
use weft_proto::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use weft_proto::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};

use crate::message::bool_value;

/// Headers of this form are claims of a token.
const CLAIM: &str = "@request.auth.claims";

/// All requests.
pub(super) fn everything() -> RouteMatch {
    RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".to_owned())), ..Default::default() }
}

/// Whether a block takes all requests on its port.
pub(super) fn is_everything(block: &HttpMatch) -> bool {
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
        source_labels: _,
        source_namespace: _,
        gateways: _,
        stat_prefix: _,
    } = block;
    let any_path = match uri {
        None | Some(StringMatch::Present) => true,
        Some(StringMatch::Prefix(prefix)) => prefix == "/",
        Some(StringMatch::Regex(regex)) => regex == ".*" || regex == "*",
        Some(StringMatch::Exact(_)) => false,
    };
    any_path
        && scheme.is_none()
        && method.is_none()
        && authority.is_none()
        && headers.is_empty()
        && without_headers.is_empty()
        && query_params.is_empty()
}

/// Whether a block asks for a claim of a token.
pub(super) fn asks_for_claims(block: &HttpMatch) -> bool {
    block.headers.keys().chain(block.without_headers.keys()).any(|name| name.starts_with(CLAIM))
}

/// The criteria of a block. `None`: it asks for a claim of a token, and without token authentication no
/// request has any, so that it matches nothing.
pub(super) fn criteria(block: &HttpMatch) -> Option<RouteMatch> {
    if asks_for_claims(block) {
        return None;
    }
    let mut headers: Vec<HeaderMatcher> =
        block.headers.iter().map(|(name, wanted)| header(&name.to_ascii_lowercase(), wanted)).collect();
    headers.extend(block.without_headers.iter().map(|(name, unwanted)| {
        let present = *unwanted == StringMatch::Present;
        HeaderMatcher {
            invert_match: true,
            // A header that is absent has no unwanted value either; Envoy would not match it.
            treat_missing_header_as_empty: !present,
            ..header(&name.to_ascii_lowercase(), unwanted)
        }
    }));
    let pseudo = [(":scheme", &block.scheme), (":method", &block.method), (":authority", &block.authority)];
    headers.extend(pseudo.into_iter().filter_map(|(name, test)| Some(header(name, test.as_ref()?))));
    let path = match &block.uri {
        None | Some(StringMatch::Present) => PathSpecifier::Prefix("/".to_owned()),
        Some(StringMatch::Exact(path)) => PathSpecifier::Path(path.clone()),
        Some(StringMatch::Prefix(prefix)) => PathSpecifier::Prefix(prefix.clone()),
        Some(StringMatch::Regex(regex)) => PathSpecifier::SafeRegex(expression(regex)),
    };
    Some(RouteMatch {
        path_specifier: Some(path),
        case_sensitive: block.ignore_uri_case.then(|| bool_value(false)),
        headers,
        query_parameters: block.query_params.iter().map(|(name, wanted)| query(name, wanted)).collect(),
        ..Default::default()
    })
}

fn header(name: &str, wanted: &StringMatch) -> HeaderMatcher {
    let test = match text(wanted) {
        Some(matcher) => HeaderMatchSpecifier::StringMatch(matcher),
        None => HeaderMatchSpecifier::PresentMatch(true),
    };
    HeaderMatcher { name: name.to_owned(), header_match_specifier: Some(test), ..Default::default() }
}

fn query(name: &str, wanted: &StringMatch) -> QueryParameterMatcher {
    let test = match text(wanted) {
        Some(matcher) => QueryParameterMatchSpecifier::StringMatch(matcher),
        None => QueryParameterMatchSpecifier::PresentMatch(true),
    };
    QueryParameterMatcher { name: name.to_owned(), query_parameter_match_specifier: Some(test) }
}

/// The test of a text; `None`: any will do. An empty prefix is any text too, and Envoy refuses it.
pub(super) fn text(wanted: &StringMatch) -> Option<StringMatcher> {
    let pattern = match wanted {
        StringMatch::Present => return None,
        StringMatch::Prefix(prefix) if prefix.is_empty() => return None,
        StringMatch::Exact(text) => MatchPattern::Exact(text.clone()),
        StringMatch::Prefix(prefix) => MatchPattern::Prefix(prefix.clone()),
        StringMatch::Regex(regex) => MatchPattern::SafeRegex(expression(regex)),
    };
    Some(StringMatcher { match_pattern: Some(pattern), ignore_case: false })
}

pub(super) fn expression(regex: &str) -> RegexMatcher {
    RegexMatcher { regex: regex.to_owned(), engine_type: None }
}
