//! The resources that came over xDS, and what of them is in force.
//!
//! Make before break (invariant 5): a resource is in force only when what it refers to is there, or
//! was waited for long enough; until then the version before it stays. A cluster waits for its
//! endpoints and secrets, routes for the clusters that came with them, a listener for its routes and
//! secrets. All that is ready at one time goes into force as one change.

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
use weft_xds::client::{Delivery, Interest, Received, Refusal};

use super::files;
use super::read;
use super::store::{Item, Store};
use super::wants;
use crate::listen::active::{ActiveListener, ListenerSet};
use crate::process::Process;

/// How long a resource waits for what it refers to (Envoy `initial_fetch_timeout`).
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
    process: Arc<Process>,
    workers: usize,
    drain_time: Duration,
    scope: Scope,
    /// What the process started with: it stays.
    base: Arc<Tables>,
    pub(super) clusters: Store<Arc<Cluster>>,
    pub(super) endpoints: Store<Arc<Endpoints>>,
    pub(super) listeners: Store<Arc<ActiveListener>>,
    pub(super) routes: Store<Arc<RouteConfig>>,
    pub(super) secrets: Store<Arc<Secret>>,
    pub(super) refused: BTreeMap<(Arc<str>, Name), Refused>,
    /// Named resources that the server says it has not.
    absent: HashSet<(&'static str, Name)>,
    /// Secrets that are answered in this process.
    local: BTreeSet<Name>,
    /// Secrets that are read from files, with what they failed of last.
    files: BTreeMap<Name, Option<String>>,
    /// Routes of listeners that drain: their connections ask for them a while longer.
    former_routes: Vec<(Name, Arc<RouteConfig>, Instant)>,
    /// Types of which a response came.
    seen: BTreeSet<Arc<str>>,
    /// Listeners to take out at the next change.
    leaving: Vec<Name>,
    dirty: bool,
    complete: watch::Sender<bool>,
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
        Outcome { refusals, interests: self.interests() }
    }

    /// What is wanted now. Listeners are asked for after the clusters that they need.
    pub(super) fn interests(&mut self) -> Vec<(Arc<str>, Interest)> {
        let names = |names: BTreeSet<Name>| Interest::Names(names);
        let clusters = || self.clusters.values().chain(self.base.clusters.values());
        let listeners = || {
            let dynamic = self.listeners.values().map(|l| &l.config);
            dynamic.chain(self.base.listeners.values())
        };
        let endpoints: BTreeSet<Name> = clusters().filter_map(|c| wants::endpoints(c)).cloned().collect();
        let routes: BTreeSet<Name> = listeners().flat_map(|l| wants::routes(l)).cloned().collect();
        let secrets = clusters()
            .flat_map(|c| wants::cluster_secrets(c))
            .chain(listeners().flat_map(|l| wants::listener_secrets(l)))
            .filter(|name| !self.local.contains(*name) && !self.base.secrets.contains_key(*name));
        let (files, secrets): (BTreeSet<Name>, BTreeSet<Name>) =
            secrets.cloned().partition(|name| files::holds(name));
        self.want_files(files);
        self.forget_unwanted(&endpoints, &routes, &secrets);
        let mut interests: Vec<(Arc<str>, Interest)> = Vec::new();
        if self.scope.clusters {
            interests.push((type_url::CLUSTER.into(), Interest::Wildcard));
        }
        interests.push((type_url::CLUSTER_LOAD_ASSIGNMENT.into(), names(endpoints)));
        if self.scope.listeners && (!self.scope.clusters || self.seen.contains(type_url::CLUSTER)) {
            interests.push((type_url::LISTENER.into(), Interest::Wildcard));
        }
        interests.push((type_url::ROUTE_CONFIGURATION.into(), names(routes)));
        interests.push((type_url::SECRET.into(), names(secrets)));
        interests
    }

    fn want_files(&mut self, names: BTreeSet<Name>) {
        let new = names.iter().any(|name| !self.files.contains_key(name));
        for name in self.files.keys().filter(|name| !names.contains(*name)) {
            self.process.secrets.remove(name);
        }
        self.files.retain(|name, _| names.contains(name));
        for name in names {
            self.files.entry(name).or_default();
        }
        if new {
            self.read_files();
        }
    }

    /// Reads the secrets that lie in files; one that cannot be read stays as it was.
    pub(super) fn read_files(&mut self) {
        if self.files.is_empty() {
            return;
        }
        for (name, problem) in &mut self.files {
            match files::read(name) {
                Ok(secret) => {
                    self.process.secrets.set(name.clone(), secret);
                    *problem = None;
                }
                Err(error) => {
                    if problem.as_ref() != Some(&error) {
                        tracing::warn!(secret = %name, %error, "a secret cannot be read");
                    }
                    *problem = Some(error);
                }
            }
        }
        self.settle();
    }

    fn forget_unwanted(
        &mut self,
        endpoints: &BTreeSet<Name>,
        routes: &BTreeSet<Name>,
        secrets: &BTreeSet<Name>,
    ) {
        self.endpoints.retain(|name| endpoints.contains(name));
        let until = Instant::now() + self.drain_time;
        let former = self.routes.active().filter(|(name, _)| !routes.contains(*name));
        self.former_routes.extend(former.map(|(name, item)| (name.clone(), item.value.clone(), until)));
        self.routes.retain(|name| routes.contains(name));
        let gone: Vec<Name> =
            self.secrets.active().map(|(name, _)| name).filter(|n| !secrets.contains(*n)).cloned().collect();
        for name in gone {
            self.process.secrets.remove(&name);
        }
        self.secrets.retain(|name| secrets.contains(name));
        self.absent.retain(|(kind, name)| match *kind {
            type_url::CLUSTER_LOAD_ASSIGNMENT => endpoints.contains(name),
            type_url::ROUTE_CONFIGURATION => routes.contains(name),
            _ => secrets.contains(name),
        });
        let wanted = |kind: &str, name: &Name| match kind {
            type_url::CLUSTER_LOAD_ASSIGNMENT => endpoints.contains(name),
            type_url::ROUTE_CONFIGURATION => routes.contains(name),
            type_url::SECRET => secrets.contains(name),
            _ => true,
        };
        self.refused.retain(|(kind, name), _| wanted(kind, name));
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
                Ok(item) => self.listeners.stage(resource.name.clone(), item, Instant::now() + PATIENCE),
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
        self.absent.extend(delivery.removed.iter().map(|name| (kind, name.clone())));
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

    /// Puts in force what is ready, or has waited for too long.
    pub(super) fn settle(&mut self) {
        let now = Instant::now();
        self.dirty |= !self.endpoints.promote(now, |_| true).is_empty();
        for name in self.secrets.promote(now, |_| true) {
            if let Some(secret) = self.secrets.get(&name) {
                self.process.secrets.set(name, secret.value.clone());
            }
        }
        let (endpoints, absent, secrets) = (&self.endpoints, &self.absent, &self.process.secrets);
        // At the start nothing works yet that waiting would keep: what is refused is not waited for.
        let refused = (!*self.complete.borrow()).then_some(&self.refused);
        let known = |kind: &'static str, name: &Name, here: bool| {
            here || absent.contains(&(kind, name.clone()))
                || refused.is_some_and(|refused| refused.contains_key(&(kind.into(), name.clone())))
        };
        let secret = |name: &Name| known(type_url::SECRET, name, secrets.get(name).is_some());
        let changed = self.clusters.promote(now, |cluster| {
            wants::endpoints(cluster).is_none_or(|name| {
                known(type_url::CLUSTER_LOAD_ASSIGNMENT, name, endpoints.get(name).is_some())
            }) && wants::cluster_secrets(cluster).all(secret)
        });
        self.dirty |= !changed.is_empty();
        let clusters = &self.clusters;
        let changed =
            self.routes.promote(now, |routes| wants::route_clusters(routes).all(|c| !clusters.is_new(c)));
        self.dirty |= !changed.is_empty();
        let routes = &self.routes;
        let listeners = self.listeners.promote(now, |listener| {
            let config = &listener.config;
            wants::routes(config).all(|r| known(type_url::ROUTE_CONFIGURATION, r, routes.get(r).is_some()))
                && wants::listener_secrets(config).all(secret)
                && wants::listener_clusters(config).into_iter().all(|c| !clusters.is_new(c))
        });
        self.dirty |= !listeners.is_empty();
        if std::mem::take(&mut self.dirty) {
            self.publish(listeners);
        }
        self.deadlines.notify_one();
        self.check_complete();
    }

    /// One change of everything: clusters and routes first, then the listeners that lead to them.
    fn publish(&mut self, listeners: Vec<Name>) {
        let base = &self.base;
        let mut next = Tables {
            generation: self.process.tables.load().generation + 1,
            listeners: base.listeners.clone(),
            routes: base.routes.clone(),
            clusters: base.clusters.clone(),
            endpoints: base.endpoints.clone(),
            secrets: base.secrets.clone(),
            bootstrap: base.bootstrap.clone(),
        };
        next.clusters.extend(values(&self.clusters));
        next.endpoints.extend(values(&self.endpoints));
        let now = Instant::now();
        self.former_routes.retain(|(_, _, until)| *until > now);
        next.routes.extend(self.former_routes.iter().map(|(name, routes, _)| (name.clone(), routes.clone())));
        next.routes.extend(values(&self.routes));
        next.secrets.extend(values(&self.secrets));
        next.listeners.extend(values(&self.listeners).map(|(name, active)| (name, active.config.clone())));
        let generation = next.generation;
        self.process.apply(next);
        let leaving = self.leaving.drain(..).map(|name| (name, None));
        let mut changes: Vec<_> = leaving.collect();
        changes.extend(listeners.into_iter().filter_map(|name| {
            let active = self.listeners.get(&name)?.value.clone();
            Some((name, Some(active)))
        }));
        if !changes.is_empty() {
            let set = self.process.listeners.borrow().with(changes);
            self.process.listeners.send_replace(Arc::new(set));
        }
        tracing::debug!(generation, "configuration changed");
    }

    fn check_complete(&self) {
        let seen = |wanted: bool, kind: &str| !wanted || self.seen.contains(kind);
        let came =
            seen(self.scope.clusters, type_url::CLUSTER) && seen(self.scope.listeners, type_url::LISTENER);
        if came && self.deadline().is_none() && !*self.complete.borrow() {
            self.complete.send_replace(true);
        }
    }

    /// When something will have waited for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.clusters.deadline(), self.routes.deadline(), self.listeners.deadline()]
            .into_iter()
            .flatten()
            .min()
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

fn values<T: Clone>(store: &Store<T>) -> impl Iterator<Item = (Name, T)> {
    store.active().map(|(name, item)| (name.clone(), item.value.clone()))
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
            store.stage(resource.name.clone(), item, Instant::now() + PATIENCE);
        }
        Err(reason) => refusals.push(Refusal { name: resource.name.clone(), reason }),
    }
}
