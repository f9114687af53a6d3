use proptest::prelude::*;

use super::*;

/// Texts on which the expressions below were tried with Envoy 1.40 (`safe_regex` on a header).
const TEXTS: &[&str] = &[
    "12", "١٢", "abc", "aéc", "ab", "a.b", "a{", "{id}", "a[b", "a&b", "k", "K", "ß", "a<b", "x", "a-b",
    "a{,3}", "]a", "aaa", "[", "a b", "--", "a~b", "a&&b",
];

#[test]
fn expressions_mean_what_they_mean_to_envoy() {
    let rows: &[(&str, &[&str])] = &[
        (r"\d+", &["12"]),
        (r"\w+", &["12", "abc", "ab", "k", "K", "x", "aaa"]),
        (r"a.c", &["abc"]),
        (r"a..c", &["aéc"]),
        (r"[^a]", &["k", "K", "x", "["]),
        (r"(?i)k", &["k", "K"]),
        (r"a{", &["a{"]),
        (r"{id}", &["{id}"]),
        (r"a{,3}", &["a{,3}"]),
        (r"a{2,}", &["aaa"]),
        (r"[a[b]+", &["ab", "a[b", "aaa", "["]),
        (r"[]a]+", &["]a", "aaa"]),
        (r"[a&&b]+", &["ab", "a&b", "aaa", "a&&b"]),
        (r"[a~~b]+", &["ab", "aaa", "a~b"]),
        (r"[--/]+", &["--"]),
        (r"[a\d-]+", &["12", "aaa", "--"]),
        (r"[^\d]{2}", &["ab", "a{", "ß", "]a", "--"]),
        (r"[[:alpha:]]+", &["abc", "ab", "k", "K", "x", "aaa"]),
        (r"\Qa.b\E", &["a.b"]),
        (r"\C\C", &["12", "ab", "a{", "ß", "]a", "--"]),
        (r"a\<b", &["a<b"]),
        (r"a\-b", &["a-b"]),
        (r"a\ b", &["a b"]),
        (r"\bab\b", &["ab"]),
        (r"\x{41}|\x4b", &["K"]),
        (r"\113", &["K"]),
        (r"a|ab", &["ab"]),
        (r"^x$", &["x"]),
        (r"(?P<n>a)b", &["ab"]),
    ];
    for (expression, want) in rows {
        let regex = full_match(expression).unwrap();
        let got: Vec<&str> = TEXTS.iter().copied().filter(|t| regex.is_match(t.as_bytes())).collect();
        assert_eq!(got, *want, "{expression} as {regex}");
    }
}

#[test]
fn what_envoy_refuses_is_refused() {
    for expression in [
        r"a)|(b",
        "(a",
        "a)",
        "[a",
        "*a",
        r"\1",
        r"(?=a)",
        r"\Z",
        r"\h",
        r"\u0041",
        "[z-a]",
        r"\pX",
        r"[\b]",
        "a\\",
        r"[a--c]",
        r"[a-\d]",
        r"\x4",
        "((((((((((a{100}){100}){100}){100}",
    ] {
        assert!(full_match(expression).is_err(), "{expression}");
    }
}

#[test]
fn values_that_are_not_text_are_bytes() {
    assert!(full_match("a.b").unwrap().is_match(b"a\xffb"));
    assert!(!full_match(".*").unwrap().is_match(b"a\nb"));
    assert!(full_match("(?s).*").unwrap().is_match(b"a\nb"));
}

#[test]
fn searching_replaces_parts() {
    let digits = search(r"\d+").unwrap();
    assert_eq!(digits.replace_all("/a1/b22/٣", "N"), "/aN/bN/٣");
    assert!(search("{").unwrap().is_match("a{b"));
}

proptest! {
    /// A quoted text is matched by itself and nothing else.
    #[test]
    fn quoting_is_literal(text in "[ -~]{0,12}", other in "[ -~]{0,12}") {
        prop_assume!(!text.contains(r"\E"));
        let regex = full_match(&format!(r"\Q{text}\E")).unwrap();
        prop_assert!(regex.is_match(text.as_bytes()));
        prop_assert_eq!(regex.is_match(other.as_bytes()), text == other);
    }

    /// Whatever compiles matches a whole string or nothing: no expression leaks out of its anchors.
    #[test]
    fn only_whole_strings_match(expression in r"[ab()|*+?.^$\[\]{}\\dQE,0-9-]{0,10}", text in "[ab]{0,4}") {
        if let Ok(regex) = full_match(&expression) {
            let bytes = text.as_bytes();
            if let Some(found) = regex.find(bytes) {
                prop_assert_eq!(found.as_bytes(), bytes);
            }
        }
    }

    #[test]
    fn any_text_is_only_refused(expression in any::<String>()) {
        let _ = full_match(&expression);
        let _ = search(&expression);
    }
}
