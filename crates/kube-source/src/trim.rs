//! What is dropped of an object before it is read: bookkeeping of the API server and of tools, and of the large
//! kinds what no mesh reads.

use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use crate::kinds::Watched;

/// Where kubectl keeps a copy of the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What is read of a pod's `spec`.
const POD_SPEC: [&str; 6] =
    ["serviceAccountName", "nodeName", "hostname", "subdomain", "hostNetwork", "containers"];
/// What is read of a container.
const CONTAINER: [&str; 2] = ["name", "ports"];
/// What is read of a pod's `status`.
const POD_STATUS: [&str; 4] = ["phase", "podIP", "podIPs", "conditions"];
/// Labels of nodes that say where they are (CP-27).
const NODE_LABELS: [&str; 3] =
    ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];

/// The object as a document with what is read of it.
#[must_use]
pub fn document(watched: &Watched, object: DynamicObject) -> Value {
    let DynamicObject { types: _, mut metadata, data } = object;
    metadata.managed_fields = None;
    metadata.owner_references = None;
    metadata.finalizers = None;
    metadata.resource_version = None;
    metadata.self_link = None;
    metadata.uid = None;
    metadata.generate_name = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
    let mut fields = match data {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    match watched.kind {
        "Pod" => pod(&mut fields),
        "Service" | "EndpointSlice" => {}
        "Node" => {
            // A node tells of itself every few seconds; its place does not change.
            fields.clear();
            metadata.annotations = None;
            metadata.generation = None;
            if let Some(labels) = &mut metadata.labels {
                labels.retain(|name, _| NODE_LABELS.contains(&name.as_str()));
            }
        }
        "Namespace" => {
            fields.clear();
            metadata.annotations = None;
        }
        // The status of Istio's objects is for people.
        _ => drop(fields.remove("status")),
    }
    fields.insert("apiVersion".to_owned(), json!(watched.api_version()));
    fields.insert("kind".to_owned(), json!(watched.kind));
    fields.insert("metadata".to_owned(), serde_json::to_value(metadata).unwrap_or_default());
    Value::Object(fields)
}

fn keep(value: &mut Value, names: &[&str]) {
    if let Value::Object(fields) = value {
        fields.retain(|name, _| names.contains(&name.as_str()));
    }
}

fn pod(fields: &mut Map<String, Value>) {
    if let Some(spec) = fields.get_mut("spec") {
        keep(spec, &POD_SPEC);
    }
    if let Some(Value::Array(containers)) = fields.get_mut("spec").and_then(|spec| spec.get_mut("containers"))
    {
        containers.iter_mut().for_each(|container| keep(container, &CONTAINER));
    }
    if let Some(status) = fields.get_mut("status") {
        keep(status, &POD_STATUS);
    }
    if let Some(Value::Array(conditions)) =
        fields.get_mut("status").and_then(|status| status.get_mut("conditions"))
    {
        conditions.retain(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"));
        conditions.iter_mut().for_each(|condition| keep(condition, &["type", "status"]));
    }
    fields.retain(|name, _| name == "spec" || name == "status");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::WATCHED;

    fn trimmed(kind: &str, object: Value) -> Value {
        let watched = WATCHED.iter().find(|watched| watched.kind == kind).unwrap();
        document(watched, serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_pod_keeps_what_is_read_of_it() {
        let pod = json!({
            "metadata": {
                "name": "a", "namespace": "n", "labels": {"app": "a"}, "uid": "u", "resourceVersion": "7",
                "annotations": {LAST_APPLIED: "{}", "x": "y"}, "managedFields": [{"manager": "kubectl"}],
            },
            "spec": {"serviceAccountName": "s", "volumes": [{}], "containers": [
                {"name": "c", "image": "i", "env": [{"name": "A"}], "ports": [{"containerPort": 80}]}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [{}], "conditions": [
                {"type": "Initialized", "status": "True"},
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        });
        assert_eq!(
            trimmed("Pod", pod),
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": "a", "namespace": "n", "labels": {"app": "a"}, "annotations": {"x": "y"},
                },
                "spec": {"serviceAccountName": "s",
                    "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
                "status": {"phase": "Running", "podIP": "10.0.0.1",
                    "conditions": [{"type": "Ready", "status": "True"}]},
            })
        );
    }

    #[test]
    fn a_node_keeps_where_it_is_and_istios_objects_keep_all_but_the_status() {
        let node = json!({
            "metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z", "other": "o"},
                "annotations": {"a": "b"}},
            "status": {"capacity": {}}, "spec": {"podCIDR": "10.0.0.0/24"},
        });
        let expected = json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z"}}});
        assert_eq!(trimmed("Node", node), expected);
        let sidecar =
            json!({"metadata": {"name": "s"}, "spec": {"unknown": 1}, "status": {"conditions": []}});
        let kept = trimmed("Sidecar", sidecar);
        assert_eq!((&kept["spec"], kept.get("status")), (&json!({"unknown": 1}), None));
        assert_eq!(kept["apiVersion"], "networking.istio.io/v1");
    }
}
