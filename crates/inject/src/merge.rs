//! Laying one part of a pod over another, as Kubernetes' strategic merge does: lists with keys entry by entry.

use serde_json::{Map, Value as Json};

/// By what entries of a list are told apart.
fn key(list: &str) -> Option<&'static str> {
    match list {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "ports" => Some("containerPort"),
        _ => None,
    }
}

/// Lays `over` onto `base`; `null` removes.
pub(crate) fn merge(base: &mut Json, over: &Json) {
    merge_named(base, over, "");
}

fn merge_named(base: &mut Json, over: &Json, name: &str) {
    match (base, over) {
        (Json::Object(base), Json::Object(over)) => {
            for (field, value) in over {
                if value.is_null() {
                    base.remove(field);
                } else {
                    let slot = base.entry(field.clone()).or_insert(Json::Null);
                    merge_named(slot, value, field);
                }
            }
        }
        (Json::Array(base), Json::Array(over)) if key(name).is_some() => {
            for entry in over {
                let id = key(name).and_then(|key| entry.get(key).map(|id| (key, id)));
                let same = id.and_then(|(key, id)| base.iter_mut().find(|old| old.get(key) == Some(id)));
                match same {
                    Some(old) => merge_entry(old, entry),
                    None => base.push(entry.clone()),
                }
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// One entry over another. A variable has either a value or a source, never both.
fn merge_entry(old: &mut Json, new: &Json) {
    if let Some(old) = old.as_object_mut() {
        for (has, gone) in [("value", "valueFrom"), ("valueFrom", "value")] {
            if new.get(has).is_some() {
                old.remove(gone);
            }
        }
    }
    merge(old, new);
}

/// The object behind a field, made if it is not there.
pub(crate) fn object<'a>(of: &'a mut Json, field: &str) -> &'a mut Map<String, Json> {
    if !of.is_object() {
        *of = Json::Object(Map::new());
    }
    let slot = of.as_object_mut().map(|of| of.entry(field.to_owned()).or_insert(Json::Null));
    // The branch before has made it an object.
    into_object(slot.unwrap_or_else(|| unreachable!("an object")))
}

fn into_object(of: &mut Json) -> &mut Map<String, Json> {
    if !of.is_object() {
        *of = Json::Object(Map::new());
    }
    match of {
        Json::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// The list behind a field, made if it is not there.
pub(crate) fn list<'a>(of: &'a mut Map<String, Json>, field: &str) -> &'a mut Vec<Json> {
    let slot = of.entry(field.to_owned()).or_insert(Json::Null);
    if !slot.is_array() {
        *slot = Json::Array(Vec::new());
    }
    match slot {
        Json::Array(list) => list,
        _ => unreachable!("made a list above"),
    }
}
