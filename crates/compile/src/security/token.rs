//! What filters before have left of a request: tokens, and metadata of any kind.

use weft_proto::envoy::config::rbac::v3::principal::Identifier;
use weft_proto::envoy::config::rbac::v3::{Principal, SourcedMetadata};
use weft_proto::envoy::r#type::matcher::v3::metadata_matcher::{PathSegment, path_segment};
use weft_proto::envoy::r#type::matcher::v3::{
    ListMatcher, MetadataMatcher, StringMatcher, ValueMatcher, list_matcher, value_matcher::MatchPattern,
};

use super::logic::{Logic, principal};
use super::text::{self, Text};

/// Where Envoy keeps what it learned of tokens.
const TOKENS: &str = "envoy.filters.http.jwt_authn";

/// Issuer and subject of a token, `ISSUER/SUBJECT`; the last slash parts them.
pub(super) fn request_principal(value: &str) -> Principal {
    let both = |issuer: StringMatcher, subject: StringMatcher| {
        Principal::all(vec![token(&["iss"], issuer), token(&["sub"], subject)])
    };
    match Text::parse(value) {
        Text::Present => both(text::present(), text::present()),
        Text::Exact(name) => match name.rsplit_once('/') {
            Some((issuer, subject)) => both(text::exact(issuer), text::exact(subject)),
            None => Principal::never(),
        },
        Text::Prefix(start) => match start.rsplit_once('/') {
            Some((issuer, subject)) => both(text::exact(issuer), text::prefix(subject.to_owned())),
            None => both(text::prefix(start.to_owned()), text::present()),
        },
        Text::Suffix(end) => match end.rsplit_once('/') {
            Some((issuer, subject)) => both(text::suffix(issuer), text::exact(subject)),
            None => both(text::present(), text::suffix(end)),
        },
    }
}

/// A claim that is a text, or a list that holds it.
pub(super) fn claim(path: &[&str], value: &str) -> Principal {
    let test = Text::parse(value).matcher();
    let listed = ListMatcher {
        match_pattern: Some(list_matcher::MatchPattern::OneOf(Box::new(of_text(test.clone())))),
    };
    let listed = ValueMatcher { match_pattern: Some(MatchPattern::ListMatch(Box::new(listed))) };
    let in_list = sourced(TOKENS, &payload(path), listed);
    Principal::one_of(vec![token(path, test), principal(Identifier::SourcedMetadata(in_list))])
}

fn token(path: &[&str], test: StringMatcher) -> Principal {
    principal(Identifier::SourcedMetadata(sourced(TOKENS, &payload(path), of_text(test))))
}

fn payload<'a>(path: &[&'a str]) -> Vec<&'a str> {
    std::iter::once("payload").chain(path.iter().copied()).collect()
}

/// `envoy.filters.FILTER[key]`; a value in brackets is looked for in a list.
pub(super) fn filter_metadata(key: &str, value: &str) -> SourcedMetadata {
    let (filter, rest) = key.split_at(key.find('[').unwrap_or(key.len()));
    let path: Vec<&str> = rest.split(['[', ']']).filter(|name| !name.is_empty()).collect();
    match value.strip_prefix('[').and_then(|value| value.strip_suffix(']')) {
        Some(inner) => {
            let one = list_matcher::MatchPattern::OneOf(Box::new(of_text(Text::parse(inner).matcher())));
            let list = ListMatcher { match_pattern: Some(one) };
            let list = ValueMatcher { match_pattern: Some(MatchPattern::ListMatch(Box::new(list))) };
            sourced(filter, &path, list)
        }
        None => sourced(filter, &path, of_text(Text::parse(value).matcher())),
    }
}

fn of_text(test: StringMatcher) -> ValueMatcher {
    ValueMatcher { match_pattern: Some(MatchPattern::StringMatch(test)) }
}

fn sourced(filter: &str, path: &[&str], value: ValueMatcher) -> SourcedMetadata {
    let segment = |key: &&str| PathSegment { segment: Some(path_segment::Segment::Key((*key).to_owned())) };
    let matcher = MetadataMatcher {
        filter: filter.to_owned(),
        path: path.iter().map(segment).collect(),
        value: Some(value),
        invert: false,
    };
    SourcedMetadata { metadata_matcher: Some(matcher), ..SourcedMetadata::default() }
}
