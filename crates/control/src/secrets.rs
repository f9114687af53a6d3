//! Secrets of the cluster that gateways name (`credentialName`), sent to those gateways. Source: GW-05.
//!
//! ```text
//!  Nodes: sets of a gateway ─► named: kubernetes://NAME ─► store: that Secret, watched ─► read ─┐
//!        │                                                                                      ▼
//!        └─────────────────────────────────────────────────────────────────── set + secrets ─► Ads
//! ```
//!
//! # Invariants
//! - A Secret is read only while the resources of a connected gateway name it, and goes only to gateways of its own
//!   namespace whose account may list Secrets there.
//! - What is broken or gone leaves the last good version in use, and is said of the Gateway.
//! - Secrets are in no set that pages show.

mod named;
mod read;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use weft_api::istio::gateway::ServerTlsMode;
use weft_api::{Code, Diagnostic, Object, Severity, Spec};
use weft_compile::gateway::tls::secret_names;
use weft_compile::proxy::{Proxy, Role};
use weft_kube_source::Client;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::resource::{Resource, ResourceSet};
use weft_types::SpiffeId;
use weft_xds::server::Provider;

use crate::nodes::Nodes;
use crate::world::World;
use named::Names;
use read::Part;
use store::{Followed, Store};

/// Time between questions whether a gateway's account may read Secrets, while it may not.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Among the numbers of streams for findings: those that are about Secrets.
const OWN: u64 = 1 << 62;

/// Nodes, whose gateways get Secrets too.
#[derive(Debug)]
pub struct WithSecrets {
    nodes: Arc<Nodes>,
    worlds: watch::Receiver<Arc<World>>,
    store: Option<Arc<Store>>,
    last: AtomicU64,
}

impl WithSecrets {
    /// Without a client there are none.
    #[must_use]
    pub fn new(nodes: Arc<Nodes>, worlds: watch::Receiver<Arc<World>>, client: Option<Client>) -> Self {
        let store = client.map(|client| Arc::new(Store::new(client)));
        Self { nodes, worlds, store, last: AtomicU64::new(0) }
    }
}

impl Provider for WithSecrets {
    type Caller = SpiffeId;

    async fn authenticate(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<SpiffeId, Status> {
        self.nodes.authenticate(metadata, extensions).await
    }

    async fn open(
        &self,
        node: &Node,
        caller: &SpiffeId,
    ) -> Result<watch::Receiver<Arc<ResourceSet>>, Status> {
        let sets = self.nodes.open(node, caller).await?;
        let Some(store) = &self.store else { return Ok(sets) };
        let Some(proxy) = Proxy::from_node(node).ok().filter(|proxy| proxy.role == Role::Router) else {
            return Ok(sets);
        };
        let gateway = Gateway {
            id: OWN | self.last.fetch_add(1, Ordering::Relaxed),
            proxy,
            // As authenticated: the node's word is not enough here.
            namespace: caller.namespace.to_string(),
            account: caller.service_account.to_string(),
            nodes: self.nodes.clone(),
            worlds: self.worlds.clone(),
            store: store.clone(),
        };
        let first = sets.borrow().clone();
        let (send, receiver) = watch::channel(first);
        tokio::spawn(gateway.follow(sets, send));
        Ok(receiver)
    }
}

/// One stream of a gateway.
struct Gateway {
    id: u64,
    proxy: Proxy,
    namespace: String,
    account: String,
    nodes: Arc<Nodes>,
    worlds: watch::Receiver<Arc<World>>,
    store: Arc<Store>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.nodes.findings().forget(self.id);
    }
}

/// A name that resources use: where it comes from, and the last that was good.
struct Wanted {
    /// The Secret, and for authorities the one beside it.
    followed: Vec<Followed>,
    part: Part,
    good: Option<Arc<Resource>>,
}

impl Gateway {
    /// Adds Secrets to sets until the stream ends.
    async fn follow(
        self,
        mut sets: watch::Receiver<Arc<ResourceSet>>,
        send: watch::Sender<Arc<ResourceSet>>,
    ) {
        let mut names = Names::default();
        let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
        let mut news = self.store.news();
        loop {
            let set = sets.borrow_and_update().clone();
            news.borrow_and_update();
            let named = names.of(&set);
            let permitted = named.is_empty() || self.store.permits(&self.namespace, &self.account).await;
            wanted.retain(|name, _| permitted && named.contains(name));
            let mut problems = BTreeMap::new();
            for name in &named {
                if !permitted {
                    let account = format!("{}/{}", self.namespace, self.account);
                    let why =
                        format!("the gateway's account {account} may not list the Secrets of its namespace");
                    problems.insert(name.clone(), why);
                } else if !wanted.contains_key(name) {
                    match self.want(name) {
                        Ok(new) => drop(wanted.insert(name.clone(), new)),
                        Err(why) => drop(problems.insert(name.clone(), why)),
                    }
                }
            }
            let mut merged = (*set).clone();
            for (name, wanted) in &mut wanted {
                if let Err(why) = wanted.update(name) {
                    problems.insert(name.clone(), why);
                }
                if let Some(good) = &wanted.good {
                    merged.put(good.clone());
                }
            }
            if **send.borrow() != merged {
                send.send_replace(Arc::new(merged));
            }
            self.say(&problems);
            let again = async {
                match permitted {
                    true => std::future::pending().await,
                    false => tokio::time::sleep(ASK_AGAIN).await,
                }
            };
            tokio::select! {
                changed = sets.changed() => if changed.is_err() { return },
                changed = news.changed() => if changed.is_err() { return },
                () = again => {}
                () = send.closed() => return,
            }
        }
    }

    fn want(&self, name: &str) -> Result<Wanted, String> {
        let (namespace, secret) = named::place(name, &self.namespace);
        if namespace != self.namespace {
            let own = &self.namespace;
            return Err(format!("a gateway of namespace {own} gets no Secret of another"));
        }
        let follow = |secret: &str| self.store.follow(namespace, secret);
        let (part, followed) = match secret.strip_suffix(named::AUTHORITIES) {
            Some(beside) => (Part::Authorities, vec![follow(secret)?, follow(beside)?]),
            None => (Part::Certificate, vec![follow(secret)?]),
        };
        Ok(Wanted { followed, part, good: None })
    }

    /// Says what is wrong of the Gateways that name it.
    fn say(&self, problems: &BTreeMap<String, String>) {
        let world = self.worlds.borrow().clone();
        let mut found = Vec::new();
        for object in world.snapshot.gateways_for(&self.namespace, &self.proxy.labels) {
            let Spec::Gateway(spec) = &object.spec else { continue };
            for (index, server) in spec.servers.iter().enumerate() {
                let Some(tls) = &server.tls else { continue };
                let asks = matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual);
                let authorities = secret_names(tls).into_iter().filter(|_| asks);
                let authorities = authorities.map(|name| format!("{name}{}", named::AUTHORITIES));
                let own = tls.ca_cert_credential_name.clone();
                let names = secret_names(tls).into_iter().map(str::to_owned).chain(authorities).chain(own);
                for name in names {
                    let problem = problems.iter().find(|(full, _)| named::is(full, &name));
                    found.extend(problem.map(|(full, why)| finding(&object, index, full, why)));
                }
            }
        }
        self.nodes.findings().replace(self.id, found);
    }
}

impl Wanted {
    /// Takes what the Secret says now.
    fn update(&mut self, name: &str) -> Result<(), String> {
        let mut why = None;
        for followed in &self.followed {
            match followed.read(name, self.part) {
                // The same bytes are the same resource.
                Ok(Some(secret)) => {
                    let new = Resource::pack(name, &secret);
                    if self.good.as_ref().is_none_or(|good| **good != new) {
                        self.good = Some(Arc::new(new));
                    }
                    return Ok(());
                }
                Ok(None) => {}
                Err(error) => why = why.or(Some(error)),
            }
        }
        let first = self.followed.first();
        // Not listed yet: that is no news.
        if why.is_none() && !first.is_some_and(Followed::is_missing) {
            return Ok(());
        }
        let kept = if self.good.is_some() { "; its last good version stays in use" } else { "" };
        let secret = first.map(Followed::to_string).unwrap_or_default();
        Err(why.map_or(format!("there is no Secret {secret}{kept}"), |why| format!("{why}{kept}")))
    }
}

fn finding(object: &Object, server: usize, name: &str, why: &str) -> Diagnostic {
    Diagnostic {
        object: Some(object.reference.clone()),
        path: format!("spec.servers[{server}].tls"),
        severity: Severity::Warning,
        ..Diagnostic::of_file(Code::Secret, &object.source.file, format!("{name}: {why}"))
    }
}
