//! Connected proxies: each gets what the compiler makes of the mesh for it, now and at each change.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use weft_api::Diagnostic;
use weft_compile::proxy::Proxy;
use weft_model::Snapshot;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::resource::ResourceSet;
use weft_types::SpiffeId;
use weft_xds::server::Provider;

use crate::callers::Callers;
use crate::findings::{Findings, beyond};
use crate::share::share;
use crate::world::World;

/// Most streams at a time.
pub const MAX_STREAMS: usize = 20_000;

/// What makes a set of a snapshot and a proxy; a value, so that tests can put another in its place.
pub type Compile = Arc<dyn Fn(&Snapshot, &Proxy) -> ResourceSet + Send + Sync>;

/// The proxies that are connected.
pub struct Nodes {
    worlds: watch::Receiver<Arc<World>>,
    compile: Compile,
    callers: Callers,
    /// As many compile at once as there are cores.
    cores: Arc<Semaphore>,
    connected: Arc<Mutex<Connected>>,
    findings: Arc<Findings>,
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Connected {
    last: u64,
    open: BTreeMap<u64, (Arc<Proxy>, watch::Sender<Arc<ResourceSet>>)>,
}

impl Nodes {
    /// No proxy yet.
    #[must_use]
    pub fn new(worlds: watch::Receiver<Arc<World>>, compile: Compile, callers: Callers) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            worlds,
            compile,
            callers,
            cores: Arc::new(Semaphore::new(cores)),
            connected: Arc::default(),
            findings: Arc::default(),
        }
    }

    /// The set of a connected proxy, by `node.id` or by the `POD.NAMESPACE` in it; the last that connected if
    /// there are several.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<(Arc<Proxy>, Arc<ResourceSet>)> {
        let connected = lock(&self.connected);
        let named = |proxy: &Proxy| *proxy.id == *id || proxy.id.split('~').nth(2) == Some(id);
        let (proxy, sets) = connected.open.values().rev().find(|(proxy, _)| named(proxy))?;
        Some((proxy.clone(), sets.borrow().clone()))
    }

    /// What is said of objects for the connected proxies, beyond what is said of the mesh.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Who a node is, if the caller may say so: it must be the caller's workload.
    fn admit(&self, node: &Node, caller: &SpiffeId) -> Result<Proxy, Status> {
        let mut proxy =
            Proxy::from_node(node).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let refuse = |what: &str, says: &str, is: &str| {
            Err(Status::permission_denied(format!(
                "node {:?} says {what} {says:?}, and the caller is {caller} ({what} {is:?})",
                node.id
            )))
        };
        if *proxy.namespace != *caller.namespace {
            return refuse("namespace", &proxy.namespace, &caller.namespace);
        }
        if proxy.service_account.is_empty() {
            proxy.service_account = (*caller.service_account).into();
        }
        if *proxy.service_account != *caller.service_account {
            return refuse("service account", &proxy.service_account, &caller.service_account);
        }
        // The namespace in the id is part of names that others see.
        let in_id = node.id.split('~').nth(2).and_then(|pod| pod.rsplit_once('.')).map(|(_, ns)| ns);
        if in_id.is_some_and(|namespace| *namespace != *caller.namespace) {
            return refuse("namespace", in_id.unwrap_or_default(), &caller.namespace);
        }
        let world = self.worlds.borrow();
        if let Some(workload) = world.snapshot.workload(&proxy.namespace, &proxy.name)
            && *workload.service_account != *caller.service_account
        {
            return refuse(
                "to be a pod of service account",
                &workload.service_account,
                &caller.service_account,
            );
        }
        Ok(proxy)
    }

    async fn connect(
        &self,
        node: &Node,
        caller: &SpiffeId,
    ) -> Result<watch::Receiver<Arc<ResourceSet>>, Status> {
        let proxy = Arc::new(self.admit(node, caller)?);
        let mut worlds = self.worlds.clone();
        let world = worlds.borrow_and_update().clone();
        let work = Work { compile: self.compile.clone(), cores: self.cores.clone(), proxy: proxy.clone() };
        let first = work.set(world.clone(), None).await;
        let first = first.ok_or_else(|| Status::internal("no configuration can be made for this node"))?;
        let (sets, receiver) = watch::channel(first);
        let id = {
            let mut connected = lock(&self.connected);
            if connected.open.len() >= MAX_STREAMS {
                return Err(Status::resource_exhausted(format!("more than {MAX_STREAMS} streams")));
            }
            connected.last += 1;
            let id = connected.last;
            connected.open.insert(id, (proxy, sets.clone()));
            id
        };
        let open = Open { id, connected: self.connected.clone(), findings: self.findings.clone() };
        tokio::spawn(work.follow(world, worlds, sets, open));
        Ok(receiver)
    }
}

impl Provider for Nodes {
    type Caller = SpiffeId;

    async fn authenticate(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<SpiffeId, Status> {
        self.callers.identify(metadata, extensions).await
    }

    async fn open(
        &self,
        node: &Node,
        caller: &SpiffeId,
    ) -> Result<watch::Receiver<Arc<ResourceSet>>, Status> {
        self.connect(node, caller).await
    }
}

/// An entry in the list; dropping it takes it out.
#[derive(Debug)]
struct Open {
    id: u64,
    connected: Arc<Mutex<Connected>>,
    findings: Arc<Findings>,
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.connected).open.remove(&self.id);
        self.findings.forget(self.id);
    }
}

/// The list; a panic elsewhere leaves it as good as it was.
fn lock(connected: &Mutex<Connected>) -> MutexGuard<'_, Connected> {
    connected.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is done for one proxy.
struct Work {
    compile: Compile,
    cores: Arc<Semaphore>,
    proxy: Arc<Proxy>,
}

impl Work {
    /// The proxy's set; `None` if it cannot be made.
    async fn set(&self, world: Arc<World>, old: Option<Arc<ResourceSet>>) -> Option<Arc<ResourceSet>> {
        let _core = self.cores.acquire().await.ok()?;
        let (compile, proxy) = (self.compile.clone(), self.proxy.clone());
        let made = tokio::task::spawn_blocking(move || {
            let mut set = compile(&world.snapshot, &proxy);
            set.generation = world.snapshot.generation;
            if let Some(old) = old {
                share(&mut set, &old);
            }
            Arc::new(set)
        });
        made.await.inspect_err(|error| tracing::error!(proxy = %self.proxy.id, %error, "no set")).ok()
    }

    /// What there is to say for this proxy; `None` if that cannot be made.
    async fn diagnose(&self, world: Arc<World>) -> Option<Vec<Diagnostic>> {
        let _core = self.cores.acquire().await.ok()?;
        let proxy = self.proxy.clone();
        let made = tokio::task::spawn_blocking(move || {
            beyond(&world.diagnostics, weft_compile::diagnose(&world.snapshot, &proxy))
        });
        made.await.inspect_err(|error| tracing::error!(proxy = %self.proxy.id, %error, "no findings")).ok()
    }

    /// Makes the set again at each change, until the stream ends.
    async fn follow(
        self,
        mut world: Arc<World>,
        mut worlds: watch::Receiver<Arc<World>>,
        sets: watch::Sender<Arc<ResourceSet>>,
        open: Open,
    ) {
        loop {
            // The proxy has its set by now. A mesh that is newer already is worth more than words.
            if !worlds.has_changed().unwrap_or(true)
                && let Some(found) = self.diagnose(world).await
            {
                open.findings.replace(open.id, found);
            }
            tokio::select! {
                changed = worlds.changed() => if changed.is_err() { break },
                () = sets.closed() => break,
            }
            world = worlds.borrow_and_update().clone();
            let old = sets.borrow().clone();
            // A set that cannot be made leaves the last one in force.
            if let Some(set) = self.set(world.clone(), Some(old)).await {
                sets.send_replace(set);
            }
        }
        drop(open);
    }
}
