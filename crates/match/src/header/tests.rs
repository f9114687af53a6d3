use proptest::prelude::*;

use super::*;

fn exact(text: &str) -> HeaderTest {
    HeaderTest::Value(StringMatcher::Exact(text.into(), false))
}

fn matcher(name: &str, test: HeaderTest) -> HeaderMatcher {
    HeaderMatcher { name: name.into(), test, invert: false, missing_is_empty: false }
}

fn head(fields: &[(&str, &str)]) -> RequestHead {
    let mut head = RequestHead::get("x.test", "/p?q=1");
    head.headers = fields.iter().copied().collect();
    head
}

/// Each row: the test, inverted, missing counts as empty; then what Envoy 1.40 says of the field
/// absent, empty, `v`, `5` and `10`.
#[test]
fn absent_empty_and_inverted_are_as_in_envoy() {
    let present = HeaderTest::Present;
    let range = || HeaderTest::Range { start: 1, end: 10 };
    let rows = [
        (exact("v"), false, false, [false, false, true, false, false]),
        (exact("v"), true, false, [false, true, false, true, true]),
        (exact("v"), true, true, [true, true, false, true, true]),
        (exact(""), false, true, [true, true, false, false, false]),
        (exact(""), false, false, [false, true, false, false, false]),
        (present(true), false, false, [false, true, true, true, true]),
        (present(false), false, false, [true, false, false, false, false]),
        (present(true), true, false, [true, false, false, false, false]),
        (present(false), true, false, [false, true, true, true, true]),
        (present(true), false, true, [true, true, true, true, true]),
        (present(false), false, true, [false, false, false, false, false]),
        (present(true), true, true, [false, false, false, false, false]),
        (range(), false, false, [false, false, false, true, false]),
        (range(), true, false, [false, true, true, false, true]),
        (range(), true, true, [true, true, true, false, true]),
    ];
    for (test, invert, missing_is_empty, want) in rows {
        let matcher = HeaderMatcher { name: "x".into(), test, invert, missing_is_empty };
        let got = [None, Some(""), Some("v"), Some("5"), Some("10")]
            .map(|value| matcher.matches(&head(&value.map(|v| ("x", v)).into_iter().collect::<Vec<_>>())));
        assert_eq!(got, want, "{matcher:?}");
    }
}

#[test]
fn ranges_read_decimal_integers_with_sign_and_leading_zeros() {
    let range = matcher("x", HeaderTest::Range { start: -5, end: 10 });
    for (value, want) in
        [("-5", true), ("-6", false), ("+5", true), ("05", true), (" 5 ", true), ("5.0", false), ("", false)]
    {
        assert_eq!(range.matches(&head(&[("x", value)])), want, "{value:?}");
    }
    let huge = "9".repeat(40);
    assert!(!range.matches(&head(&[("x", &huge)])));
}

#[test]
fn repeated_fields_are_tested_one_by_one() {
    let twice = head(&[("X", "v"), ("x", "w")]);
    for text in ["v", "w"] {
        assert!(matcher("x", exact(text)).matches(&twice), "{text}");
        let inverted = HeaderMatcher { invert: true, ..matcher("x", exact(text)) };
        assert!(!inverted.matches(&twice), "not {text}");
    }
    assert!(!matcher("x", exact("v,w")).matches(&twice));
    assert!(HeaderMatcher { invert: true, ..matcher("x", exact("z")) }.matches(&twice));
}

#[test]
fn fields_that_are_one_line_are_tested_as_one_value() {
    let twice = head(&[("Accept", "v"), ("accept", "w")]);
    assert!(matcher("accept", exact("v,w")).matches(&twice));
    assert!(!matcher("accept", exact("v")).matches(&twice));
}

#[test]
fn pseudo_headers_and_host_come_from_the_head() {
    let mut head = head(&[(":path", "forged"), ("host", "forged")]);
    for (name, value) in [
        (":path", "/p?q=1"),
        (":method", "GET"),
        (":authority", "x.test"),
        ("host", "x.test"),
        (":scheme", "http"),
    ] {
        assert!(matcher(name, exact(value)).matches(&head), "{name}");
    }
    assert!(matcher(":protocol", HeaderTest::Present(false)).matches(&head));
    head.authority = "".into();
    assert!(!matcher(":authority", HeaderTest::Present(true)).matches(&head));
}

fn any_test() -> impl Strategy<Value = HeaderTest> {
    prop_oneof![
        any::<bool>().prop_map(HeaderTest::Present),
        "[a-c0-9]{0,3}".prop_map(|t| exact(&t)),
        "[a-c0-9]{0,2}".prop_map(|t| HeaderTest::Value(StringMatcher::Prefix(t.into(), false))),
        (-9..9i64, -9..9i64).prop_map(|(start, end)| HeaderTest::Range { start, end }),
    ]
}

proptest! {
    /// Inverting turns the result of every field that is there, and of a missing one wherever the
    /// missing one can pass at all.
    #[test]
    fn invert_law(test in any_test(), missing_is_empty: bool, values in prop::collection::vec("[a-c0-9]{0,3}", 0..3)) {
        let fields: Vec<(&str, &str)> = values.iter().map(|v| ("x", v.as_str())).collect();
        let plain = HeaderMatcher { name: "x".into(), test, invert: false, missing_is_empty };
        let inverted = HeaderMatcher { invert: true, ..plain.clone() };
        let (a, b) = (plain.matches(&head(&fields)), inverted.matches(&head(&fields)));
        let missing = fields.is_empty() && !missing_is_empty;
        if missing && !matches!(plain.test, HeaderTest::Present(_)) {
            prop_assert!(!a && !b);
        } else {
            prop_assert_ne!(a, b);
        }
    }

    #[test]
    fn any_bytes_are_only_judged(test in any_test(), value: Vec<u8>) {
        let mut head = RequestHead::get("h", "/");
        head.headers.append("x", &value);
        let _ = matcher("x", test).matches(&head);
    }
}
