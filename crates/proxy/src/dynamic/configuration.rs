//! The resources that came over xDS, and what of them is in force.
//!
//! Make before break (invariant 5): a resource is in force only when what it refers to is there, or
//! was waited for long enough; until then the version before it stays. A cluster waits for its
//! endpoints and secrets, routes for the clusters that came with them, a listener for its routes and
//! secrets. All that is ready at one time goes into force as one change.
//!
//! Here: what comes. [`settle`](super::settle): what goes into force. [`interests`](super::interests):
//! what is asked for.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use weft_proto::type_url;
use weft_tables::Tables;
use weft_tables::cluster::{Cluster, Endpoints};
use weft_tables::finding::ResourceKind;
use weft_tables::route::RouteConfig;
use weft_tables::tls::Secret;
use weft_types::Name;
use weft_xds::client::drive::Outcome;
use weft_xds::client::{Delivery, Received, Refusal};

use super::interests::Wanted;
use super::read;
use super::store::{Item, Store};
use crate::listen::active::{ActiveListener, ListenerSet};
use crate::process::Process;

/// How long routes and listeners wait for clusters that came with them. For what it has sources of, a
/// resource waits as long as these say (`initial_fetch_timeout`).
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Which types come at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// `cds_config`.
    pub(super) clusters: bool,
    /// `lds_config`.
    pub(super) listeners: bool,
}

/// A refusal that no better version has followed yet.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) version: Arc<str>,
    pub(super) reason: String,
    pub(super) at: SystemTime,
}

/// Everything that came.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) process: Arc<Process>,
    workers: usize,
    pub(super) drain_time: Duration,
    pub(super) scope: Scope,
    /// What the process started with: it stays.
    pub(super) base: Arc<Tables>,
    pub(super) clusters: Store<Arc<Cluster>>,
    pub(super) endpoints: Store<Arc<Endpoints>>,
    pub(super) listeners: Store<Arc<ActiveListener>>,
    pub(super) routes: Store<Arc<RouteConfig>>,
    pub(super) secrets: Store<Arc<Secret>>,
    pub(super) refused: BTreeMap<(Arc<str>, Name), Refused>,
    /// Named resources that the server says it has not.
    pub(super) absent: HashSet<(&'static str, Name)>,
    /// Secrets that are answered in this process.
    pub(super) local: BTreeSet<Name>,
    /// Secrets that are read from files, with what they failed of last.
    pub(super) files: BTreeMap<Name, Option<String>>,
    /// Told when files are wanted that were not before.
    pub(super) files_wanted: Arc<Notify>,
    /// What is asked for.
    pub(super) wanted: Wanted,
    /// Routes of listeners that drain: their connections ask for them a while longer.
    pub(super) former_routes: Vec<(Name, Arc<RouteConfig>, Instant)>,
    /// Types of which a response came.
    pub(super) seen: BTreeSet<Arc<str>>,
    /// Listeners to take out at the next change.
    pub(super) leaving: Vec<Name>,
    pub(super) dirty: bool,
    pub(super) complete: watch::Sender<bool>,
    /// Told when there is another deadline.
    pub(super) deadlines: Arc<Notify>,
}

impl Configuration {
    pub(super) fn new(
        process: Arc<Process>,
        workers: usize,
        drain_time: Duration,
        scope: Scope,
        local: BTreeSet<Name>,
    ) -> Self {
        let base = process.tables.load_full();
        Self {
            process,
            workers,
            drain_time,
            scope,
            base,
            clusters: Store::default(),
            endpoints: Store::default(),
            listeners: Store::default(),
            routes: Store::default(),
            secrets: Store::default(),
            refused: BTreeMap::new(),
            absent: HashSet::new(),
            local,
            files: BTreeMap::new(),
            files_wanted: Arc::default(),
            wanted: Wanted::default(),
            former_routes: Vec::new(),
            seen: BTreeSet::new(),
            leaving: Vec::new(),
            dirty: false,
            complete: watch::Sender::new(false),
            deadlines: Arc::default(),
        }
    }

    /// Takes a delivery.
    pub(super) fn deliver(&mut self, delivery: &Delivery) -> Outcome {
        self.seen.insert(delivery.type_url.clone());
        let refusals = match &*delivery.type_url {
            type_url::CLUSTER => self.take_clusters(delivery),
            type_url::CLUSTER_LOAD_ASSIGNMENT => self.take_endpoints(delivery),
            type_url::LISTENER => self.take_listeners(delivery),
            type_url::ROUTE_CONFIGURATION => self.take_routes(delivery),
            type_url::SECRET => self.take_secrets(delivery),
            _ => Vec::new(),
        };
        self.note(delivery, &refusals);
        self.settle();
        let interests = self.interests();
        self.forget_uncalled(delivery);
        Outcome { refusals, interests }
    }

    fn take_clusters(&mut self, delivery: &Delivery) -> Vec<Refusal> {
        for name in &delivery.removed {
            self.dirty |= self.clusters.remove(name);
        }
        let base = self.base.clone();
        let mut refusals = Vec::new();
        for resource in &delivery.changed {
            if read::is_static(&base, ResourceKind::Cluster, &resource.name) {
                continue;
            }
            let cluster = |r: &Received| read::cluster(r).map(|(cluster, found)| (Arc::new(cluster), found));
            take(&mut self.clusters, resource, cluster, &mut refusals);
        }
        refusals
    }

    fn take_endpoints(&mut self, delivery: &Delivery) -> Vec<Refusal> {
        self.note_absent(type_url::CLUSTER_LOAD_ASSIGNMENT, delivery);
        let mut refusals = Vec::new();
        for resource in &delivery.changed {
            let endpoints = |r: &Received| read::endpoints(r).map(|(e, found)| (Arc::new(e), found));
            take(&mut self.endpoints, resource, endpoints, &mut refusals);
        }
        refusals
    }

    fn take_routes(&mut self, delivery: &Delivery) -> Vec<Refusal> {
        self.note_absent(type_url::ROUTE_CONFIGURATION, delivery);
        let mut refusals = Vec::new();
        for resource in &delivery.changed {
            let routes = |r: &Received| read::routes(r).map(|(routes, found)| (Arc::new(routes), found));
            take(&mut self.routes, resource, routes, &mut refusals);
        }
        refusals
    }

    fn take_secrets(&mut self, delivery: &Delivery) -> Vec<Refusal> {
        self.note_absent(type_url::SECRET, delivery);
        let mut refusals = Vec::new();
        for resource in &delivery.changed {
            if self.local.contains(&resource.name) {
                continue;
            }
            let secret = |r: &Received| read::secret(r).map(|(secret, found)| (Arc::new(secret), found));
            take(&mut self.secrets, resource, secret, &mut refusals);
        }
        refusals
    }

    fn take_listeners(&mut self, delivery: &Delivery) -> Vec<Refusal> {
        for name in &delivery.removed {
            if self.listeners.remove(name) {
                self.leaving.push(name.clone());
                self.dirty = true;
            }
        }
        let mut refusals = Vec::new();
        for resource in &delivery.changed {
            if read::is_static(&self.base, ResourceKind::Listener, &resource.name) {
                continue;
            }
            if self.listeners.keeps(&resource.name, &resource.version, &resource.body.value) {
                continue;
            }
            match self.open_listener(resource) {
                Ok(item) => self.listeners.stage(resource.name.clone(), item, Instant::now()),
                Err(reason) => refusals.push(Refusal { name: resource.name.clone(), reason }),
            }
        }
        refusals
    }

    fn open_listener(&self, resource: &Received) -> Result<Item<Arc<ActiveListener>>, String> {
        let (mut listener, findings) = read::listener(resource, &self.process.open_filters)?;
        // The sockets and chains that run are those in force, also when another version waits.
        let previous = self.listeners.get(&resource.name);
        if let Some(old) = previous {
            let (new_proto, old_proto) =
                (read::listener_proto(&resource.body.value)?, read::listener_proto(&old.body)?);
            super::chains::keep(&mut listener, new_proto, &old.value.config, old_proto);
        }
        self.check_address(&listener)?;
        let previous = previous.map(|item| &*item.value);
        let (sockets, listener) = (&self.process.sockets, Arc::new(listener));
        let active = ActiveListener::open(listener, previous, sockets, self.workers, self.drain_time)
            .map_err(|error| format!("address: {error}"))?;
        Ok(Item {
            version: resource.version.clone(),
            body: resource.body.value.clone(),
            value: active,
            findings,
            since: SystemTime::now(),
        })
    }

    /// No other listener may have the address, neither one in force that stays nor one that waits.
    fn check_address(&self, listener: &weft_tables::listener::Listener) -> Result<(), String> {
        let staying = |other: &Arc<ActiveListener>| !self.leaving.contains(&other.config.name);
        let in_force = self.process.listeners.borrow().clone();
        let others = in_force.iter().filter(|other| staying(other)).chain(self.listeners.values());
        ListenerSet::check_free(others, listener).map_err(|error| format!("address: {error}"))
    }

    fn note_absent(&mut self, kind: &'static str, delivery: &Delivery) {
        for resource in &delivery.changed {
            self.absent.remove(&(kind, resource.name.clone()));
        }
        // What was there stays, as in Envoy: only what refers to a resource can end its use.
        let errors = delivery.errors.iter().map(|error| &error.name);
        self.absent.extend(delivery.removed.iter().chain(errors).map(|name| (kind, name.clone())));
    }

    fn note(&mut self, delivery: &Delivery, refusals: &[Refusal]) {
        for name in delivery.changed.iter().map(|r| &r.name).chain(&delivery.removed) {
            self.refused.remove(&(delivery.type_url.clone(), name.clone()));
        }
        for refusal in delivery.refused.iter().chain(refusals) {
            let resource = delivery.changed.iter().find(|r| r.name == refusal.name);
            let version = resource.map_or_else(|| "".into(), |r| r.version.clone());
            let Refusal { name, reason } = refusal;
            tracing::warn!(type_url = %delivery.type_url, %name, %version, %reason, "a resource is refused");
            let refused = Refused { version, reason: reason.clone(), at: SystemTime::now() };
            self.refused.insert((delivery.type_url.clone(), name.clone()), refused);
        }
    }

    /// Tells when everything has come once.
    pub(super) fn completion(&self) -> watch::Receiver<bool> {
        self.complete.subscribe()
    }

    /// Types of which a response came.
    pub(super) fn seen(&self) -> impl Iterator<Item = &Arc<str>> {
        self.seen.iter()
    }
}

/// Converts and stages a resource, unless it is as it was.
fn take<T>(
    store: &mut Store<T>,
    resource: &Received,
    convert: impl Fn(&Received) -> read::Outcome<T>,
    refusals: &mut Vec<Refusal>,
) {
    if store.keeps(&resource.name, &resource.version, &resource.body.value) {
        return;
    }
    match convert(resource) {
        Ok((value, findings)) => {
            let item = Item {
                version: resource.version.clone(),
                body: resource.body.value.clone(),
                value,
                findings,
                since: SystemTime::now(),
            };
            store.stage(resource.name.clone(), item, Instant::now());
        }
        Err(reason) => refusals.push(Refusal { name: resource.name.clone(), reason }),
    }
}
