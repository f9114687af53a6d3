//! Documents as YAML that people can read and that Helm can split.

use serde_json::Value;

use crate::{definitions, document};

/// All definitions as a stream of YAML documents, in the order of their names: the chart's file.
#[must_use]
pub fn stream() -> String {
    let mut documents: Vec<Value> = definitions().iter().map(document).collect();
    documents.sort_by_key(|document| document["metadata"]["name"].to_string());
    let mut out = String::from("# Written by `cargo xtask crds` from crates/crd; change it there.\n");
    for document in &documents {
        out.push_str("---\n");
        out.push_str(&yaml(document));
    }
    out
}

/// A value in block style; texts that could be taken for something else are quoted.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// Writes a map or list, each entry on lines of its own.
fn block(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) => {
            for (index, (key, value)) in map.iter().enumerate() {
                // The first entry of a map in a list stands behind the dash.
                if index > 0 || !out.ends_with("- ") {
                    indent(depth, out);
                }
                out.push_str(&scalar(key));
                out.push(':');
                nested(value, depth, out);
            }
        }
        Value::Array(list) => {
            for item in list {
                indent(depth, out);
                out.push_str("- ");
                if is_block(item) {
                    block(item, depth + 1, out);
                } else {
                    out.push_str(&inline(item));
                    out.push('\n');
                }
            }
        }
        other => {
            out.push_str(&inline(other));
            out.push('\n');
        }
    }
}

fn nested(value: &Value, depth: usize, out: &mut String) {
    if is_block(value) {
        out.push('\n');
        block(value, depth + usize::from(value.is_object()), out);
    } else {
        out.push(' ');
        out.push_str(&inline(value));
        out.push('\n');
    }
}

fn is_block(value: &Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty())
        || value.as_array().is_some_and(|list| !list.is_empty() && !list.iter().any(Value::is_array))
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn inline(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), scalar)
}

/// A text, plain where no reader of YAML could take it for anything else.
fn scalar(text: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | ',' | ';' | '(' | ')')
    };
    let begins_well = text.trim_start_matches('.').starts_with(|c: char| c.is_ascii_alphabetic());
    let reserved = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let safe = begins_well
        && text.chars().all(plain)
        && !text.ends_with(' ')
        && !text.starts_with(".inf")
        && !text.starts_with(".nan")
        && !reserved.contains(&text.to_lowercase().as_str());
    if safe { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let value = json!({
            "": "", "a b": [1, "1", "yes", {"x": {"y": []}, "z": {}}, {"k": [{"m": 1}, "#"]}],
            "deep": {"list": ["a: b", "- c", "\"q\"", "line\nbreak", ".5", "1e3", "~", "*", "é"]},
            "t": true, "n": null,
        });
        let back: Value = serde_saphyr::from_str(&yaml(&value)).expect("YAML");
        assert_eq!(back, value, "{}", yaml(&value));
    }

    #[test]
    fn every_definition_is_read_back_the_same() {
        for definition in definitions() {
            let document = document(&definition);
            let back: Value = serde_saphyr::from_str(&yaml(&document)).expect("YAML");
            assert_eq!(back, document, "{}", definition.kind);
        }
    }
}
