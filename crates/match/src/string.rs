//! Matching of strings.

use std::fmt;

/// A string test (`envoy.type.matcher.v3.StringMatcher`).
#[derive(Clone)]
pub enum StringMatcher {
    /// Equal; the flag ignores ASCII case.
    Exact(Box<str>, bool),
    /// Starts with; the flag ignores ASCII case.
    Prefix(Box<str>, bool),
    /// Ends with; the flag ignores ASCII case.
    Suffix(Box<str>, bool),
    /// Contains; the flag ignores ASCII case.
    Contains(Box<str>, bool),
    /// The whole string matches the expression (RE2 syntax, full match, linear time).
    Regex(regex::bytes::Regex),
}

impl StringMatcher {
    /// Compiles an expression that must match the whole string.
    ///
    /// # Errors
    /// The expression is not valid, or its program exceeds the size limit.
    pub fn regex(expression: &str) -> Result<Self, regex::Error> {
        full_match(expression).map(Self::Regex)
    }

    /// Whether `value` passes.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(want, fold) => equal(value, want.as_bytes(), *fold),
            Self::Prefix(want, fold) => {
                value.get(..want.len()).is_some_and(|v| equal(v, want.as_bytes(), *fold))
            }
            Self::Suffix(want, fold) => value
                .len()
                .checked_sub(want.len())
                .and_then(|at| value.get(at..))
                .is_some_and(|v| equal(v, want.as_bytes(), *fold)),
            Self::Contains(want, fold) => {
                want.is_empty() || value.windows(want.len()).any(|v| equal(v, want.as_bytes(), *fold))
            }
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// Compiles `expression` so that it matches only whole strings, within Envoy's kind of size limit.
///
/// # Errors
/// The expression is not valid, or its program exceeds 1 MiB.
pub fn full_match(expression: &str) -> Result<regex::bytes::Regex, regex::Error> {
    regex::bytes::RegexBuilder::new(&format!("^(?:{expression})$")).size_limit(1 << 20).build()
}

fn equal(a: &[u8], b: &[u8], fold: bool) -> bool {
    if fold { a.eq_ignore_ascii_case(b) } else { a == b }
}

impl fmt::Debug for StringMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text, fold) = match self {
            Self::Exact(s, c) => ("exact", &**s, *c),
            Self::Prefix(s, c) => ("prefix", &**s, *c),
            Self::Suffix(s, c) => ("suffix", &**s, *c),
            Self::Contains(s, c) => ("contains", &**s, *c),
            Self::Regex(r) => ("regex", r.as_str(), false),
        };
        write!(f, "{word}({text:?}{})", if fold { ", any case" } else { "" })
    }
}
