//! Conditions in the status of Istio's objects, written where they differ from what is there. Source: CRD-18, CP-29.

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::inventory::{ObjectKey, of_istio};

/// The condition's type. Source: Istio.
pub const TYPE: &str = "Reconciled";
/// Who we are as a writer of statuses.
const MANAGER: &str = "weft-status";

/// What is said of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// True, False or Unknown.
    pub status: &'static str,
    /// One word in CamelCase.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Which generation of the object that is.
    pub generation: i64,
    /// What is wrong with it: code, name and level.
    pub findings: Vec<(String, String, &'static str)>,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was written.
    Changed,
    /// It said so already.
    Same,
    /// There is no such object, or its kind has no status.
    Nowhere,
    /// Somebody else wrote at the same time: to be tried again.
    Conflict,
}

/// Writes what is said of an object into its status, unless it says so already. Conditions of other types stay.
///
/// # Errors
/// The API server cannot be asked, or forbids it.
pub async fn write(client: &Client, key: &ObjectKey, stated: &Stated) -> Result<Written, kube::Error> {
    let Some(watched) = of_istio(&key.kind) else { return Ok(Written::Nowhere) };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &key.namespace, &watched.resource());
    let Some(object) = api.get_opt(&key.name).await? else { return Ok(Written::Nowhere) };
    let before = object.data.get("status").unwrap_or(&Value::Null);
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let Some(status) = status(before, stated, &now) else { return Ok(Written::Same) };
    let applied = json!({
        "apiVersion": watched.api_version(),
        "kind": watched.kind,
        // Only onto what was seen: conditions of others are in the list too.
        "metadata": {"name": key.name, "namespace": key.namespace,
                     "resourceVersion": object.metadata.resource_version},
        "status": status,
    });
    let by = PatchParams::apply(MANAGER).force();
    match api.patch_status(&key.name, &by, &Patch::Apply(&applied)).await {
        Ok(_) => Ok(Written::Changed),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Written::Conflict),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Written::Nowhere),
        Err(error) => Err(error),
    }
}

/// The fields of the status that are ours; `None` if it says so already.
fn status(before: &Value, stated: &Stated, now: &str) -> Option<Value> {
    let conditions = before.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_ours = |condition: &Value| condition.get("type").and_then(Value::as_str) == Some(TYPE);
    let old = conditions.iter().find(|condition| is_ours(condition));
    let was = |field: &str| old.and_then(|old| old.get(field)).and_then(Value::as_str);
    let since = was("lastTransitionTime").filter(|_| was("status") == Some(stated.status));
    let own = json!({
        "type": TYPE,
        "status": stated.status,
        "reason": stated.reason,
        "message": stated.message,
        "lastTransitionTime": since.unwrap_or(now),
        // The definitions take it as text too, and Istio writes it so.
        "observedGeneration": stated.generation.to_string(),
    });
    let findings: Vec<Value> = stated
        .findings
        .iter()
        .map(|(code, name, level)| json!({"type": {"code": code, "name": name}, "level": level}))
        .collect();
    let said = before.get("validationMessages").and_then(Value::as_array).cloned().unwrap_or_default();
    if old == Some(&own) && said == findings {
        return None;
    }
    let others = conditions.iter().filter(|condition| !is_ours(condition)).cloned();
    let conditions: Vec<Value> = others.chain([own]).collect();
    Some(json!({
        "conditions": conditions,
        "observedGeneration": stated.generation.to_string(),
        "validationMessages": findings,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_written_and_others_conditions_stay() {
        let stated = Stated {
            status: "True",
            reason: "InEffect",
            message: "3/3 proxies up to date".to_owned(),
            generation: 2,
            findings: Vec::new(),
        };
        let healthy = json!({"type": "Healthy", "status": "True"});
        let first = status(&json!({"conditions": [healthy], "addresses": []}), &stated, "t1").unwrap();
        assert_eq!(first["conditions"][0], healthy);
        assert_eq!(first["conditions"][1]["lastTransitionTime"], "t1");
        assert_eq!(first["conditions"][1]["observedGeneration"], "2");
        assert!(first.get("addresses").is_none());
        assert_eq!(status(&first, &stated, "t2"), None);
        let more = Stated { message: "4/4 proxies up to date".to_owned(), ..stated.clone() };
        assert_eq!(status(&first, &more, "t2").unwrap()["conditions"][1]["lastTransitionTime"], "t1");
        let findings = vec![("WEFT0305".to_owned(), "Conflict".to_owned(), "WARNING")];
        let shadowed = Stated { status: "False", findings, ..stated };
        let third = status(&first, &shadowed, "t3").unwrap();
        assert_eq!(third["conditions"][1]["lastTransitionTime"], "t3");
        assert_eq!(third["validationMessages"][0]["type"]["code"], "WEFT0305");
    }
}
