//! Which clusters are counted: counters of one that is configured no more go when nobody counts any more.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use weft_tables::Tables;
use weft_telemetry::stats::{Registry, Scope};
use weft_types::Name;

/// The names under which clusters are counted, with those who count.
#[derive(Debug, Default)]
pub(crate) struct CountedClusters(Mutex<HashMap<Name, Arc<()>>>);

/// Somebody counts for a cluster, or may: its handles are good for as long as this lives.
#[derive(Debug)]
pub(crate) struct Counts {
    _user: Arc<()>,
}

impl CountedClusters {
    /// To be called before handles are asked for.
    pub(crate) fn enter(&self, stat_name: &Name) -> Counts {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Counts { _user: users.entry(stat_name.clone()).or_default().clone() }
    }

    /// Removes the counters of clusters that are gone, connections and all.
    pub(crate) fn sweep(&self, tables: &Tables, registry: &Registry) {
        // Held to the end: nobody may ask for handles of a name while it goes.
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if users.values().all(|user| Arc::strong_count(user) > 1) {
            return;
        }
        let configured: HashSet<&Name> = tables.clusters.values().map(|cluster| &cluster.stat_name).collect();
        users.retain(|name, user| {
            let stays = Arc::strong_count(user) > 1 || configured.contains(name);
            if !stays {
                Scope::cluster(registry, name).remove();
            }
            stays
        });
    }
}
