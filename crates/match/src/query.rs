//! Matching of query parameters.

use crate::StringMatcher;

/// A test on one query parameter (`envoy.config.route.v3.QueryParameterMatcher`). The first parameter
/// of that name counts; neither name nor value is decoded.
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
    /// A string test on the value; a parameter without `=` has the empty value.
    Value(StringMatcher),
}

impl QueryMatcher {
    /// Whether the request's query (without `?`; None: there is none) passes.
    #[must_use]
    pub fn matches(&self, query: Option<&str>) -> bool {
        let found = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).find_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == &*self.name).then_some(value)
        });
        match (&self.test, found) {
            (QueryTest::Absent, found) => found.is_none(),
            (_, None) => false,
            (QueryTest::Present, Some(_)) => true,
            (QueryTest::Value(matcher), Some(value)) => matcher.matches(value.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(test: QueryTest, query: &str) -> bool {
        QueryMatcher { name: "a".into(), test }.matches(Some(query))
    }

    fn exact(text: &str) -> QueryTest {
        QueryTest::Value(StringMatcher::Exact(text.into(), false))
    }

    #[test]
    fn presence_is_by_exact_name() {
        for query in ["a", "a=", "a=b", "&a=b", "=&a=b", "a=b=c", "x&a", "a=%62"] {
            assert!(matches(QueryTest::Present, query), "{query}");
            assert!(!matches(QueryTest::Absent, query), "{query}");
        }
        for query in ["", "A=b", "ab=1", "a%20b=1", "x?a=b", "%61=b", "x=a"] {
            assert!(!matches(QueryTest::Present, query), "{query}");
            assert!(matches(QueryTest::Absent, query), "{query}");
        }
        let absent = QueryMatcher { name: "a".into(), test: QueryTest::Absent };
        assert!(absent.matches(None));
    }

    #[test]
    fn the_first_value_counts_and_is_not_decoded() {
        for (want, query, passes) in [
            ("b", "a=b&a=c", true),
            ("b", "a=c&a=b", false),
            ("", "a", true),
            ("b=c", "a=b=c", true),
            ("x y", "a=x+y", false),
            ("x%20y", "a=x%20y", true),
            ("b;c", "a=b;c", true),
            ("b?c", "a=b?c", true),
        ] {
            assert_eq!(matches(exact(want), query), passes, "{want} in {query}");
        }
    }

    proptest! {
        #[test]
        fn a_value_passes_only_where_the_name_is(query in "[ab=&%?]{0,12}", value in "[ab]{0,2}") {
            let present = matches(QueryTest::Present, &query);
            prop_assert_ne!(present, matches(QueryTest::Absent, &query));
            prop_assert!(present || !matches(exact(&value), &query));
        }
    }
}
