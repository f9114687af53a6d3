//! What proxies of one kin share.

use std::sync::Arc;

use weft_model::Snapshot;
use weft_model::service::Service;
use weft_proto::resource::{Resource, ResourceSet};
use weft_proto::type_url;

use super::clusters::Clusters;
use super::converge::converge;
use super::kin::Kin;
use crate::proxy::{Proxy, Role};
use crate::view::{Seen, View};
use crate::{cluster, outbound};

/// What proxies of one kin share.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) seen: Arc<Seen>,
    /// Clusters, endpoints, routes, and listeners that tell nothing of the proxy.
    pub(super) shared: ResourceSet,
    /// The other listeners, to be rendered for each.
    pub(super) rest: Arc<outbound::Personal>,
}

impl Group {
    /// Makes all of it, out of what it was `before` where that is the same.
    pub(super) fn new(
        kin: &Kin,
        snapshot: &Snapshot,
        any: &Proxy,
        clusters: &mut Clusters,
        before: Option<&Self>,
    ) -> Self {
        let seen = Arc::new(Seen::new(snapshot, any));
        let view = View::with(snapshot, any, seen.clone());
        let mut shared = ResourceSet::default();
        for service in &seen.services {
            for resource in &*clusters.of(&kin.ground, &view, service) {
                shared.put(resource.clone());
            }
        }
        let mut rest = outbound::Personal::new();
        let more = cluster::of_none(&view);
        clusters.built += more.len() as u64;
        more.into_iter().for_each(|resource| shared.insert(resource));
        if any.role == Role::Sidecar {
            let count = |set: &ResourceSet| set.by_type.values().map(|named| named.len() as u64).sum::<u64>();
            let had = count(&shared);
            rest = outbound::shared(&view, &mut shared);
            clusters.built += count(&shared) - had;
        }
        if let Some(before) = before {
            converge(&mut shared, &before.shared);
        }
        Self { seen, shared, rest: Arc::new(rest) }
    }

    /// Whether it holds something of a service.
    pub(super) fn sees(&self, service: &Arc<Service>) -> bool {
        self.seen.service(&service.host).is_some_and(|seen| Arc::ptr_eq(seen, service))
    }

    /// Makes the clusters and endpoints of a service anew.
    pub(super) fn replace(
        &mut self,
        kin: &Kin,
        snapshot: &Snapshot,
        any: &Proxy,
        service: &Arc<Service>,
        clusters: &mut Clusters,
    ) {
        let view = View::with(snapshot, any, self.seen.clone());
        let made = clusters.of(&kin.ground, &view, service);
        for intent in cluster::intents(&view, service) {
            // A cluster's endpoints are listed, or not, as it turns out.
            let is_it = |one: &&Arc<Resource>| {
                *one.name == *intent.name && one.body.type_url == type_url::CLUSTER_LOAD_ASSIGNMENT
            };
            if !made.iter().any(|one| is_it(&one)) {
                self.shared.remove(type_url::CLUSTER_LOAD_ASSIGNMENT, &intent.name);
            }
        }
        for resource in &*made {
            let named = self.shared.of(&resource.body.type_url);
            let known = named.and_then(|named| named.get(&resource.name));
            if known.is_none_or(|known| **known != **resource) {
                self.shared.put(resource.clone());
            }
        }
        drop_empty(&mut self.shared);
    }
}

/// A type of which nothing is there is not there.
fn drop_empty(set: &mut ResourceSet) {
    set.by_type.retain(|_, named| !named.is_empty());
}
