//! Which replica does what has one writer. Source: CP-23.
//!
//! | Lease | job | by revision |
//! |---|---|---|
//! | `istio-namespace-controller-election` | the mesh's roots in every namespace | no: the default revision goes first |
//! | `istio-status-leader` | conditions in the status of objects | no: the same |
//! | `istio-webhook-leader-REVISION` | `caBundle` of our own webhooks (Istio's replicas all write it) | yes |
//!
//! The authority's Secret needs none: of several that create it, the API server takes one.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use weft_kube_source::Client;
use weft_kube_source::leases::{Election, Term, stand};

use crate::settings::Kubernetes;

/// Longest time to give Leases back.
const RELEASE: Duration = Duration::from_secs(2);
/// The revision that goes before others.
const FIRST: &str = "default";

/// Our terms as leader, each as it changes.
#[derive(Debug)]
pub struct Leases {
    /// Of the roots in namespaces.
    pub namespaces: Term,
    /// Of conditions of objects.
    pub status: Term,
    /// Of our webhooks.
    pub webhooks: Term,
    stop: watch::Sender<bool>,
    standing: Vec<JoinHandle<()>>,
}

impl Leases {
    /// Stands for election to all of them. Needs a running runtime.
    #[must_use]
    pub fn start(client: &Client, settings: &Kubernetes) -> Self {
        let (stop, stopped) = watch::channel(false);
        let revision = match settings.revision.as_str() {
            "" => FIRST,
            revision => revision,
        };
        let mut standing = Vec::new();
        let mut term = |name: String| {
            let election = Election {
                namespace: settings.namespace.clone(),
                name,
                holder: holder(),
                revision: revision.to_owned(),
                first: revision == FIRST,
            };
            let (send, term) = watch::channel(false);
            standing.push(tokio::spawn(stand(client.clone(), election, send, stopped.clone())));
            term
        };
        Self {
            namespaces: term("istio-namespace-controller-election".to_owned()),
            status: term("istio-status-leader".to_owned()),
            webhooks: term(format!("istio-webhook-leader-{revision}")),
            stop,
            standing,
        }
    }

    /// Ends all terms and gives the Leases back, so that other replicas need not wait for their end.
    pub async fn release(self) {
        self.stop.send_replace(true);
        for standing in self.standing {
            let abort = standing.abort_handle();
            if tokio::time::timeout(RELEASE, standing).await.is_err() {
                abort.abort();
            }
        }
    }
}

/// The pod's name; outside of a cluster, the machine's and the process.
fn holder() -> String {
    let named = std::env::var("POD_NAME").ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        format!("{}-{}", machine.trim(), std::process::id())
    })
}
