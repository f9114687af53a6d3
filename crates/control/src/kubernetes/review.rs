//! What the API server asks before it takes an object (AdmissionReview), and what it is told: the verdict of
//! [`weft_api::decode()`], in its words. Source: CP-16.

use serde_json::{Value, json};
use weft_api::{Diagnostic, decode};

/// Most warnings of an answer; the API server cuts long lists.
const MAX_WARNINGS: usize = 16;

/// Answers a review of an object.
///
/// # Errors
/// It is no review.
pub fn validate(review: &Value) -> Result<Value, &'static str> {
    let request = review.get("request").ok_or("no request")?;
    let uid = request.get("uid").and_then(Value::as_str).ok_or("no request.uid")?;
    let object = request.get("object").filter(|object| !object.is_null());
    let diagnostics: Vec<Diagnostic> = match object {
        Some(object) => {
            let mut object = object.clone();
            // Who wrote which field is long, and says nothing.
            if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
                metadata.remove("managedFields");
            }
            decode(&object.to_string(), "").into_iter().flat_map(|decoded| decoded.diagnostics).collect()
        }
        // Nothing is said of what goes.
        None => Vec::new(),
    };
    let (errors, others): (Vec<_>, Vec<_>) = diagnostics.iter().partition(|diagnostic| diagnostic.is_error());
    let warnings: Vec<String> = others.into_iter().take(MAX_WARNINGS).map(say).collect();
    let mut response = json!({"uid": uid, "allowed": errors.is_empty(), "warnings": warnings});
    if !errors.is_empty() {
        let message = errors.into_iter().map(say).collect::<Vec<_>>().join("; ");
        response["status"] = json!({"code": 422, "reason": "Invalid", "message": message});
    }
    Ok(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
}

/// Field, what is wrong, what to write instead, and the code to look it up by; which object it is the user knows.
fn say(diagnostic: &Diagnostic) -> String {
    let Diagnostic { code, path, message, hint, .. } = diagnostic;
    let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
    format!("{path}{message}{hint} [{code}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(object: &Value) -> Value {
        let review = json!({"request": {"uid": "u", "operation": "CREATE", "object": object}});
        validate(&review).unwrap()["response"].clone()
    }

    fn route(weight: i64) -> Value {
        let two = json!([{"destination": {"host": "a"}, "weight": weight}]);
        json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "v", "namespace": "n", "managedFields": [{}]},
            "spec": {"hosts": ["a"], "http": [{"route": two}]}})
    }

    #[test]
    fn a_refusal_names_the_field() {
        assert_eq!(ask(&route(100))["allowed"], true);
        let refused = ask(&route(-1));
        assert_eq!((&refused["allowed"], &refused["uid"]), (&json!(false), &json!("u")));
        let message = refused["status"]["message"].as_str().unwrap();
        assert!(message.starts_with("spec.http[0].route[0].weight: "), "{message}");
        let mut unknown = route(1);
        unknown["spec"]["htp"] = json!([]);
        let message = ask(&unknown)["status"]["message"].to_string();
        assert!(message.contains("spec.htp: unknown field (did you mean http?)"), "{message}");
    }

    #[test]
    fn what_has_no_effect_is_taken_with_a_warning_and_deletions_are_taken() {
        let filter = json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
            "metadata": {"name": "e", "namespace": "n"}, "spec": {}});
        let taken = ask(&filter);
        assert_eq!(taken["allowed"], true);
        assert!(taken["warnings"][0].as_str().unwrap().contains("has no effect"), "{taken}");
        assert_eq!(ask(&Value::Null)["allowed"], true);
        assert!(validate(&json!({})).is_err());
    }
}
