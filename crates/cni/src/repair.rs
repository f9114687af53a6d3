//! Pods that started before the plugin was in place: their trial fails, and they are mended, deleted or labelled.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;

use crate::{pods, rules};

/// Time between looks.
const LOOK: Duration = Duration::from_secs(5);

/// What is done about a pod that is not redirected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Its rules are set; its trial passes the next time.
    Mend,
    /// It is deleted, for whoever made it to make another.
    Delete,
    /// It is labelled.
    Label(String, String),
}

/// How it is done.
#[derive(Clone, Debug)]
pub struct Repair {
    /// This node.
    pub node: String,
    /// The container that tries.
    pub container: String,
    /// What is done.
    pub remedy: Remedy,
    /// The node's processes.
    pub processes: PathBuf,
    /// Where `weft-proxy` is.
    pub proxy: PathBuf,
}

impl Repair {
    /// Looks and mends. Runs until dropped.
    pub async fn run(self, client: Client) {
        let all: Api<Pod> = Api::all(client.clone());
        // From the API server's cache: this is asked often.
        let params = ListParams::default().match_any().fields(&format!("spec.nodeName={}", self.node));
        loop {
            tokio::time::sleep(LOOK).await;
            let found = match all.list(&params).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "pods of this node cannot be listed");
                    continue;
                }
            };
            for pod in found.items.into_iter().filter(|pod| pods::is_broken(pod, &self.container)) {
                let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
                match self.mend(&client, &pod).await {
                    Ok(()) => tracing::info!(pod = name, remedy = ?self.remedy, "was not redirected"),
                    Err(error) => tracing::warn!(pod = name, "is not redirected: {error:#}"),
                }
            }
        }
    }

    async fn mend(&self, client: &Client, pod: &Pod) -> Result<()> {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        match &self.remedy {
            Remedy::Mend => {
                let Some(words) = pods::arguments(pod) else { bail!("its trial has no words for rules") };
                let uid = pod.uid().context("the pod has no uid")?;
                let netns = network(&self.processes, &uid).context("no process of it is found")?;
                rules::set(&self.proxy, &netns, &words).await
            }
            Remedy::Delete => Ok(api.delete(&name, &DeleteParams::default()).await.map(drop)?),
            Remedy::Label(key, value) => {
                let patch = json!({"metadata": {"labels": {key: value}}});
                Ok(api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.map(drop)?)
            }
        }
    }
}

/// The network namespace of a pod by one of its processes, whose control group names the pod.
fn network(processes: &Path, uid: &str) -> Option<PathBuf> {
    // One driver of control groups writes the uid with underscores.
    let names = [format!("pod{uid}"), format!("pod{}", uid.replace('-', "_"))];
    let mut all = std::fs::read_dir(processes).ok()?.filter_map(Result::ok);
    let of_pod = all.find(|entry| {
        let groups = std::fs::read_to_string(entry.path().join("cgroup"));
        groups.is_ok_and(|groups| names.iter().any(|name| groups.contains(name)))
    })?;
    Some(of_pod.path().join("ns/net"))
}
