//! The hosts of a cluster with the state of each.

use std::sync::{Arc, Mutex, PoisonError};

use weft_state::{ClusterState, HealthFlag, HostState};
use weft_tables::cluster::{Endpoint, Endpoints, Health, LbPolicy, Locality, MetadataValue};

use crate::table::HashTable;

/// Highest priority that is looked at; Envoy refuses configurations with more.
pub const MAX_PRIORITY: u32 = 128;

/// A host as balancing sees it.
#[derive(Debug)]
pub struct Host {
    /// What configuration or discovery says.
    pub endpoint: Arc<Endpoint>,
    /// What the process knows.
    pub state: Arc<HostState>,
    /// Where it is.
    pub locality: Arc<Locality>,
    /// Priority; 0 is taken first.
    pub priority: u32,
}

/// A chosen host.
pub type HostHandle = Arc<Host>;

/// Whether a host gets traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostHealth {
    /// Yes.
    Healthy,
    /// When healthy ones do not suffice.
    Degraded,
    /// Only in panic.
    Unhealthy,
}

impl Host {
    /// Health from all sources: the worst says.
    #[must_use]
    pub fn health(&self) -> HostHealth {
        let state = &self.state;
        let unhealthy =
            matches!(self.endpoint.health, Health::Unhealthy | Health::Draining | Health::Timeout)
                || state.has(HealthFlag::FailedActiveCheck)
                || state.has(HealthFlag::FailedOutlierCheck);
        if unhealthy {
            HostHealth::Unhealthy
        } else if self.endpoint.health == Health::Degraded || state.has(HealthFlag::DegradedActiveCheck) {
            HostHealth::Degraded
        } else {
            HostHealth::Healthy
        }
    }

    /// Whether percentages leave the host out.
    #[must_use]
    pub fn is_excluded(&self) -> bool {
        self.state.has(HealthFlag::Excluded)
    }

    /// What consistent hashing hashes: `hash_key` of the metadata `envoy.lb`, else the address.
    #[must_use]
    pub fn hash_key(&self) -> String {
        if let Some(MetadataValue::Struct(fields)) = self.endpoint.metadata.get("envoy.lb").map(|v| &**v)
            && let Some(MetadataValue::String(key)) = fields.get("hash_key")
            && !key.is_empty()
        {
            return key.to_string();
        }
        self.endpoint.address.to_string()
    }
}

/// Hosts of one locality within a priority.
#[derive(Clone, Debug)]
pub struct LocalityHosts {
    /// Weight among localities; `None`: gets nothing when localities are weighted.
    pub weight: Option<u32>,
    /// Hosts, in configured order.
    pub hosts: Vec<HostHandle>,
}

/// Numbers of hosts by health (`membership_*` gauges).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// All.
    pub total: u32,
    /// Healthy.
    pub healthy: u32,
    /// Degraded.
    pub degraded: u32,
    /// Excluded.
    pub excluded: u32,
}

/// The members of a cluster, immutable and shared by workers; their health lies in their states.
#[derive(Debug)]
pub struct HostSet {
    /// Localities of each priority; the index is the priority.
    pub priorities: Vec<Vec<LocalityHosts>>,
    /// Overprovisioning factor, percent.
    pub overprovisioning: u32,
    cluster: Arc<ClusterState>,
    /// The latest hash tables, for the other workers.
    tables: Mutex<Option<(TableKey, Arc<HashTables>)>>,
}

/// Hash tables by priority.
pub(crate) type HashTables = Vec<HashTable>;

/// What hash tables depend on besides the members.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableKey {
    pub(crate) health_version: u64,
    pub(crate) policy: LbPolicy,
    pub(crate) locality_weighted: bool,
    pub(crate) panic: Vec<bool>,
}

impl HostSet {
    /// The hosts that `endpoints` lists; `state` gives the state of each endpoint (it knows the
    /// transport: see [`crate::transport::for_endpoint`]). Priorities above [`MAX_PRIORITY`] are
    /// taken as that one.
    pub fn new(
        endpoints: &Endpoints,
        cluster: &Arc<ClusterState>,
        mut state: impl FnMut(&Endpoint) -> Arc<HostState>,
    ) -> Self {
        let mut priorities: Vec<Vec<LocalityHosts>> = vec![Vec::new()];
        for group in &endpoints.localities {
            let priority = group.priority.min(MAX_PRIORITY);
            let index = priority as usize;
            if priorities.len() <= index {
                priorities.resize_with(index + 1, Vec::new);
            }
            let locality = Arc::new(group.locality.clone());
            let hosts = group
                .endpoints
                .iter()
                .map(|endpoint| {
                    Arc::new(Host {
                        endpoint: Arc::clone(endpoint),
                        state: state(endpoint),
                        locality: Arc::clone(&locality),
                        priority,
                    })
                })
                .collect();
            priorities[index].push(LocalityHosts { weight: group.weight, hosts });
        }
        Self {
            priorities,
            overprovisioning: endpoints.overprovisioning,
            cluster: Arc::clone(cluster),
            tables: Mutex::new(None),
        }
    }

    /// The hosts for which `keep` holds, in the same priorities and localities.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&Host) -> bool) -> Self {
        let mut filter = |group: &LocalityHosts| LocalityHosts {
            weight: group.weight,
            hosts: group.hosts.iter().filter(|host| keep(host)).cloned().collect(),
        };
        Self {
            priorities: self.priorities.iter().map(|p| p.iter().map(&mut filter).collect()).collect(),
            overprovisioning: self.overprovisioning,
            cluster: Arc::clone(&self.cluster),
            tables: Mutex::new(None),
        }
    }

    /// The tables for a key: those that another worker has made, or new ones.
    pub(crate) fn hash_tables(&self, key: TableKey, make: impl FnOnce() -> HashTables) -> Arc<HashTables> {
        let mut latest = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, tables)) = &*latest
            && *known == key
        {
            return Arc::clone(tables);
        }
        let tables = Arc::new(make());
        *latest = Some((key, Arc::clone(&tables)));
        tables
    }

    /// The cluster's state.
    #[must_use]
    pub fn cluster(&self) -> &Arc<ClusterState> {
        &self.cluster
    }

    /// All hosts, by priority and locality.
    pub fn hosts(&self) -> impl Iterator<Item = &HostHandle> {
        self.priorities.iter().flatten().flat_map(|group| &group.hosts)
    }

    /// Whether there is no host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts().next().is_none()
    }

    /// Counts up when a host's health changes.
    #[must_use]
    pub fn health_version(&self) -> u64 {
        self.cluster.health_version()
    }

    /// How many hosts there are, by health.
    #[must_use]
    pub fn membership(&self) -> Membership {
        let mut counts = Membership::default();
        for host in self.hosts() {
            counts.add(host);
        }
        counts
    }
}

impl Membership {
    /// Counts a host.
    pub fn add(&mut self, host: &Host) {
        self.total += 1;
        match host.health() {
            HostHealth::Healthy => self.healthy += 1,
            HostHealth::Degraded => self.degraded += 1,
            HostHealth::Unhealthy => {}
        }
        self.excluded += u32::from(host.is_excluded());
    }
}
