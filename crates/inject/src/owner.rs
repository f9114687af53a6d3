//! What made a pod: the name of the workload.

use serde_json::Value as Json;

/// What made a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Owner {
    /// Reads the references of a pod: that of a ReplicaSet leads to its Deployment, that of a CronJob's Job to it.
    pub(crate) fn of(pod: &Json) -> Self {
        let references = pod.pointer("/metadata/ownerReferences").and_then(Json::as_array);
        let controls = |owner: &&Json| owner.get("controller").and_then(Json::as_bool) == Some(true);
        let text = |of: &Json, name: &str| of.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let Some(owner) = references.and_then(|all| all.iter().find(controls)) else {
            let metadata = pod.get("metadata").unwrap_or(&Json::Null);
            let mut name = text(metadata, "name");
            if name.is_empty() {
                name = text(metadata, "generateName").trim_end_matches('-').to_owned();
            }
            return Self { api_version: "v1".to_owned(), kind: "Pod".to_owned(), name };
        };
        let (api_version, kind, name) = (text(owner, "apiVersion"), text(owner, "kind"), text(owner, "name"));
        let above = |api: &str, kind: &str, name: &str| Self {
            api_version: api.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        if kind == "ReplicaSet"
            && let Some(hash) = crate::pod::label(pod, "pod-template-hash")
            && let Some(stem) = name.strip_suffix(hash).and_then(|stem| stem.strip_suffix('-'))
        {
            return above("apps/v1", "Deployment", stem);
        }
        // A CronJob's Jobs are named by the minute, eight digits or more.
        if kind == "Job"
            && let Some((stem, minute)) = name.rsplit_once('-')
            && minute.len() >= 8
            && minute.bytes().all(|byte| byte.is_ascii_digit())
        {
            return above("batch/v1", "CronJob", stem);
        }
        Self { api_version, kind, name }
    }

    pub(crate) fn uri(&self, namespace: &str) -> String {
        let kind = self.kind.to_lowercase();
        format!("kubernetes://apis/{}/namespaces/{namespace}/{kind}s/{}", self.api_version, self.name)
    }
}
