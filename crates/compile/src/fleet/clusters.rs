//! Clusters and endpoints that were made, by what they follow from: all proxies on the same ground share them, and
//! those of a service that did not change are made once.

use std::collections::HashMap;
use std::sync::Arc;

use weft_model::service::Service;
use weft_model::{DestinationRuleView, PortEndpoints, Snapshot};
use weft_proto::resource::Resource;

use super::kin::Ground;
use crate::cluster;
use crate::view::View;

/// What was made.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    grounds: HashMap<Ground, HashMap<(usize, usize), Entry>>,
    turn: u64,
    /// Resources that were made since the beginning.
    pub(super) built: u64,
}

/// Of a service and rule, which the entry holds: as long as it does, no other stands at their addresses.
#[derive(Debug)]
struct Entry {
    _service: Arc<Service>,
    _rule: Option<Arc<DestinationRuleView>>,
    endpoints: Option<Arc<PortEndpoints>>,
    resources: Arc<[Arc<Resource>]>,
    turn: u64,
}

impl Clusters {
    /// What was made for policies or settings that are others now is forgotten.
    pub(super) fn turn(&mut self, before: &Snapshot, after: &Snapshot) {
        self.turn += 1;
        if !after.takes_mutual_tls_as(before) || !Arc::ptr_eq(&before.mesh, &after.mesh) {
            self.grounds.clear();
        }
    }

    /// What nothing asked for in this turn is forgotten.
    pub(super) fn sweep(&mut self) {
        let turn = self.turn;
        for entries in self.grounds.values_mut() {
            entries.retain(|_, entry| entry.turn == turn);
        }
        self.grounds.retain(|_, entries| !entries.is_empty());
    }

    /// The clusters of a service and their endpoints, for a view on that ground.
    pub(super) fn of(
        &mut self,
        ground: &Ground,
        view: &View<'_>,
        service: &Arc<Service>,
    ) -> Arc<[Arc<Resource>]> {
        let rule = view.rule(&service.host);
        let endpoints = view.snapshot.all_endpoints(service);
        let same = |entry: &&mut Entry| match (&entry.endpoints, &endpoints) {
            (Some(known), Some(now)) => Arc::ptr_eq(known, now),
            (None, None) => true,
            _ => false,
        };
        let key = (Arc::as_ptr(service).addr(), rule.map_or(0, |rule| Arc::as_ptr(rule).addr()));
        let turn = self.turn;
        if !self.grounds.contains_key(ground) {
            self.grounds.insert(ground.clone(), HashMap::new());
        }
        let Some(entries) = self.grounds.get_mut(ground) else { return Arc::default() };
        if let Some(known) = entries.get_mut(&key).filter(same) {
            known.turn = turn;
            return known.resources.clone();
        }
        let before = entries.get(&key).map(|entry| entry.resources.clone()).unwrap_or_default();
        let made = cluster::of_service(view, service);
        self.built += made.len() as u64;
        let kept = |made: Resource| match before.iter().find(|before| ***before == made) {
            Some(before) => before.clone(),
            None => Arc::new(made),
        };
        let resources: Arc<[Arc<Resource>]> = made.into_iter().map(kept).collect();
        let entry = Entry {
            _service: service.clone(),
            _rule: rule.cloned(),
            endpoints,
            resources: resources.clone(),
            turn,
        };
        entries.insert(key, entry);
        resources
    }
}
