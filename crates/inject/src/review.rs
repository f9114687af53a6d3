//! An `AdmissionReview` (admission.k8s.io/v1) of a pod in, one with the patch out. Source: CP-10.

use base64::Engine as _;
use serde_json::{Value as Json, json};

use crate::pod::Outcome;
use crate::settings::{InjectError, Injector};

/// Answers a review. What is no review of a pod is refused in the answer, which names why; that the pod's own
/// settings are wrong refuses the pod.
#[must_use]
pub fn answer(injector: &Injector, review: &Json) -> Json {
    let request = review.get("request").unwrap_or(&Json::Null);
    let mut response = json!({"uid": request.get("uid").cloned().unwrap_or_default(), "allowed": true});
    match patch(injector, request) {
        Ok(Some(patch)) => {
            response["patchType"] = "JSONPatch".into();
            response["patch"] = base64::engine::general_purpose::STANDARD.encode(patch).into();
        }
        Ok(None) => {}
        Err(error) => {
            response["allowed"] = false.into();
            response["status"] = json!({"code": 400, "message": format!("sidecar injection: {error}")});
        }
    }
    let version = review.get("apiVersion").cloned().unwrap_or_else(|| "admission.k8s.io/v1".into());
    json!({"apiVersion": version, "kind": "AdmissionReview", "response": response})
}

fn patch(injector: &Injector, request: &Json) -> Result<Option<String>, InjectError> {
    let pod = request.get("object").filter(|pod| pod.is_object()).ok_or_else(|| InjectError::Malformed {
        at: "request.object".to_owned(),
        reason: "is no pod".to_owned(),
    })?;
    // A pod that is being made may have no namespace yet.
    let named = |of: &Json| of.get("namespace").and_then(Json::as_str).map(str::to_owned);
    let namespace = named(request).or_else(|| pod.get("metadata").and_then(named));
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    match injector.inject(pod, &namespace, None)? {
        Outcome::Left(_) => Ok(None),
        Outcome::Injected(after) => Ok(Some(json!(json_patch::diff(pod, &after)).to_string())),
    }
}
