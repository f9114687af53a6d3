//! What the API server lets pass, the decoder reads: every field and every word of every enumeration, of
//! the kinds
//! that `weft-api` has.

use serde_json::{Map, Value, json};
use weft_api::{Code, Kind, decode};
use weft_crd::{Definition, definitions};

/// Fields that Istio declares for its own future, and that its control plane does not read either.
const NOT_READ: [(&str, &str); 1] = [("Gateway", "spec.servers[].defaultEndpoint")];

/// Durations that Istio declares as plain texts.
const DURATIONS: [&str; 3] = ["tcp.idleTimeout", "httpCookie.ttl", "retryBudget.budgetInterval"];

/// A leaf: the way to it, and a value that it may have.
struct Leaf {
    path: String,
    value: Value,
}

fn leaves(schema: &Value, path: &str, out: &mut Vec<Leaf>) {
    let mut leaf = |value: Value| out.push(Leaf { path: path.to_owned(), value });
    if let Some(words) = schema["enum"].as_array() {
        words.iter().for_each(|word| leaf(word.clone()));
        return;
    }
    match schema["type"].as_str() {
        Some("object") => {
            if let Some(fields) = schema["properties"].as_object() {
                for (name, schema) in fields {
                    leaves(schema, &format!("{path}.{name}"), out);
                }
            } else if schema["additionalProperties"].is_object() {
                leaves(&schema["additionalProperties"], &format!("{path}.{{*}}"), out);
            } else {
                leaf(json!({}));
            }
        }
        Some("array") => leaves(&schema["items"], &format!("{path}[]"), out),
        Some("boolean") => leaf(json!(true)),
        Some("integer" | "number") => leaf(json!(schema["minimum"].as_i64().unwrap_or(0).max(1))),
        _ if schema["format"] == "byte" => leaf(json!("eA==")),
        _ if schema.to_string().contains("valid duration") => leaf(json!("1s")),
        _ if DURATIONS.iter().any(|name| path.ends_with(name)) => leaf(json!("1s")),
        _ => leaf(json!("x")),
    }
}

fn nest<'a>(mut path: impl Iterator<Item = &'a str>, value: Value) -> Value {
    let Some(step) = path.next() else { return value };
    let inner = nest(path, value);
    let lists = step.matches("[]").count();
    let name = step.trim_end_matches("[]");
    let inner = (0..lists).fold(inner, |inner, _| json!([inner]));
    let name = if name == "{*}" { "80" } else { name };
    Value::Object(Map::from_iter([(name.to_owned(), inner)]))
}

/// What the decoder says against the name or type of a field.
fn misread(definition: &Definition, leaf: &Leaf) -> Option<String> {
    let mut document = nest(leaf.path.split('.'), leaf.value.clone());
    document["apiVersion"] = json!(format!("{}/{}", definition.group, definition.storage));
    document["kind"] = json!(definition.kind);
    document["metadata"] = json!({"name": "x"});
    let against = [Code::UnknownField, Code::WrongType, Code::UnknownWord, Code::OutOfBounds, Code::Duration];
    let decoded = decode(&document.to_string(), "");
    let found = decoded.iter().flat_map(|one| &one.diagnostics).find(|one| against.contains(&one.code));
    // Bounds of statuses and the like are narrower than their types.
    found.filter(|one| one.code != Code::OutOfBounds).map(|one| format!("{} {one}", leaf.value))
}

#[test]
fn the_decoder_reads_every_declared_field() {
    let mut seen = 0;
    let mut faults = Vec::new();
    for definition in definitions() {
        if !Kind::all().any(|kind| kind.is_istio() && kind.name() == definition.kind) {
            continue;
        }
        let mut found = Vec::new();
        leaves(&definition.spec.to_json(), "spec", &mut found);
        for leaf in found {
            if NOT_READ.contains(&(definition.kind, leaf.path.as_str())) {
                continue;
            }
            seen += 1;
            faults.extend(misread(&definition, &leaf));
        }
    }
    assert!(seen > 500, "{seen} fields");
    assert!(faults.is_empty(), "{} of {seen}:\n{}", faults.len(), faults.join("\n"));
}
