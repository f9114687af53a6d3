//! What is asked for, by what the clusters and listeners refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;
use weft_proto::type_url;
use weft_types::Name;
use weft_xds::client::{Delivery, Interest};

use super::configuration::Configuration;
use super::{files, wants};

/// Names of resources that are asked for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// What of the clusters and listeners it was made from; `None`: nothing yet.
    made_from: Option<(u64, u64, bool)>,
    endpoints: BTreeSet<Name>,
    routes: BTreeSet<Name>,
    secrets: BTreeSet<Name>,
}

impl Wanted {
    fn includes(&self, kind: &str, name: &str) -> bool {
        match kind {
            type_url::CLUSTER_LOAD_ASSIGNMENT => self.endpoints.contains(name),
            type_url::ROUTE_CONFIGURATION => self.routes.contains(name),
            type_url::SECRET => self.secrets.contains(name),
            _ => true,
        }
    }
}

impl Configuration {
    /// What is wanted now, of the types of which that may have changed; what is not wanted any more is
    /// forgotten. Listeners are asked for after the clusters that they need.
    pub(super) fn interests(&mut self) -> Vec<(Arc<str>, Interest)> {
        let listeners =
            self.scope.listeners && (!self.scope.clusters || self.seen.contains(type_url::CLUSTER));
        let from = Some((self.clusters.edition(), self.listeners.edition(), listeners));
        if self.wanted.made_from == from {
            return Vec::new();
        }
        let files = self.find_wanted();
        self.wanted.made_from = from;
        self.want_files(files);
        self.forget_unwanted();
        let names = |names: &BTreeSet<Name>| Interest::Names(names.clone());
        let mut interests: Vec<(Arc<str>, Interest)> = Vec::new();
        if self.scope.clusters {
            interests.push((type_url::CLUSTER.into(), Interest::Wildcard));
        }
        interests.push((type_url::CLUSTER_LOAD_ASSIGNMENT.into(), names(&self.wanted.endpoints)));
        if listeners {
            interests.push((type_url::LISTENER.into(), Interest::Wildcard));
        }
        interests.push((type_url::ROUTE_CONFIGURATION.into(), names(&self.wanted.routes)));
        interests.push((type_url::SECRET.into(), names(&self.wanted.secrets)));
        interests
    }

    /// Gathers the names; gives those of secrets in files.
    fn find_wanted(&mut self) -> BTreeSet<Name> {
        let clusters = || self.clusters.values().chain(self.base.clusters.values());
        let listeners = || {
            let dynamic = self.listeners.values().map(|l| &l.config);
            dynamic.chain(self.base.listeners.values())
        };
        let endpoints = clusters().filter_map(|c| wants::endpoints(c)).cloned().collect();
        let routes = listeners().flat_map(|l| wants::routes(l)).cloned().collect();
        let secrets = clusters()
            .flat_map(|c| wants::cluster_secrets(c))
            .chain(listeners().flat_map(|l| wants::listener_secrets(l)))
            .filter(|name| !self.local.contains(*name) && !self.base.secrets.contains_key(*name));
        let secrets: BTreeSet<&Name> = secrets.collect();
        let (files, secrets) = secrets.into_iter().cloned().partition(|name| files::holds(name));
        self.wanted = Wanted { made_from: None, endpoints, routes, secrets };
        files
    }

    fn want_files(&mut self, names: BTreeSet<Name>) {
        for name in self.files.keys().filter(|name| !names.contains(*name)) {
            self.process.secrets.remove(name);
        }
        self.files.retain(|name, _| names.contains(name));
        let before = self.files.len();
        for name in names {
            self.files.entry(name).or_default();
        }
        if self.files.len() > before {
            self.files_wanted.notify_one();
        }
    }

    /// Takes what was read of the files; what cannot be read stays as it was.
    pub(super) fn take_files(&mut self, read: BTreeMap<Name, files::Outcome>) {
        let mut news = false;
        for (name, outcome) in read {
            // Nobody may want it any more since it was asked for.
            let Some(problem) = self.files.get_mut(&name) else { continue };
            match outcome {
                Ok(secret) => {
                    news |= self.process.secrets.get(&name).is_none_or(|known| *known != *secret);
                    self.process.secrets.set(name, secret);
                    *problem = None;
                }
                Err(error) if problem.as_ref() != Some(&error) => {
                    tracing::warn!(secret = %name, %error, "a secret cannot be read");
                    *problem = Some(error);
                    news = true;
                }
                Err(_) => {}
            }
        }
        if news {
            self.settle();
        }
    }

    fn forget_unwanted(&mut self) {
        let Self { wanted, endpoints, routes, secrets, absent, refused, former_routes, .. } = self;
        endpoints.retain(|name| wanted.endpoints.contains(name));
        let until = Instant::now() + self.drain_time;
        let former = routes.active().filter(|(name, _)| !wanted.routes.contains(*name));
        former_routes.extend(former.map(|(name, item)| (name.clone(), item.value.clone(), until)));
        routes.retain(|name| wanted.routes.contains(name));
        let gone = secrets.active().map(|(name, _)| name).filter(|name| !wanted.secrets.contains(*name));
        for name in gone {
            self.process.secrets.remove(name);
        }
        secrets.retain(|name| wanted.secrets.contains(name));
        absent.retain(|(kind, name)| wanted.includes(kind, name));
        refused.retain(|(kind, name), _| wanted.includes(kind, name));
    }

    /// Forgets what came of a delivery without being wanted.
    pub(super) fn forget_uncalled(&mut self, delivery: &Delivery) {
        let kind = &*delivery.type_url;
        let names = delivery.changed.iter().map(|r| &r.name).chain(&delivery.removed);
        let names = names.chain(delivery.errors.iter().chain(&delivery.refused).map(|r| &r.name));
        if names.clone().all(|name| self.wanted.includes(kind, name)) {
            return;
        }
        self.forget_unwanted();
    }
}
