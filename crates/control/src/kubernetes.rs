//! A Kubernetes cluster: its objects as a source, its word on tokens, its Secrets as the place of the authority,
//! and webhooks for its API server.
//!
//! ```text
//! ConfigMap istio ─► mesh config ─┐                        Secret cacerts, else istio-ca-secret ─► authority
//! objects ─► Source ──────────────┴─► world                roots ─► istio-ca-root-cert in each namespace
//! TokenReview ◄── callers                                  roots ─► caBundle of webhooks ◄─ HTTPS: /validate
//! ```

mod authority;
mod injection;
pub mod review;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use weft_ca::Authority;
use weft_kube_source::leases::lead;
use weft_kube_source::webhooks::Ours;
use weft_kube_source::{Client, Reviews, Source, connect, named, roots, version};
use weft_model::MeshConfig;

use crate::certificates::Certificates;
use crate::leases::Leases;
use crate::mesh_config;
use crate::settings::{Kubernetes, NativeSidecars};
use crate::status::Statuses;
use crate::world::Message;
use injection::Injection;

/// Since this version native sidecars are stable; the oldest kubelets beside it, 1.30, have them too.
const NATIVE_SINCE: (u32, u32) = (1, 33);

/// A cluster that is followed; dropping it ends that.
pub struct Cluster {
    client: Client,
    settings: Kubernetes,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
    source: Source,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }
}

impl Cluster {
    /// Connects, reads the mesh config, and waits until all objects have been sent as source number `place`. The
    /// ConfigMap's settings go before those in `mesh`; its trust domain counts only now.
    ///
    /// # Errors
    /// There is no way to the API server, or it forbids what must be read.
    pub async fn start(
        settings: &Kubernetes,
        mesh: MeshConfig,
        trust_domain: Option<String>,
        place: usize,
        send: mpsc::Sender<Message>,
    ) -> Result<(MeshConfig, Self)> {
        let client = connect(settings.kubeconfig.as_deref()).await?;
        let name = format!("istio{}", settings.suffix());
        let base = MeshConfig {
            cluster: settings.cluster_id.as_str().into(),
            domain: settings.domain.as_str().into(),
            root_namespace: settings.namespace.as_str().into(),
            secrets: true,
            ..mesh
        };
        let namespace = settings.namespace.clone();
        let map = named::config_map(&client, &namespace, &name).await;
        let map = map.with_context(|| format!("reading ConfigMap {namespace}/{name}"))?;
        let mut first = read_mesh(&base, map.as_ref());
        if let Some(trust_domain) = trust_domain {
            first.trust_domain = trust_domain.into();
        }
        let objects = send.clone();
        // Nobody listens any more once we stop.
        let mut source =
            Source::start(&client, move |update| drop(objects.send(Message::Objects(place, update))));
        source.synced().await;
        let (watching, mut told) = (client.clone(), first.clone());
        let follow = async move {
            named::follow_config_map(watching, &namespace, &name, |map| {
                let mut mesh = read_mesh(&base, map.as_ref());
                if mesh.trust_domain != told.trust_domain {
                    // Certificates and identities in use are of the old one.
                    mesh.trust_domain = told.trust_domain.clone();
                }
                if mesh != told {
                    told = mesh.clone();
                    // Nobody listens any more once we stop.
                    let _ = send.send(Message::Mesh(Box::new(mesh)));
                }
            })
            .await;
        };
        let tasks = std::sync::Mutex::new(vec![tokio::spawn(follow)]);
        Ok((first, Self { client, settings: settings.clone(), tasks, source }))
    }

    /// The authority of the Secret `cacerts`, else of `istio-ca-secret`, which is made if there is none (CP-19).
    ///
    /// # Errors
    /// A Secret cannot be read, or what is in it cannot serve.
    pub async fn authority(&self, trust_domain: &str) -> Result<Authority> {
        authority::open(&self.client, &self.settings.namespace, trust_domain).await
    }

    /// Names of our own certificate (CP-22).
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let Kubernetes { namespace, service, domain, .. } = &self.settings;
        let mut names = vec!["localhost".to_owned()];
        for service in [service.as_str(), "istiod", "istio-pilot"] {
            for name in [
                format!("{service}.{namespace}.svc"),
                format!("{service}.{namespace}"),
                format!("{service}.{namespace}.svc.{domain}"),
            ] {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Stands for election to what has one writer.
    #[must_use]
    pub fn leases(&self) -> Leases {
        Leases::start(&self.client, &self.settings)
    }

    /// A client of its API server.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// What keeps the status of objects while we lead; `None` if it is turned off.
    #[must_use]
    pub fn statuses(&self, leases: &Leases) -> Option<Statuses> {
        let (client, inventory) = (self.client.clone(), self.source.inventory().clone());
        self.settings.status.then(|| Statuses { client, inventory, term: leases.status.clone() })
    }

    /// The API server's word on tokens.
    #[must_use]
    pub fn reviews(&self) -> Arc<Reviews> {
        Arc::new(Reviews::new(self.client.clone(), self.settings.token_audiences.clone()))
    }

    /// Serves webhooks, distributes roots, follows the authority's Secret; returns where health is to be told.
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub async fn serve(&self, certificates: &Arc<Certificates>, leases: &Leases) -> Result<Vec<TcpListener>> {
        let Kubernetes { webhooks, health, namespace, revision, service, .. } = &self.settings;
        let listener = TcpListener::bind(webhooks).await.with_context(|| format!("--webhooks {webhooks}"))?;
        let health = TcpListener::bind(health).await.with_context(|| format!("--health {health}"))?;
        let ours =
            Ours { namespace: namespace.clone(), revision: revision.clone(), service: service.clone() };
        let follow = authority::follow(self.client.clone(), namespace.clone(), certificates.clone());
        let injection = Arc::new(Injection::new(self.native_sidecars().await));
        let (inject, client, of) = (injection.clone(), self.client.clone(), self.settings.clone());
        let follow_injection = async move { inject.follow(client, &of.namespace, &of.suffix()).await };
        let (client, told) = (self.client.clone(), certificates.roots());
        let keep_roots = move || roots::keep(client.clone(), told.clone());
        let (client, told) = (self.client.clone(), certificates.roots());
        let keep_webhooks =
            move || weft_kube_source::webhooks::keep(client.clone(), ours.clone(), told.clone());
        let mut tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tasks.extend([
            tokio::spawn(webhooks::serve(listener, certificates.clone(), injection)),
            tokio::spawn(follow_injection),
            tokio::spawn(lead(leases.namespaces.clone(), keep_roots)),
            tokio::spawn(lead(leases.webhooks.clone(), keep_webhooks)),
            tokio::spawn(follow),
        ]);
        Ok(vec![health])
    }
}

impl Cluster {
    /// Whether sidecars are init containers that stay: as told, else by the version of Kubernetes.
    async fn native_sidecars(&self) -> bool {
        match self.settings.native_sidecars {
            NativeSidecars::True => true,
            NativeSidecars::False => false,
            NativeSidecars::Auto => match version(&self.client).await {
                Ok(version) => version >= NATIVE_SINCE,
                Err(error) => {
                    tracing::warn!(%error, "the version of Kubernetes is not known; sidecars are containers");
                    false
                }
            },
        }
    }
}

/// The mesh config in a ConfigMap over that in `base`; what cannot be read leaves `base`.
fn read_mesh(base: &MeshConfig, map: Option<&BTreeMap<String, String>>) -> MeshConfig {
    let Some(text) = map.and_then(|map| map.get("mesh")) else { return base.clone() };
    match mesh_config::parse_over(base.clone(), text) {
        Ok((mesh, findings)) => {
            for finding in findings {
                tracing::info!("{finding}");
            }
            mesh
        }
        Err(error) => {
            tracing::error!(%error, "mesh config of the ConfigMap");
            base.clone()
        }
    }
}
