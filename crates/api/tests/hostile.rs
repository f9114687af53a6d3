//! Texts that ask for more than they may have are refused in good time.

use weft_api::decode::limits::{MAX_DEPTH, MAX_DOCUMENTS};
use weft_api::{Code, decode};

fn codes(text: &str) -> Vec<Code> {
    decode(text, "").into_iter().flat_map(|decoded| decoded.diagnostics).map(|d| d.code).collect()
}

#[test]
fn aliases_cannot_multiply_without_bound() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{inner}]\n");
    }
    assert_eq!(codes(&text), [Code::Limit]);
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let deep = |depth: usize| format!("{}x{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(codes(&deep(MAX_DEPTH)), [Code::NotAnObject]);
        assert_eq!(codes(&deep(MAX_DEPTH + 1)), [Code::Limit]);
        // The parser has a bound of its own.
        assert!(matches!(codes(&open.repeat(100_000))[..], [Code::Limit | Code::Syntax]));
    }
}

#[test]
fn documents_are_bounded() {
    let found = codes(&"--- x\n".repeat(MAX_DOCUMENTS + 50));
    assert_eq!(found.len(), MAX_DOCUMENTS + 1);
    assert_eq!(found.last(), Some(&Code::Limit));
    let items = vec!["x"; MAX_DOCUMENTS + 50].join(", ");
    assert_eq!(codes(&format!("kind: List\nitems: [{items}]")).last(), Some(&Code::Limit));
}

#[test]
fn findings_are_bounded_and_the_rest_is_counted() {
    let hosts = "\"a b\", ".repeat(5_000);
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: x}}\nspec: {{hosts: \
         [{hosts}], tcp: [{{route: [{{destination: {{host: a}}}}]}}]}}"
    );
    let decoded = decode(&text, "");
    assert!(decoded[0].object.is_none());
    assert!(decoded[0].diagnostics.len() < 200);
    let last = decoded[0].diagnostics.last().expect("there are some");
    assert!(last.message.contains("more are not listed"), "{last}");
}

#[test]
fn long_texts_are_shortened_in_messages() {
    let text = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {}}}", "A".repeat(1 << 20));
    for diagnostic in &decode(&text, "")[0].diagnostics {
        assert!(diagnostic.to_string().len() < 400);
    }
}
