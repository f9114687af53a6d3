//! The mesh's roots in every namespace, where pods mount them. Source: CP-21.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures_util::{StreamExt as _, stream::select};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Client;
use kube::api::{Api, PartialObjectMeta, Patch, PatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::json;
use tokio::sync::watch;

use crate::backoff::Backoff;

/// Name of the ConfigMap.
pub const NAME: &str = "istio-ca-root-cert";
/// Its key.
pub const KEY: &str = "root-cert.pem";
/// Namespaces where no pod is in the mesh. Source: CP-11.
pub const LEFT_OUT: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];
/// Who we are as a writer.
pub const MANAGER: &str = "istiod";

enum Seen {
    Namespace(Event<String>),
    Map(Event<(String, Option<String>)>),
}

/// What is there, and so what is to be written.
#[derive(Debug, Default)]
struct State {
    namespaces: BTreeSet<String>,
    /// Roots by namespace.
    maps: BTreeMap<String, Option<String>>,
    /// Kinds that are listed: before both are, nothing is known to lack.
    listed: (bool, bool),
    listing: (BTreeSet<String>, BTreeMap<String, Option<String>>),
}

impl State {
    fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Namespace(Event::Init) => self.listing.0.clear(),
            Seen::Namespace(Event::InitApply(name)) => drop(self.listing.0.insert(name)),
            Seen::Namespace(Event::InitDone) => {
                self.namespaces = std::mem::take(&mut self.listing.0);
                self.listed.0 = true;
            }
            Seen::Namespace(Event::Apply(name)) => drop(self.namespaces.insert(name)),
            Seen::Namespace(Event::Delete(name)) => drop(self.namespaces.remove(&name)),
            Seen::Map(Event::Init) => self.listing.1.clear(),
            Seen::Map(Event::InitApply((namespace, text))) => {
                self.listing.1.insert(namespace, text);
            }
            Seen::Map(Event::InitDone) => {
                self.maps = std::mem::take(&mut self.listing.1);
                self.listed.1 = true;
            }
            Seen::Map(Event::Apply((namespace, text))) => drop(self.maps.insert(namespace, text)),
            Seen::Map(Event::Delete((namespace, _))) => drop(self.maps.remove(&namespace)),
        }
    }

    /// Namespaces whose ConfigMap lacks or says something else.
    fn wanting(&self, roots: &str) -> Vec<String> {
        if self.listed != (true, true) {
            return Vec::new();
        }
        let holds =
            |namespace: &str| self.maps.get(namespace).is_some_and(|text| text.as_deref() == Some(roots));
        let all = self.namespaces.iter().filter(|name| !LEFT_OUT.contains(&name.as_str()));
        all.filter(|name| !holds(name)).cloned().collect()
    }
}

/// Writes the ConfigMap wherever it lacks or differs, now and at each change of namespaces, ConfigMaps or roots.
/// Several of us may do so at once: they write the same. Runs until dropped.
pub async fn keep(client: Client, mut roots: watch::Receiver<String>) {
    let name = |meta: &kube::api::ObjectMeta| meta.name.clone().unwrap_or_default();
    let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
    let namespaces = watcher(namespaces, watcher::Config::default())
        .map(|event| event.map(|event| Seen::Namespace(map(event, |object| name(&object.metadata)))));
    let maps: Api<ConfigMap> = Api::all(client.clone());
    let maps =
        watcher(maps, watcher::Config::default().fields(&format!("metadata.name={NAME}"))).map(|event| {
            event.map(|event| {
                Seen::Map(map(event, |object: ConfigMap| {
                    let text = object.data.and_then(|mut data| data.remove(KEY));
                    (object.metadata.namespace.unwrap_or_default(), text)
                }))
            })
        });
    let mut events = pin!(select(namespaces, maps));
    let mut state = State::default();
    let mut backoff = Backoff::new();
    loop {
        let wanted = roots.borrow_and_update().clone();
        for namespace in state.wanting(&wanted) {
            match write(&client, &namespace, &wanted).await {
                Ok(()) => drop(state.maps.insert(namespace, Some(wanted.clone()))),
                // A namespace that is going takes no new objects.
                Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                    tracing::debug!(%namespace, %status, "{NAME} is not written");
                    state.namespaces.remove(&namespace);
                }
                Err(error) => {
                    tracing::warn!(%namespace, %error, "{NAME} is not written");
                    tokio::time::sleep(backoff.pause()).await;
                }
            }
        }
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(seen)) => {
                    backoff.reset();
                    state.see(seen);
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "a watch for {NAME} broke");
                    tokio::time::sleep(backoff.pause()).await;
                }
                None => return,
            },
            changed = roots.changed() => if changed.is_err() { return },
        }
    }
}

fn map<A, B>(event: Event<A>, to: impl Fn(A) -> B) -> Event<B> {
    match event {
        Event::Apply(object) => Event::Apply(to(object)),
        Event::Delete(object) => Event::Delete(to(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(to(object)),
        Event::InitDone => Event::InitDone,
    }
}

async fn write(client: &Client, namespace: &str, roots: &str) -> Result<(), kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": namespace, "labels": {"istio.io/config": "true"}},
        "data": {KEY: roots},
    });
    api.patch(NAME, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&map)).await.map(drop)
}
