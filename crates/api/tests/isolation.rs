//! One bad document harms only itself (design invariant 3).

use proptest::prelude::*;
use weft_api::{Object, decode};

const GOOD: &str = include_str!("fixtures/good/everything.yaml");

fn accepted(text: &str) -> Vec<Object> {
    decode(text, "f").into_iter().filter_map(|decoded| decoded.object).collect()
}

fn same(ours: &[Object], theirs: &[Object]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| ours.same_content(theirs))
}

/// Documents that no parser or schema accepts, and pure noise.
fn broken() -> impl Strategy<Value = String> {
    let known = [
        "a: [",
        "a: \"",
        "\tx: y",
        "&a [*a]",
        "a: |\n  text\n b",
        "kind: Service",
        "- x",
        "apiVersion: v1\nkind: Service\nmetadata: {name: X_}",
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {nothing: 1}",
        "%YAML 9.9",
        "...",
        "? {a: b}\n: c",
        "!!binary x: 1",
        "a: *unknown",
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        // Noise must not itself hold a marker, which would make it two documents.
        "[ -~\t\n]{0,80}".prop_map(|noise| noise.replace("---", "-").replace("...", ".")),
    ]
}

proptest! {
    #[test]
    fn a_broken_document_changes_nothing_of_the_others(broken in broken(), at in 0usize..20) {
        let mut documents: Vec<String> = GOOD.split("\n---\n").map(str::to_owned).collect();
        let expected = accepted(GOOD);
        // Noise that happens to be an object would be one more, rightly.
        prop_assume!(accepted(&broken).is_empty());
        let at = at.min(documents.len());
        documents.insert(at, broken);
        prop_assert!(same(&accepted(&documents.join("\n---\n")), &expected));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}", more in "[-{}\\[\\]:&*!|>'\"%@`, \n\ta-c0-9]{0,200}") {
        let _ = decode(&text, "");
        let _ = decode(&more, "");
    }

    #[test]
    fn a_damaged_file_never_panics(from in 0usize..9000, length in 0usize..40, noise in "[ -~\n]{0,20}") {
        let from = GOOD.floor_char_boundary(from.min(GOOD.len()));
        let to = GOOD.floor_char_boundary((from + length).min(GOOD.len()));
        let text = format!("{}{noise}{}", &GOOD[..from], &GOOD[to..]);
        for decoded in decode(&text, "") {
            let broken = decoded.diagnostics.iter().any(weft_api::Diagnostic::is_error);
            prop_assert!(!(broken && decoded.object.is_some()));
        }
    }
}
