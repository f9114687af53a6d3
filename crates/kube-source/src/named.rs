//! ConfigMaps and Secrets that are known by name.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::watcher::watch_object;
use kube::{Client, Error};

use crate::backoff::Backoff;

/// The data of a ConfigMap; `None` if there is none.
///
/// # Errors
/// The API server cannot be asked, or forbids it.
pub async fn config_map(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    Ok(api.get_opt(name).await?.map(|map| map.data.unwrap_or_default()))
}

/// Tells the data of a ConfigMap, now and at each change; `None` while there is none. Runs until dropped.
pub async fn follow_config_map(
    client: Client,
    namespace: &str,
    name: &str,
    mut deliver: impl FnMut(Option<BTreeMap<String, String>>),
) {
    let api: Api<ConfigMap> = Api::namespaced(client, namespace);
    let mut events = pin!(watch_object(api, name));
    let mut backoff = Backoff::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(map) => {
                backoff.reset();
                deliver(map.map(|map| map.data.unwrap_or_default()));
            }
            Err(error) => {
                tracing::warn!(namespace, name, %error, "the watch of the ConfigMap broke");
                tokio::time::sleep(backoff.pause()).await;
            }
        }
    }
}

/// The data of a Secret; `None` if there is none.
///
/// # Errors
/// The API server cannot be asked, or forbids it.
pub async fn secret(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    Ok(api.get_opt(name).await?.map(data))
}

fn data(secret: Secret) -> BTreeMap<String, Vec<u8>> {
    secret.data.unwrap_or_default().into_iter().map(|(name, ByteString(bytes))| (name, bytes)).collect()
}

/// Tells the data of a Secret as [`follow_config_map`] does that of a ConfigMap.
pub async fn follow_secret(
    client: Client,
    namespace: &str,
    name: &str,
    mut deliver: impl FnMut(Option<BTreeMap<String, Vec<u8>>>),
) {
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let mut events = pin!(watch_object(api, name));
    let mut backoff = Backoff::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(secret) => {
                backoff.reset();
                deliver(secret.map(data));
            }
            Err(error) => {
                tracing::warn!(namespace, name, %error, "the watch of the Secret broke");
                tokio::time::sleep(backoff.pause()).await;
            }
        }
    }
}

/// Makes a Secret; false if there is one already.
///
/// # Errors
/// The API server cannot be asked, or forbids it.
pub async fn create_secret(
    client: &Client,
    namespace: &str,
    name: &str,
    kind: &str,
    data: BTreeMap<String, Vec<u8>>,
) -> Result<bool, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        type_: Some(kind.to_owned()),
        data: Some(data.into_iter().map(|(name, bytes)| (name, ByteString(bytes))).collect()),
        ..Secret::default()
    };
    match api.create(&PostParams::default(), &secret).await {
        Ok(_) => Ok(true),
        Err(Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
