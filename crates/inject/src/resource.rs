//! Files of Kubernetes' objects: those that make pods get sidecars into their templates, the rest stays as written.

use serde_json::Value as Json;

use crate::owner::Owner;
use crate::pod::Outcome;
use crate::settings::{InjectError, Injector};

/// Injects a YAML text of any number of documents; documents without a pod come back byte by byte.
///
/// # Errors
/// A document cannot be read or injected; the error names its number and object.
pub fn inject_text(injector: &Injector, text: &str, namespace: &str) -> Result<String, InjectError> {
    let mut out = Vec::new();
    for (number, document) in documents(text).into_iter().enumerate() {
        let at = |reason: String| InjectError::Malformed { at: format!("document {}", number + 1), reason };
        if document.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            out.push(document);
            continue;
        }
        let mut object: Json = serde_saphyr::from_str(&document).map_err(|error| at(error.to_string()))?;
        let changed = inject_object(injector, &mut object, namespace)
            .map_err(|error| at(format!("{}: {error}", describe(&object))))?;
        if changed {
            out.push(serde_saphyr::to_string(&object).map_err(|error| at(error.to_string()))?);
        } else {
            out.push(document);
        }
    }
    Ok(out.join("---\n"))
}

/// Injects one object, a List in all its items; whether anything changed.
///
/// # Errors
/// As [`Injector::inject`].
pub fn inject_object(
    injector: &Injector,
    object: &mut Json,
    default_namespace: &str,
) -> Result<bool, InjectError> {
    if let Some(items) = object.get_mut("items").and_then(Json::as_array_mut) {
        let mut changed = false;
        for item in items {
            changed |= inject_object(injector, item, default_namespace)?;
        }
        return Ok(changed);
    }
    let text = |path: &str| object.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
    let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    let namespace = text("/metadata/namespace");
    let namespace = if namespace.is_empty() { default_namespace } else { &namespace };
    let place = match kind.as_str() {
        "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet" | "ReplicationController" | "Job" => {
            "/spec/template"
        }
        "CronJob" => "/spec/jobTemplate/spec/template",
        "Pod" => "",
        _ => return Ok(false),
    };
    let owner = (kind != "Pod").then_some(Owner { api_version, kind, name });
    let Some(pod) = object.pointer_mut(place) else {
        return Err(InjectError::Malformed {
            at: place.replace('/', "."),
            reason: "is not there".to_owned(),
        });
    };
    match injector.inject(pod, namespace, owner.as_ref())? {
        Outcome::Left(_) => Ok(false),
        Outcome::Injected(after) => {
            *pod = *after;
            Ok(true)
        }
    }
}

fn describe(object: &Json) -> String {
    let text = |path: &str| object.pointer(path).and_then(Json::as_str).unwrap_or("?").to_owned();
    format!("{} {}", text("/kind"), text("/metadata/name"))
}

/// Texts between lines of `---`.
fn documents(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare == "---" || bare.starts_with("--- ") {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            last.push_str(line);
        }
    }
    // A mark at the beginning makes no document before it.
    if all.len() > 1 && all.first().is_some_and(|first| first.trim().is_empty()) {
        all.remove(0);
    }
    all
}
