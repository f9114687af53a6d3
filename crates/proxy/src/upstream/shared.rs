//! What all workers share of a cluster.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use weft_balance::HostSet;
use weft_balance::health::Course;
use weft_balance::transport::for_endpoint;
use weft_state::{ClusterState, ClusterStates, HealthFlag, HostState};
use weft_tables::cluster::{Cluster, Discovery, Endpoints};

/// A cluster of the current configuration with its members and its process-wide state.
#[derive(Debug)]
pub(crate) struct ClusterShared {
    pub(crate) config: Arc<Cluster>,
    pub(crate) state: Arc<ClusterState>,
    members: ArcSwap<HostSet>,
    /// What the members were made from.
    endpoints: ArcSwap<Endpoints>,
    /// Told when there are other members.
    pub(crate) membership: Notify,
    /// Told when a host fails its health check.
    pub(crate) host_failed: Notify,
    /// The first look-up of names is done, well or not.
    resolved: watch::Sender<bool>,
    /// The first health check of all members is done, well or not.
    checked: watch::Sender<bool>,
}

impl ClusterShared {
    /// Makes a cluster ready. `delivered` is what EDS said of its endpoints, `previous` the cluster in
    /// whose place it comes: of that it takes over what was found out, if hosts are still the same.
    pub(crate) fn new(
        config: Arc<Cluster>,
        delivered: Option<Arc<Endpoints>>,
        states: &ClusterStates,
        previous: Option<&Self>,
    ) -> Arc<Self> {
        let state = states.get(&config.name, connection_hash(&config));
        let previous = previous.filter(|p| Arc::ptr_eq(&p.state, &state));
        let by_name = |d: &Discovery| matches!(d, Discovery::StrictDns(_) | Discovery::LogicalDns(_));
        let waits = by_name(&config.discovery);
        let found = previous.filter(|p| waits && by_name(&p.config.discovery) && *p.resolved.borrow());
        let endpoints = match (&config.discovery, delivered, found) {
            (Discovery::Static(endpoints), _, _) => endpoints.clone(),
            (Discovery::Eds(_), Some(endpoints), _) => endpoints,
            // Names that were resolved a moment ago do until they are resolved anew.
            (_, _, Some(found)) => found.endpoints.load_full(),
            _ => Arc::new(Endpoints { overprovisioning: 140, ..Endpoints::default() }),
        };
        let members = members(&config, &state, &endpoints);
        let checked = config.health_check.is_none()
            || previous.is_some_and(|p| p.config.health_check.is_some() && *p.checked.borrow());
        Arc::new(Self {
            state,
            members: ArcSwap::from_pointee(members),
            endpoints: ArcSwap::new(endpoints),
            membership: Notify::new(),
            host_failed: Notify::new(),
            resolved: watch::Sender::new(!waits || found.is_some()),
            checked: watch::Sender::new(checked),
            config,
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
        wait(&self.resolved).await;
    }

    /// The first health check of all members is done.
    pub(crate) fn set_checked(&self) {
        self.checked.send_replace(true);
    }

    /// Waits until members are known and were checked once.
    pub(crate) async fn warm(&self) {
        wait(&self.resolved).await;
        wait(&self.checked).await;
    }

    /// Waits until the host fails a health check that it had passed.
    pub(crate) async fn fails(&self, host: &HostState) {
        loop {
            self.host_failed.notified().await;
            if host.has(HealthFlag::FailedActiveCheck) {
                return;
            }
        }
    }

    /// What the members were made from.
    pub(crate) fn endpoints(&self) -> Arc<Endpoints> {
        self.endpoints.load_full()
    }

    /// Replaces the members; hosts that stay keep their state. The same endpoints again change nothing.
    pub(crate) fn set_endpoints(&self, endpoints: Arc<Endpoints>) {
        if Arc::ptr_eq(&self.endpoints.load(), &endpoints) {
            return;
        }
        self.members.store(Arc::new(members(&self.config, &self.state, &endpoints)));
        self.endpoints.store(endpoints);
        self.membership.notify_waiters();
    }
}

fn members(config: &Arc<Cluster>, state: &Arc<ClusterState>, endpoints: &Endpoints) -> HostSet {
    let now = Instant::now();
    HostSet::new(endpoints, state, |endpoint| {
        let host = state.host(&endpoint.address, for_endpoint(config, endpoint), now);
        match &config.health_check {
            None => Course::end(&host),
            // Only a host that was not known a moment ago waits for its first check.
            Some(_) if host.created() == now => Course::begin(&host),
            Some(_) => {}
        }
        host
    })
}

async fn wait(until: &watch::Sender<bool>) {
    if !*until.borrow() {
        let mut until = until.subscribe();
        let _ = until.wait_for(|done| *done).await;
    }
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
