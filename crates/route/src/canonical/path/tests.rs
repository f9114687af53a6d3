use proptest::prelude::*;

use super::*;

#[test]
fn paths_normalize_as_in_envoy() {
    for (given, want) in [
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../../b", "/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/.%2e/b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/a/%2e", "/a/"),
        ("/a//../b", "/a/b"),
        ("/a/...", "/a/..."),
        ("/..a/.b", "/..a/.b"),
        ("/a\\b", "/a/b"),
        ("/a\\..\\b", "/b"),
        ("/%41%2d%7E%5f", "/A-~_"),
        ("/a%2Fb%5cc", "/a%2Fb%5cc"),
        ("/a/%2e%2e%2fb", "/a/..%2fb"),
        ("/a//b", "/a//b"),
        ("/a%zzb%", "/a%zzb%"),
        ("/a\"<>^`{|}b", "/a%22%3C%3E%5E%60%7B%7C%7Db"),
        ("/a[]'()~;,b", "/a[]'()~;,b"),
        ("/a b\u{e9}", "/a%20b%C3%A9"),
        // Decoding must not make a new escape.
        ("/a%2%46b", "/a%252Fb"),
        ("/%%32e", "/%252e"),
        ("/%25%32%65", "/%252e"),
        // Parameters of dots go with them.
        ("/a/..;/b", "/b"),
        ("/a/..;x=y/b", "/b"),
        ("/a/.;/b", "/a/b"),
        ("/a/.;x", "/a/"),
        ("/a/..;", "/"),
        ("/a/..;\\b", "/"),
        ("/a/..;%2e/b", "/b"),
        ("/..;/..;/a", "/a"),
        ("/a/...;/b", "/a/...;/b"),
        ("/a/b;/../c", "/a/c"),
        ("/a/;../b", "/a/;../b"),
        ("/a/..%3b/b", "/a/..%3b/b"),
    ] {
        assert_eq!(normalize(given).as_deref(), Some(want), "{given}");
    }
}

#[test]
fn ambiguous_paths_have_no_form() {
    for path in ["/a%00b", "/a/%2e.;/b", "/a/.%2e;x/b", "/a/%2e%2e;", "/a/%2E;/b", "/a\\..;/b", "a", ""] {
        assert_eq!(normalize(path), None, "{path}");
    }
}

#[test]
fn escaped_slashes_unescape_and_slashes_merge() {
    assert_eq!(unescape_slashes("/a%2Fb%5cc%41%2"), "/a/b\\c%41%2");
    assert_eq!(unescape_slashes("/%252F"), "/%252F");
    assert_eq!(merge_slashes("//a///b/"), "/a/b/");
}

proptest! {
    /// Normalizing twice changes nothing.
    #[test]
    fn normal_forms_are_fixed(path in r"/([a.;/\\%]|%2[eEfF5]|%[0-9a-f]{2}){0,16}") {
        if let Some(once) = normalize(&path) {
            prop_assert_eq!(normalize(&once), Some(once.clone()), "{} -> {}", path, once);
            let merged = merge_slashes(&once);
            prop_assert_eq!(normalize(&merged), Some(merged.clone()));
        }
    }

    /// No segment climbs up, and nothing but escapes hides in the result.
    #[test]
    fn normal_forms_do_not_climb(path in "/.{0,24}") {
        if let Some(form) = normalize(&path) {
            prop_assert!(form.starts_with('/'));
            prop_assert!(form.split('/').all(|s| s != "." && s != ".." && !has_dot_parameters(s)), "{}", form);
            prop_assert!(form.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'), "{}", form);
        }
    }
}
