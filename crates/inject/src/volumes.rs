//! Volumes of the pod, and where the proxy has them. Source: CP-13.

use serde_json::{Value as Json, json};

use crate::pod::annotation;
use crate::settings::{InjectError, Injector};

/// The volumes, and the proxy's mounts.
pub(crate) fn volumes(injector: &Injector, pod: &Json) -> Result<(Vec<Json>, Vec<Json>), InjectError> {
    let audience = injector.text_or("/global/sds/token/aud", "istio-ca");
    let mut volumes = vec![
        json!({"name": "workload-socket", "emptyDir": {}}),
        json!({"name": "credential-socket", "emptyDir": {}}),
        json!({"name": "workload-certs", "emptyDir": {}}),
        json!({"name": "istio-envoy", "emptyDir": {"medium": "Memory"}}),
        json!({"name": "istio-data", "emptyDir": {}}),
        json!({"name": "istio-podinfo", "downwardAPI": {"items": [
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}},
        ]}}),
        json!({"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": {
            "path": "istio-token", "expirationSeconds": 43200, "audience": audience}}]}}),
        json!({"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}}),
        json!({"name": "istio-ca-crl", "configMap": {"name": "istio-ca-crl", "optional": true}}),
    ];
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let mut mounts = vec![
        mount("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
        mount("credential-socket", "/var/run/secrets/credential-uds"),
        mount("workload-certs", "/var/run/secrets/workload-spiffe-credentials"),
        mount("istiod-ca-cert", "/var/run/secrets/istio"),
        mount("istio-ca-crl", "/var/run/secrets/istio/crl"),
        mount("istio-data", "/var/lib/istio/data"),
        mount("istio-envoy", "/etc/istio/proxy"),
        mount("istio-token", "/var/run/secrets/tokens"),
        mount("istio-podinfo", "/etc/istio/pod"),
    ];
    if let Some(name) = annotation(pod, "sidecar.istio.io/bootstrapOverride") {
        volumes.push(json!({"name": "custom-bootstrap-volume", "configMap": {"name": name}}));
        mounts.push(mount("custom-bootstrap-volume", "/etc/istio/custom-bootstrap"));
    }
    volumes.extend(named(pod, "sidecar.istio.io/userVolume")?);
    mounts.extend(named(pod, "sidecar.istio.io/userVolumeMount")?);
    Ok((volumes, mounts))
}

/// An annotation with JSON: objects by name (AN-24, AN-25).
fn named(pod: &Json, name: &str) -> Result<Vec<Json>, InjectError> {
    let Some(text) = annotation(pod, name) else { return Ok(Vec::new()) };
    let refused =
        |reason: String| InjectError::Annotation { name: name.to_owned(), value: text.to_owned(), reason };
    let entries: serde_json::Map<String, Json> =
        serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
    let one = |(name, mut value): (String, Json)| {
        let object = value.as_object_mut().ok_or_else(|| refused(format!("{name} is no object")))?;
        object.insert("name".to_owned(), Json::String(name));
        Ok(value)
    };
    entries.into_iter().map(one).collect()
}
