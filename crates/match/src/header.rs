//! Matching of header fields.

use weft_types::{Headers, RequestHead};

use crate::StringMatcher;
use crate::joined::is_joined;

/// A test on one header field (`envoy.config.route.v3.HeaderMatcher`); pseudo-headers go by their
/// names. Of repeated fields one must pass (inverted: none may); those that [`is_joined`] names count
/// as one value.
#[derive(Clone, Debug)]
pub struct HeaderMatcher {
    /// Field name, lower case.
    pub name: Box<str>,
    /// The test.
    pub test: HeaderTest,
    /// The result is turned round (`invert_match`). A missing field still fails a test of its value.
    pub invert: bool,
    /// A missing field is tested as if it were empty (`treat_missing_header_as_empty`).
    pub missing_is_empty: bool,
}

/// What a header field must be.
#[derive(Clone, Debug)]
pub enum HeaderTest {
    /// Present (true) or absent (false).
    Present(bool),
    /// A string test on the value; a missing field does not match, inverted or not, unless
    /// `missing_is_empty`.
    Value(StringMatcher),
    /// A decimal integer in `start..end`; a missing field as for `Value`.
    Range {
        /// First value that matches.
        start: i64,
        /// First value above that does not.
        end: i64,
    },
}

impl HeaderMatcher {
    /// Whether the request passes.
    #[must_use]
    pub fn matches(&self, head: &RequestHead) -> bool {
        if self.name.starts_with(':') || &*self.name == "host" {
            return self.test_value(head.field(&self.name).as_deref());
        }
        self.matches_fields(&head.headers)
    }

    /// Whether a list of fields, of a request or a response, passes.
    #[must_use]
    pub fn matches_fields(&self, fields: &Headers) -> bool {
        let name = self.name.as_bytes();
        if is_joined(&self.name) {
            return self.test_value(fields.get_joined(name).as_deref());
        }
        let mut values = fields.get_all(name).peekable();
        if values.peek().is_none() {
            return self.test_value(None);
        }
        values.any(|value| self.test.holds(value)) != self.invert
    }

    /// Whether a field of that one value (None: absent) passes.
    #[must_use]
    pub fn test_value(&self, value: Option<&[u8]>) -> bool {
        match (value, self.missing_is_empty, &self.test) {
            (Some(value), _, test) => test.holds(value) != self.invert,
            (None, true, test) => test.holds(b"") != self.invert,
            (None, false, HeaderTest::Present(want)) => *want == self.invert,
            (None, false, HeaderTest::Value(_) | HeaderTest::Range { .. }) => false,
        }
    }
}

impl HeaderTest {
    /// Whether a field that is there, with that value, passes.
    fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Present(want) => *want,
            Self::Value(matcher) => matcher.matches(value),
            Self::Range { start, end } => {
                let text = std::str::from_utf8(value.trim_ascii()).ok();
                text.and_then(|t| t.parse::<i64>().ok())
                    .is_some_and(|number| (*start..*end).contains(&number))
            }
        }
    }
}

#[cfg(test)]
mod tests;
