//! Matching of header fields and query parameters.

use weft_types::RequestHead;

use crate::StringMatcher;

/// A test on one header field (`envoy.config.route.v3.HeaderMatcher`). Repeated fields are joined
/// by commas before the test; pseudo-headers go by their names.
#[derive(Clone, Debug)]
pub struct HeaderMatcher {
    /// Field name, lower case.
    pub name: Box<str>,
    /// The test.
    pub test: HeaderTest,
    /// The result is turned round.
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
    /// An integer in `start..end`.
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
        self.test_value(head.field(&self.name).as_deref())
    }

    /// Whether a field of that value (None: absent) passes: the one place that gives a header test
    /// its meaning, for requests and responses alike.
    #[must_use]
    pub fn test_value(&self, value: Option<&[u8]>) -> bool {
        let value = match (value, self.missing_is_empty) {
            (None, true) => Some(&b""[..]),
            (value, _) => value,
        };
        match &self.test {
            HeaderTest::Present(want) => (value.is_some() == *want) != self.invert,
            // Envoy: a value test on an absent field fails, and inverted it succeeds.
            HeaderTest::Value(matcher) => value.is_some_and(|v| matcher.matches(v)) != self.invert,
            HeaderTest::Range { start, end } => {
                let number =
                    value.and_then(|v| std::str::from_utf8(v).ok()).and_then(|v| v.parse::<i64>().ok());
                number.is_some_and(|n| (*start..*end).contains(&n)) != self.invert
            }
        }
    }
}

/// A test on one query parameter (`envoy.config.route.v3.QueryParameterMatcher`); the first
/// parameter of that name counts.
#[derive(Clone, Debug)]
pub struct QueryMatcher {
    /// Parameter name; case matters.
    pub name: Box<str>,
    /// The test.
    pub test: QueryTest,
}

/// What a query parameter must be.
#[derive(Clone, Debug)]
pub enum QueryTest {
    /// Present, with any value or none.
    Present,
    /// Absent.
    Absent,
    /// A string test on the value.
    Value(StringMatcher),
}

impl QueryMatcher {
    /// Whether the request's query passes.
    #[must_use]
    pub fn matches(&self, query: Option<&str>) -> bool {
        let found = query.unwrap_or_default().split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == &*self.name && !pair.is_empty()).then_some(value)
        });
        match (&self.test, found) {
            (QueryTest::Absent, found) => found.is_none(),
            (_, None) => false,
            (QueryTest::Present, Some(_)) => true,
            (QueryTest::Value(matcher), Some(value)) => matcher.matches(value.as_bytes()),
        }
    }
}
