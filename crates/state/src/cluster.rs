//! Registries of cluster and host state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use weft_tables::address::SocketAddress;
use weft_tables::cluster::Transport;
use weft_types::Name;

use crate::host::{HostKey, HostState};
use crate::padded::Padded;
use crate::registry::Registry;
use crate::resource::{Priority, Resources};

/// All cluster states of the process.
#[derive(Debug, Default)]
pub struct ClusterStates {
    clusters: Registry<(Name, u64), ClusterState>,
}

impl ClusterStates {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state of the cluster of that name whose connection-relevant fields have that hash: the
    /// one in use if there is one, else a new one.
    #[must_use]
    pub fn get(&self, name: &Name, connection_hash: u64) -> Arc<ClusterState> {
        self.clusters
            .get_or_make((Arc::clone(name), connection_hash), |(name, _)| ClusterState::new(Arc::clone(name)))
    }

    /// All states in use, those of draining clusters included.
    #[must_use]
    pub fn living(&self) -> Vec<Arc<ClusterState>> {
        self.clusters.living()
    }
}

/// Process-wide state of one cluster.
#[derive(Debug)]
pub struct ClusterState {
    name: Name,
    default: Resources,
    high: Resources,
    hosts: Registry<HostKey, HostState>,
    health_version: Arc<Padded<AtomicU64>>,
    ejecting: Mutex<()>,
}

impl ClusterState {
    /// State outside of any registry, for tests and simulation.
    #[must_use]
    pub fn new(name: Name) -> Self {
        Self {
            name,
            default: Resources::default(),
            high: Resources::default(),
            hosts: Registry::default(),
            health_version: Arc::default(),
            ejecting: Mutex::new(()),
        }
    }

    /// Name of the cluster.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Circuit breakers of a priority.
    #[must_use]
    pub fn resources(&self, priority: Priority) -> &Resources {
        match priority {
            Priority::Default => &self.default,
            Priority::High => &self.high,
        }
    }

    /// The state of a host: the one in use if there is one, else a new one made `now`.
    #[must_use]
    pub fn host(&self, address: &SocketAddress, transport: &Transport, now: Instant) -> Arc<HostState> {
        let key = HostKey { address: address.clone(), transport: transport.clone() };
        self.hosts.get_or_make(key, |key| HostState::new(key.clone(), Arc::clone(&self.health_version), now))
    }

    /// All hosts in use.
    #[must_use]
    pub fn hosts(&self) -> Vec<Arc<HostState>> {
        self.hosts.living()
    }

    /// Counts up with each change of a host's health; balancers compare it with what they last saw.
    #[must_use]
    pub fn health_version(&self) -> u64 {
        self.health_version.load(Ordering::Acquire)
    }

    /// Sole right to eject hosts of this cluster and to bring them back: two workers must not both
    /// find room for one more. Held for the length of one decision.
    pub fn lock_ejections(&self) -> Ejections<'_> {
        Ejections { _lock: self.ejecting.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// The right to change which hosts of a cluster are ejected.
#[derive(Debug)]
#[must_use]
pub struct Ejections<'a> {
    _lock: MutexGuard<'a, ()>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HealthFlag;

    fn address(port: u16) -> SocketAddress {
        SocketAddress::Ip(([127, 0, 0, 1], port).into())
    }

    #[test]
    fn an_unchanged_key_keeps_its_state_and_a_changed_one_gets_new() {
        let states = ClusterStates::new();
        let name: Name = "reviews".into();
        let first = states.get(&name, 1);
        let permit = first.resources(Priority::Default).requests.try_acquire(1).unwrap();
        assert!(Arc::ptr_eq(&first, &states.get(&name, 1)));
        let changed = states.get(&name, 2);
        assert!(!Arc::ptr_eq(&first, &changed));
        assert_eq!(changed.resources(Priority::Default).requests.current(), 0);
        assert_eq!(changed.resources(Priority::High).requests.current(), 0);
        drop(first);
        drop(permit);
        assert_eq!(states.living().len(), 1);
    }

    #[test]
    fn hosts_are_told_apart_by_address_and_changes_of_health_are_announced() {
        let cluster = ClusterState::new("c".into());
        let now = Instant::now();
        let a = cluster.host(&address(1), &Transport::default(), now);
        let b = cluster.host(&address(2), &Transport::default(), now);
        assert!(Arc::ptr_eq(&a, &cluster.host(&address(1), &Transport::default(), now)));
        assert!(!Arc::ptr_eq(&a, &b));
        let before = cluster.health_version();
        assert!(a.set(HealthFlag::FailedActiveCheck));
        assert!(!a.set(HealthFlag::FailedActiveCheck));
        assert_eq!(cluster.health_version(), before + 1);
        assert!(a.has(HealthFlag::FailedActiveCheck) && !b.has(HealthFlag::FailedActiveCheck));
        assert!(a.clear(HealthFlag::FailedActiveCheck));
        assert_eq!(cluster.health_version(), before + 2);
    }

    #[test]
    fn guards_count_requests_and_connections_of_a_host() {
        let cluster = ClusterState::new("c".into());
        let host = cluster.host(&address(1), &Transport::default(), Instant::now());
        let request = host.begin_request();
        let connection = host.begin_connection();
        assert_eq!((host.active_requests.current(), host.active_connections.current()), (1, 1));
        drop(request);
        drop(connection);
        assert_eq!((host.active_requests.current(), host.active_connections.current()), (0, 0));
        assert_eq!(host.totals.requests.load(Ordering::Relaxed), 1);
    }
}
