//! Every field of Istio's custom resource definitions is read, and no other.
//!
//! `fixtures/istio-fields.tsv` lists kind, path, type and, for enumerations, a value, as the schemas of
//! Istio 1.30 have them.

use serde_json::{Map, Value, json};
use weft_api::{Code, decode};

/// The object that holds nothing but one field.
fn with_field(kind: &str, path: &str, value: Value) -> String {
    let group =
        if kind == "PeerAuthentication" || kind == "AuthorizationPolicy" { "security" } else { "networking" };
    let mut document = nest(path.split('.'), value);
    document["apiVersion"] = json!(format!("{group}.istio.io/v1"));
    document["kind"] = json!(kind);
    document["metadata"] = json!({"name": "x"});
    document.to_string()
}

fn nest<'a>(mut path: impl Iterator<Item = &'a str>, value: Value) -> Value {
    let Some(step) = path.next() else { return value };
    let inner = nest(path, value);
    let (name, inner) = match step.strip_suffix("[]") {
        Some(name) => (name, json!([inner])),
        None => (step, inner),
    };
    let name = if name == "{*}" { "80" } else { name };
    Value::Object(Map::from_iter([(name.to_owned(), inner)]))
}

fn sample(path: &str, kind: &str, word: &str) -> Value {
    match kind {
        "boolean" => json!(true),
        "integer" | "number" => json!(1),
        "duration" => json!("1s"),
        _ if !word.is_empty() => json!(word),
        _ if path.ends_with(".bytes") => json!("eA=="),
        _ => json!("x"),
    }
}

fn snake(path: &str) -> String {
    let mut out = String::new();
    for character in path.chars() {
        if character.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(character.to_ascii_lowercase());
    }
    out
}

/// Whether a text is read without a word about its fields' names and types.
fn misread(text: &str) -> Option<String> {
    let unread = [Code::UnknownField, Code::WrongType, Code::UnknownWord, Code::OutOfBounds, Code::Duration];
    let decoded = decode(text, "");
    let found = decoded.iter().flat_map(|d| &d.diagnostics).find(|d| unread.contains(&d.code));
    assert_eq!(decoded.len(), 1);
    found.map(ToString::to_string)
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str, Value)> {
    include_str!("fixtures/istio-fields.tsv").lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [kind, path, of, word] = cells[..] else { panic!("{line}") };
        // Statuses are the only numbers for which 1 is too small.
        let status = path.ends_with("httpStatus")
            || path.ends_with(".status")
            || path.contains("ErrorCodes")
            || path.ends_with("redirectCode");
        let value = if status { json!(301) } else { sample(path, of, word) };
        (kind, path, value)
    })
}

#[test]
fn every_field_is_read_in_camel_case_and_in_snake_case() {
    assert!(rows().count() > 500);
    for (kind, path, value) in rows() {
        assert_eq!(misread(&with_field(kind, path, value.clone())), None, "{kind} {path}");
        assert_eq!(misread(&with_field(kind, &snake(path), value)), None, "{kind} {path} in snake case");
    }
}

#[test]
fn a_field_of_any_other_name_is_refused_where_it_stands() {
    for (kind, path, value) in rows() {
        // The keys of maps are the user's.
        let bare = path.trim_end_matches("[]");
        if bare.ends_with("{*}") {
            continue;
        }
        let text = with_field(kind, &path.replace(bare, &format!("{bare}q")), value);
        let found = decode(&text, "");
        let wanted = format!("{bare}q").replace("[]", "[0]").replace(".{*}", "[\"80\"]");
        let refused = found[0]
            .diagnostics
            .iter()
            .any(|d| d.code == Code::UnknownField && d.path == wanted && d.hint.is_some());
        assert!(refused, "{kind} {wanted}: {:?}", found[0].diagnostics);
        assert!(found[0].object.is_none());
    }
}
