//! Our webhooks as the API server knows them: whom it is to trust, and that it can rely on us. Source: CP-10, CP-16.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::backoff::Backoff;
use crate::roots::MANAGER;

/// Time between looks: an upgrade may have reset them.
const LOOK: Duration = Duration::from_secs(2);

/// Which webhooks are ours.
#[derive(Clone, Debug)]
pub struct Ours {
    /// Namespace of the control plane.
    pub namespace: String,
    /// Revision.
    pub revision: String,
    /// Name of the Service in front of us.
    pub service: String,
}

/// Keeps `caBundle` at the roots, and `failurePolicy` of validation at Fail. Runs until dropped.
pub async fn keep(client: Client, ours: Ours, mut roots: watch::Receiver<String>) {
    let mut backoff = Backoff::new();
    loop {
        let bundle = roots.borrow_and_update().clone();
        let pause = match set_all(&client, &ours, &bundle).await {
            Ok(()) => {
                backoff.reset();
                LOOK
            }
            Err(error) => {
                tracing::warn!(%error, "webhooks are not set");
                backoff.pause()
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = roots.changed() => if changed.is_err() { return },
        }
    }
}

async fn set_all(client: &Client, ours: &Ours, bundle: &str) -> Result<(), kube::Error> {
    let validating = ApiResource::erase::<ValidatingWebhookConfiguration>(&());
    let mutating = ApiResource::erase::<MutatingWebhookConfiguration>(&());
    for (resource, policy) in [(validating, Some("Fail")), (mutating, None)] {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        for found in api.list(&ListParams::default()).await? {
            let Some(webhooks) = settled(&found.data, ours, bundle, policy) else { continue };
            let name = found.name_any();
            let patch = json!({
                "metadata": {"resourceVersion": found.resource_version()},
                "webhooks": webhooks,
            });
            let by = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            match api.patch(&name, &by, &Patch::Merge(&patch)).await {
                Ok(written) => give_up_claim(&api, &name, &written, &by).await?,
                // Somebody was faster; the next look sees what he did.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(error) => return Err(error),
            }
            tracing::info!(%name, "webhook is set");
        }
    }
    Ok(())
}

/// The webhooks of a configuration with what they are to say; `None` if none is ours or they say so already.
fn settled(data: &Value, ours: &Ours, bundle: &str, policy: Option<&str>) -> Option<Value> {
    let encoded = serde_json::to_value(k8s_openapi::ByteString(bundle.as_bytes().to_vec())).ok()?;
    let before = data.get("webhooks")?.as_array()?;
    let mut webhooks = before.clone();
    for webhook in &mut webhooks {
        let service = webhook.get("clientConfig").and_then(|config| config.get("service"));
        let is_ours = service.is_some_and(|service| {
            service.get("namespace").and_then(Value::as_str) == Some(&ours.namespace)
                && service.get("name").and_then(Value::as_str) == Some(&ours.service)
        });
        if !is_ours {
            continue;
        }
        webhook["clientConfig"]["caBundle"] = encoded.clone();
        if let Some(policy) = policy {
            webhook["failurePolicy"] = json!(policy);
        }
    }
    (webhooks != *before).then_some(Value::Array(webhooks))
}

/// Takes our entry out of `managedFields`: a field that we claim would make Helm's rollback fail.
async fn give_up_claim(
    api: &Api<DynamicObject>,
    name: &str,
    written: &DynamicObject,
    by: &PatchParams,
) -> Result<(), kube::Error> {
    let entries = written.metadata.managed_fields.iter().flatten();
    let others: Vec<_> = entries.filter(|entry| entry.manager.as_deref() != Some(MANAGER)).collect();
    // An empty list would be taken for "leave as it is"; with one empty entry it is emptied.
    let others = if others.is_empty() { json!([{}]) } else { json!(others) };
    let patch = json!({"metadata": {"resourceVersion": written.resource_version(), "managedFields": others}});
    match api.patch(name, by, &Patch::Merge(&patch)).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_and_differs_is_set() {
        let ours =
            Ours { namespace: "istio-system".into(), revision: "default".into(), service: "istiod".into() };
        let webhook = |service: &str, config: Value, policy: &str| {
            let mut webhook = json!({"name": "w", "failurePolicy": policy, "clientConfig": config});
            webhook["clientConfig"]["service"] = json!({"name": service, "namespace": "istio-system"});
            webhook
        };
        let data =
            json!({"webhooks": [webhook("istiod", json!({}), "Ignore"), webhook("x", json!({}), "Ignore")]});
        let set = settled(&data, &ours, "PEM", Some("Fail")).unwrap();
        assert_eq!(set[0], webhook("istiod", json!({"caBundle": "UEVN"}), "Fail"));
        assert_eq!(set[1], data["webhooks"][1]);
        assert_eq!(settled(&json!({"webhooks": set}), &ours, "PEM", Some("Fail")), None);
        assert!(
            settled(&json!({"webhooks": [webhook("x", json!({}), "Ignore")]}), &ours, "PEM", None).is_none()
        );
    }
}
