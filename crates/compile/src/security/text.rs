//! Texts of policies: exact, `abc*`, `*abc`, or `*` for any that is there (AP-05).

use weft_proto::envoy::config::route::v3::HeaderMatcher;
use weft_proto::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use weft_proto::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use weft_proto::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};

/// A text of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text<'a> {
    /// Any that is there.
    Present,
    /// The whole.
    Exact(&'a str),
    /// How it begins.
    Prefix(&'a str),
    /// How it ends.
    Suffix(&'a str),
}

impl<'a> Text<'a> {
    /// Reads a text. A star that stands neither first nor last is itself.
    pub(super) fn parse(text: &'a str) -> Self {
        if text == "*" {
            return Self::Present;
        }
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(end), _) => Self::Suffix(end),
            (None, Some(start)) => Self::Prefix(start),
            (None, None) => Self::Exact(text),
        }
    }

    /// The test of a value.
    pub(super) fn matcher(self) -> StringMatcher {
        match self {
            Self::Present => present(),
            Self::Exact(text) => exact(text),
            Self::Prefix(text) => string(MatchPattern::Prefix(text.to_owned())),
            Self::Suffix(text) => suffix(text),
        }
    }

    /// The test of a header.
    pub(super) fn header(self, name: &str) -> HeaderMatcher {
        let test = match self {
            Self::Present => HeaderMatchSpecifier::PresentMatch(true),
            other => HeaderMatchSpecifier::StringMatch(other.matcher()),
        };
        header(name, test)
    }
}

/// A test of a header.
pub(super) fn header(name: &str, test: HeaderMatchSpecifier) -> HeaderMatcher {
    HeaderMatcher { name: name.to_owned(), header_match_specifier: Some(test), ..HeaderMatcher::default() }
}

/// A test of a text.
pub(super) fn string(pattern: MatchPattern) -> StringMatcher {
    StringMatcher { ignore_case: false, match_pattern: Some(pattern) }
}

/// The whole text.
pub(super) fn exact(text: &str) -> StringMatcher {
    string(MatchPattern::Exact(text.to_owned()))
}

/// A text that begins so; an empty one would be refused, and asks that a text be there.
pub(super) fn prefix(text: String) -> StringMatcher {
    if text.is_empty() { present() } else { string(MatchPattern::Prefix(text)) }
}

/// A text that ends so; an empty one asks that a text be there.
pub(super) fn suffix(text: &str) -> StringMatcher {
    if text.is_empty() { present() } else { string(MatchPattern::Suffix(text.to_owned())) }
}

/// A text that holds the other.
pub(super) fn contains(text: String) -> StringMatcher {
    string(MatchPattern::Contains(text))
}

/// Any text that is there.
pub(super) fn present() -> StringMatcher {
    string(MatchPattern::SafeRegex(RegexMatcher { regex: ".+".to_owned(), engine_type: None }))
}
