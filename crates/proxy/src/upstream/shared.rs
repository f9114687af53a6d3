//! What all workers share of a cluster.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use weft_balance::HostSet;
use weft_balance::transport::for_endpoint;
use weft_state::{ClusterState, ClusterStates};
use weft_tables::cluster::{Cluster, Discovery, Endpoints};

/// A cluster of the current configuration with its members and its process-wide state.
#[derive(Debug)]
pub(crate) struct ClusterShared {
    pub(crate) config: Arc<Cluster>,
    pub(crate) state: Arc<ClusterState>,
    members: ArcSwap<HostSet>,
    /// The first look-up of names is done, well or not.
    resolved: watch::Sender<bool>,
}

impl ClusterShared {
    pub(crate) fn new(config: Arc<Cluster>, states: &ClusterStates) -> Arc<Self> {
        let state = states.get(&config.name, connection_hash(&config));
        let endpoints = match &config.discovery {
            Discovery::Static(endpoints) => (**endpoints).clone(),
            _ => Endpoints { overprovisioning: 140, ..Endpoints::default() },
        };
        let members = members(&config, &state, &endpoints);
        let waits = matches!(config.discovery, Discovery::StrictDns(_) | Discovery::LogicalDns(_));
        Arc::new(Self {
            config,
            state,
            members: ArcSwap::from_pointee(members),
            resolved: watch::Sender::new(!waits),
        })
    }

    /// The members now.
    pub(crate) fn members(&self) -> Arc<HostSet> {
        self.members.load_full()
    }

    /// The first look-up of its names is done.
    pub(crate) fn set_resolved(&self) {
        self.resolved.send_replace(true);
    }

    /// Waits for the first look-up of its names.
    pub(crate) async fn resolved(&self) {
        if !*self.resolved.borrow() {
            let mut resolved = self.resolved.subscribe();
            let _ = resolved.wait_for(|done| *done).await;
        }
    }

    /// Replaces the members; hosts that stay keep their state.
    pub(crate) fn set_endpoints(&self, endpoints: &Endpoints) {
        self.members.store(Arc::new(members(&self.config, &self.state, endpoints)));
    }
}

fn members(config: &Arc<Cluster>, state: &Arc<ClusterState>, endpoints: &Endpoints) -> HostSet {
    let now = Instant::now();
    HostSet::new(endpoints, state, |endpoint| {
        state.host(&endpoint.address, for_endpoint(config, endpoint), now)
    })
}

/// A hash of the fields that connections depend on (invariant 5): balancing, retries and outlier
/// settings may change without losing connections and counts.
fn connection_hash(config: &Cluster) -> u64 {
    let mut hasher = DefaultHasher::new();
    config.transport.hash(&mut hasher);
    for entry in &config.transport_matches {
        entry.name.hash(&mut hasher);
        entry.transport.hash(&mut hasher);
    }
    config.http.version.hash(&mut hasher);
    config.keepalive.hash(&mut hasher);
    config.bind.hash(&mut hasher);
    hasher.finish()
}
