//! Matching of strings.

use std::fmt;

pub use crate::re2::full_match;

/// A string test (`envoy.type.matcher.v3.StringMatcher`). Strings are bytes: a header value need not
/// be UTF-8.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use StringMatcher::{Contains, Exact, Prefix, Suffix};

    #[test]
    fn case_counts_unless_it_is_ignored() {
        for fold in [false, true] {
            assert!(Exact("AbC".into(), fold).matches(b"AbC"));
            assert_eq!(Exact("AbC".into(), fold).matches(b"aBc"), fold);
            assert_eq!(Prefix("Ab".into(), fold).matches(b"aBx"), fold);
            assert_eq!(Suffix("bC".into(), fold).matches(b"xBc"), fold);
            assert_eq!(Contains("bC".into(), fold).matches(b"xBcx"), fold);
        }
        // Only ASCII letters have another case.
        assert!(!Exact("É".into(), true).matches("é".as_bytes()));
    }

    #[test]
    fn values_shorter_than_the_pattern_do_not_pass() {
        for test in [Exact("ab".into(), false), Prefix("ab".into(), false), Suffix("ab".into(), false)] {
            assert!(!test.matches(b"a") && !test.matches(b""), "{test:?}");
        }
        assert!(!Contains("ab".into(), false).matches(b"a"));
    }

    #[test]
    fn debug_shows_the_test() {
        assert_eq!(format!("{:?}", Prefix("a\"".into(), true)), r#"prefix("a\"", any case)"#);
    }

    proptest! {
        #[test]
        fn laws_of_parts(a in ".{0,6}", b in ".{0,6}", c in ".{0,6}", fold: bool) {
            let whole = format!("{a}{b}{c}");
            prop_assert!(Prefix(a.as_str().into(), fold).matches(whole.as_bytes()));
            prop_assert!(Suffix(c.as_str().into(), fold).matches(whole.as_bytes()));
            prop_assert!(Contains(b.as_str().into(), fold).matches(whole.as_bytes()));
        }

        /// Equal is a prefix and a suffix of the same length; a prefix or suffix is contained.
        #[test]
        fn laws_between_tests(want in "[abAB]{0,4}", value in "[abAB]{0,4}", fold: bool) {
            let test = |make: fn(Box<str>, bool) -> StringMatcher| {
                make(want.as_str().into(), fold).matches(value.as_bytes())
            };
            prop_assert_eq!(test(Exact), test(Prefix) && want.len() == value.len());
            prop_assert_eq!(test(Exact), test(Suffix) && want.len() == value.len());
            prop_assert!(test(Contains) || !(test(Prefix) || test(Suffix)));
            // Ignoring case accepts all that minding it does.
            let minding = Exact(want.as_str().into(), false).matches(value.as_bytes());
            prop_assert!(Exact(want.as_str().into(), true).matches(value.as_bytes()) || !minding);
        }
    }
}
