//! What goes into force, and when.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weft_proto::type_url;
use weft_tables::Tables;
use weft_types::Name;

use super::configuration::{Configuration, PATIENCE};
use super::store::Store;
use super::wants;

impl Configuration {
    /// Puts in force what is ready, or has waited for too long.
    pub(super) fn settle(&mut self) {
        let now = Instant::now();
        self.dirty |= !self.endpoints.promote(now, |_, _| true).is_empty();
        for name in self.secrets.promote(now, |_, _| true) {
            if let Some(secret) = self.secrets.get(&name) {
                self.process.secrets.set(name, secret.value.clone());
            }
        }
        let (endpoints, absent, secrets) = (&self.endpoints, &self.absent, &self.process.secrets);
        // At the start nothing works yet that waiting would keep: what is refused is not waited for.
        let starting = !*self.complete.borrow();
        let (refused, files) = (&self.refused, &self.files);
        let known = |kind: &'static str, name: &Name, here: bool| {
            here || absent.contains(&(kind, name.clone()))
                || (starting && refused.contains_key(&(kind.into(), name.clone())))
        };
        let secret = |name: &Name| {
            known(type_url::SECRET, name, secrets.get(name).is_some())
                || (starting && files.get(name).is_some_and(Option::is_some))
        };
        let changed = self.clusters.promote(now, |cluster, waited| {
            let endpoints = wants::endpoints(cluster).is_none_or(|name| {
                known(type_url::CLUSTER_LOAD_ASSIGNMENT, name, endpoints.get(name).is_some())
            });
            (endpoints && wants::cluster_secrets(cluster).all(secret)) || over(cluster.fetch_timeout, waited)
        });
        self.dirty |= !changed.is_empty();
        let clusters = &self.clusters;
        let changed = self.routes.promote(now, |routes, waited| {
            waited >= PATIENCE || wants::route_clusters(routes).all(|c| !clusters.is_new(c))
        });
        self.dirty |= !changed.is_empty();
        let routes = &self.routes;
        let listeners = self.listeners.promote(now, |listener, waited| {
            let config = &listener.config;
            let route = |r: &Name| known(type_url::ROUTE_CONFIGURATION, r, routes.get(r).is_some());
            let fetched = wants::routes(config).all(route) && wants::listener_secrets(config).all(secret);
            let led = || wants::listener_clusters(config).into_iter().all(|c| !clusters.is_new(c));
            (fetched || over(config.fetch_timeout, waited)) && (waited >= PATIENCE || led())
        });
        self.dirty |= !listeners.is_empty();
        if std::mem::take(&mut self.dirty) {
            self.publish(listeners);
        }
        self.deadlines.notify_one();
        self.check_complete();
    }

    /// One change of everything: clusters and routes first, then the listeners that lead to them. Only
    /// what has changed is touched.
    fn publish(&mut self, listeners: Vec<Name>) {
        let (base, now) = (self.base.clone(), Instant::now());
        let mut next = Tables::clone(&self.process.tables.load());
        next.generation += 1;
        change(&mut next.clusters, &base.clusters, &mut self.clusters, Arc::clone);
        change(&mut next.endpoints, &base.endpoints, &mut self.endpoints, Arc::clone);
        change(&mut next.secrets, &base.secrets, &mut self.secrets, Arc::clone);
        change(&mut next.listeners, &base.listeners, &mut self.listeners, |active| active.config.clone());
        change(&mut next.routes, &base.routes, &mut self.routes, Arc::clone);
        self.keep_former_routes(&mut next, now);
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

    /// Routes of listeners that drain stay until their time is over.
    fn keep_former_routes(&mut self, next: &mut Tables, now: Instant) {
        if self.former_routes.is_empty() {
            return;
        }
        let (routes, base) = (Arc::make_mut(&mut next.routes), &self.base.routes);
        let current = &self.routes;
        self.former_routes.retain(|(name, former, until)| {
            let (taken, stays) = (current.get(name).is_some() || base.contains_key(name), *until > now);
            match (taken, stays) {
                (true, _) => {}
                (false, true) => _ = routes.insert(name.clone(), former.clone()),
                (false, false) => _ = routes.remove(name),
            }
            stays
        });
    }

    fn check_complete(&self) {
        let seen = |wanted: bool, kind: &str| !wanted || self.seen.contains(kind);
        let came =
            seen(self.scope.clusters, type_url::CLUSTER) && seen(self.scope.listeners, type_url::LISTENER);
        let settled = self.clusters.is_settled() && self.routes.is_settled() && self.listeners.is_settled();
        if came && settled && !*self.complete.borrow() {
            self.complete.send_replace(true);
        }
    }

    /// When something will have waited for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let now = Instant::now();
        let clusters = self.clusters.deadline(now, |cluster| [cluster.fetch_timeout]);
        let routes = self.routes.deadline(now, |_| [Some(PATIENCE)]);
        let listeners =
            self.listeners.deadline(now, |listener| [listener.config.fetch_timeout, Some(PATIENCE)]);
        [clusters, routes, listeners].into_iter().flatten().min()
    }
}

fn over(limit: Option<Duration>, waited: Duration) -> bool {
    limit.is_some_and(|limit| waited >= limit)
}

/// Brings a map of the tables up to date with the store of its type. What was there at the start comes
/// back where nothing hides it any more.
fn change<T, V: Clone>(
    map: &mut Arc<HashMap<Name, V>>,
    base: &HashMap<Name, V>,
    store: &mut Store<T>,
    value: impl Fn(&T) -> V,
) {
    let changed: BTreeSet<Name> = store.take_changed();
    if changed.is_empty() {
        return;
    }
    let map = Arc::make_mut(map);
    for name in changed {
        match store.get(&name).map(|item| value(&item.value)).or_else(|| base.get(&name).cloned()) {
            Some(value) => _ = map.insert(name, value),
            None => _ = map.remove(&name),
        }
    }
}
