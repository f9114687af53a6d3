//! What two sets of definitions disagree about.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Every difference between two sets of CustomResourceDefinitions, one line each: path, ours, theirs. Names,
/// versions and schemas count, descriptions, labels and annotations do not; neither does the order of what
/// is a
/// set by its meaning (fields, required, enumerations, names).
#[must_use]
pub fn of_definitions(ours: &[Value], theirs: &[Value]) -> Vec<String> {
    let by_name = |documents: &[Value]| -> BTreeMap<String, Value> {
        documents.iter().map(|one| (text(&one["metadata"]["name"]), one["spec"].clone())).collect()
    };
    let (ours, theirs) = (by_name(ours), by_name(theirs));
    let mut found = Vec::new();
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let null = Value::Null;
        compare(name, ours.get(name).unwrap_or(&null), theirs.get(name).unwrap_or(&null), &mut found);
    }
    found
}

fn compare(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let null = Value::Null;
                let (x, y) = (a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null));
                // A field may be called description; a text of that name is one.
                if key == "description" && (x.is_string() || y.is_string()) {
                    continue;
                }
                compare(&format!("{path}.{key}"), x, y, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let (a, b) = (keyed(path, a), keyed(path, b));
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let null = Value::Null;
                let (x, y) = (a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null));
                compare(&format!("{path}[{key}]"), x, y, found);
            }
        }
        (a, b) if equal(a, b) => {}
        (a, b) => found.push(format!("{path}: ours {}, theirs {}", short(a), short(b))),
    }
}

/// Items of a list under what tells them apart: their own text where the list is a set, a name, or their
/// place.
fn keyed(path: &str, list: &[Value]) -> BTreeMap<String, Value> {
    let last = path.rsplit('.').next().unwrap_or(path);
    let is_set = matches!(last, "required" | "enum" | "categories" | "shortNames");
    let of = |(index, item): (usize, &Value)| match item {
        Value::String(text) if is_set => (text.clone(), item.clone()),
        // Order of columns is what a user sees, so it counts.
        Value::Object(map) if last == "versions" => {
            (map.get("name").map(text).unwrap_or_default(), item.clone())
        }
        _ => (index.to_string(), item.clone()),
    };
    list.iter().enumerate().map(of).collect()
}

/// Equal, where 1 and 1.0 are one number.
fn equal(a: &Value, b: &Value) -> bool {
    a == b || a.is_number() && b.is_number() && a.as_f64() == b.as_f64()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn short(value: &Value) -> String {
    let text = if value.is_null() { "nothing".to_owned() } else { value.to_string() };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{definitions, document};
    use serde_json::json;

    /// Pointers to every value in a tree, descriptions left out.
    fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(list) => list.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect(),
            _ => return out.push(path.to_owned()),
        };
        for (key, child) in children {
            if key == "description" && child.is_string() {
                continue;
            }
            leaves(child, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), out);
        }
    }

    #[test]
    fn a_change_of_any_value_is_told_and_equal_trees_tell_nothing() {
        let definition = definitions().into_iter().find(|one| one.kind == "PeerAuthentication").expect("one");
        let ours = document(&definition);
        assert_eq!(of_definitions(std::slice::from_ref(&ours), std::slice::from_ref(&ours)), [""; 0]);
        let mut pointers = Vec::new();
        leaves(&ours["spec"], "/spec", &mut pointers);
        assert!(pointers.len() > 50);
        for pointer in pointers {
            let mut theirs = ours.clone();
            *theirs.pointer_mut(&pointer).expect("there") = json!("changed");
            let found = of_definitions(std::slice::from_ref(&ours), &[theirs]);
            assert!(!found.is_empty(), "{pointer}");
        }
    }

    #[test]
    fn what_only_one_side_has_is_told_by_its_path() {
        let named = |spec: Value| json!({"metadata": {"name": "a.b"}, "spec": spec});
        let ours = named(json!({"x": {"properties": {"description": {"type": "string"}}}}));
        let theirs = named(json!({"x": {"properties": {}}}));
        let found = of_definitions(std::slice::from_ref(&ours), &[theirs]);
        assert_eq!(found, [r#"a.b.x.properties.description: ours {"type":"string"}, theirs nothing"#]);
        assert_eq!(of_definitions(&[ours], &[]).len(), 1);
    }
}
