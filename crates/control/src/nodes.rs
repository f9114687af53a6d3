//! Connected proxies: each gets what the compiler makes of the mesh for it, now and at each change.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use weft_api::Diagnostic;
use weft_compile::fleet::{Fleet, Speaker, Work};
use weft_compile::proxy::Proxy;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::resource::ResourceSet;
use weft_types::SpiffeId;
use weft_xds::server::Provider;

use crate::callers::Callers;
use crate::findings::{Findings, beyond};
use crate::world::World;

/// Most streams at a time.
pub const MAX_STREAMS: usize = 20_000;

/// How long after proxies came or went it is found out what there is to say for those that are here.
const WORDS: Duration = Duration::from_millis(200);

/// The proxies that are connected.
pub struct Nodes {
    worlds: watch::Receiver<Arc<World>>,
    callers: Callers,
    connected: Arc<Mutex<Connected>>,
    findings: Arc<Findings>,
    figures: Arc<Mutex<Figures>>,
    /// Others are here than before.
    others: Arc<Notify>,
    /// Streams end when its other end is gone.
    alive: watch::Receiver<()>,
}

/// What the sets of all proxies have cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Resources made, and proxies looked at.
    pub work: Work,
    /// Kinds of proxies that share what they have.
    pub kins: usize,
    /// Generation that all proxies have.
    pub generation: u64,
    /// How long the last change took to become sets.
    pub took: Duration,
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").finish_non_exhaustive()
    }
}

/// Where a stream is told what it shall have.
type Sets = Arc<watch::Sender<Arc<ResourceSet>>>;

#[derive(Debug)]
struct Connected {
    last: u64,
    fleet: Fleet,
    open: BTreeMap<u64, (Arc<Proxy>, Sets)>,
}

impl Nodes {
    /// No proxy yet; a task makes the sets of those that come, until worlds end.
    #[must_use]
    pub fn new(worlds: watch::Receiver<Arc<World>>, callers: Callers) -> Self {
        let fleet = Fleet::new(worlds.borrow().snapshot.clone());
        let connected = Connected { last: 0, fleet, open: BTreeMap::new() };
        let (end, alive) = watch::channel(());
        let made = Self {
            worlds: worlds.clone(),
            callers,
            connected: Arc::new(Mutex::new(connected)),
            findings: Arc::default(),
            figures: Arc::default(),
            others: Arc::default(),
            alive,
        };
        let turns = Turns {
            connected: made.connected.clone(),
            findings: made.findings.clone(),
            figures: made.figures.clone(),
            others: made.others.clone(),
        };
        tokio::spawn(turns.follow(worlds, end));
        made
    }

    /// What the sets of all proxies have cost.
    #[must_use]
    pub fn figures(&self) -> Figures {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// All connected proxies and their sets.
    #[must_use]
    pub fn all(&self) -> Vec<(Arc<Proxy>, Arc<ResourceSet>)> {
        let connected = lock(&self.connected);
        connected.open.values().map(|(proxy, sets)| (proxy.clone(), sets.borrow().clone())).collect()
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
        let connected = self.connected.clone();
        let figures = self.figures.clone();
        let join = tokio::task::spawn_blocking(move || {
            let mut connected = lock(&connected);
            let joined = connected.join(proxy);
            note(&figures, &connected.fleet, None);
            joined
        });
        let (id, sets, receiver) = join.await.map_err(|error| Status::internal(error.to_string()))??;
        let open = Open { id, connected: self.connected.clone(), findings: self.findings.clone() };
        let (mut alive, others) = (self.alive.clone(), self.others.clone());
        others.notify_one();
        tokio::spawn(async move {
            tokio::select! {
                () = sets.closed() => {}
                _ = alive.changed() => {}
            }
            drop(sets);
            // It waits for whoever makes sets.
            drop(tokio::task::spawn_blocking(move || drop(open)).await);
            others.notify_one();
        });
        Ok(receiver)
    }
}

/// A stream's place: its number, and both ends of what it shall have.
type Place = (u64, Sets, watch::Receiver<Arc<ResourceSet>>);

impl Connected {
    fn join(&mut self, proxy: Arc<Proxy>) -> Result<Place, Status> {
        if self.open.len() >= MAX_STREAMS {
            return Err(Status::resource_exhausted(format!("more than {MAX_STREAMS} streams")));
        }
        self.last += 1;
        let id = self.last;
        let first = self.fleet.add(id, &proxy).map_err(|error| Status::internal(error.to_string()))?;
        let (sets, receiver) = watch::channel(first);
        let sets = Arc::new(sets);
        self.open.insert(id, (proxy, sets.clone()));
        Ok((id, sets, receiver))
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
        let mut connected = lock(&self.connected);
        connected.open.remove(&self.id);
        connected.fleet.remove(self.id);
        drop(connected);
        self.findings.forget(self.id);
        self.findings.forget(of_kin(self.id));
    }
}

/// Under which number is kept what is said for all proxies of a kin, of which one has that number.
fn of_kin(id: u64) -> u64 {
    id | 1 << 63
}

/// The list; a panic elsewhere leaves it as good as it was.
fn lock(connected: &Mutex<Connected>) -> MutexGuard<'_, Connected> {
    connected.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes what sets have cost by now.
fn note(figures: &Mutex<Figures>, fleet: &Fleet, took: Option<Duration>) {
    let mut figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
    let took = took.unwrap_or(figures.took);
    let generation = fleet.snapshot().generation;
    *figures = Figures { work: fleet.work(), kins: fleet.kins(), generation, took };
}

/// Makes the sets of all proxies at each change.
#[derive(Clone)]
struct Turns {
    connected: Arc<Mutex<Connected>>,
    findings: Arc<Findings>,
    figures: Arc<Mutex<Figures>>,
    others: Arc<Notify>,
}

impl Turns {
    async fn follow(self, mut worlds: watch::Receiver<Arc<World>>, end: watch::Sender<()>) {
        loop {
            let world = worlds.borrow_and_update().clone();
            let this = self.clone();
            let (spoken, turned) = (world.clone(), tokio::task::spawn_blocking(move || this.turn(&world)));
            let words = match turned.await {
                Ok(words) => words,
                Err(error) => {
                    tracing::error!(%error, "no sets: the last ones stay in force");
                    false
                }
            };
            // A mesh that is newer already is worth more than words.
            if words && !worlds.has_changed().unwrap_or(true) {
                let this = self.clone();
                drop(tokio::task::spawn_blocking(move || this.diagnose(&spoken)).await);
            }
            loop {
                tokio::select! {
                    changed = worlds.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return self.end(end),
                    },
                    () = self.others.notified() => {
                        tokio::time::sleep(WORDS).await;
                        let (this, world) = (self.clone(), worlds.borrow().clone());
                        drop(tokio::task::spawn_blocking(move || this.diagnose(&world)).await);
                    }
                }
            }
        }
    }

    /// No world will come any more: streams end.
    fn end(&self, end: watch::Sender<()>) {
        lock(&self.connected).open.clear();
        drop(end);
    }

    /// Gives all proxies what a world has for them; whether there may be other things to say for them now.
    fn turn(&self, world: &World) -> bool {
        let begun = Instant::now();
        let mut connected = lock(&self.connected);
        let Connected { last: _, fleet, open } = &mut *connected;
        let changes = world.snapshot.changed_since(fleet.snapshot());
        fleet.turn(world.snapshot.clone(), |id, set| {
            if let Some((_, sets)) = open.get(&id) {
                sets.send_replace(set.clone());
            }
        });
        note(&self.figures, fleet, Some(begun.elapsed()));
        drop(connected);
        changes.is_none_or(|changes| changes.services.is_empty() && changes.workloads.is_empty())
    }

    /// Finds out what there is to say for the proxies that are here.
    fn diagnose(&self, world: &World) {
        let known: HashSet<&Diagnostic> = world.diagnostics.iter().collect();
        let mut said = Vec::new();
        lock(&self.connected).fleet.diagnose(|speaker, found| said.push((speaker, found)));
        for (speaker, found) in said {
            let id = match speaker {
                Speaker::Kin(id) => of_kin(id),
                Speaker::Proxy(id) => id,
            };
            self.findings.replace(id, beyond(&known, found));
        }
    }
}
