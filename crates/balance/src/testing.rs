//! Clusters for tests.

use std::sync::Arc;
use std::time::Instant;

use weft_state::ClusterState;
use weft_tables::address::SocketAddress;
use weft_tables::cluster::{
    Endpoint, Endpoints, Health, LbPolicy, Locality, LocalityEndpoints, Metadata, Transport,
};

use crate::balancer::Settings;
use crate::host_set::{Host, HostSet};

/// One endpoint: port, weight, health.
pub(crate) fn endpoint(port: u16, weight: u32, health: Health) -> Endpoint {
    Endpoint {
        address: SocketAddress::Ip(([10, 0, 0, 1], port).into()),
        hostname: "".into(),
        health,
        weight,
        metadata: Metadata::new(),
    }
}

/// A locality of a priority.
pub(crate) fn locality(priority: u32, weight: Option<u32>, endpoints: Vec<Endpoint>) -> LocalityEndpoints {
    LocalityEndpoints {
        locality: Locality::default(),
        priority,
        weight,
        endpoints: endpoints.into_iter().map(Arc::new).collect(),
    }
}

pub(crate) fn host_set(localities: Vec<LocalityEndpoints>, now: Instant) -> Arc<HostSet> {
    let cluster = Arc::new(ClusterState::new("test".into()));
    host_set_in(&cluster, localities, now)
}

pub(crate) fn host_set_in(
    cluster: &Arc<ClusterState>,
    localities: Vec<LocalityEndpoints>,
    now: Instant,
) -> Arc<HostSet> {
    let endpoints = Endpoints { localities, overprovisioning: 140, drop_overloads: Vec::new() };
    Arc::new(HostSet::new(&endpoints, cluster, |e| cluster.host(&e.address, &Transport::default(), now)))
}

/// Healthy hosts of these weights in one locality, ports from 1.
pub(crate) fn weighted(weights: &[u32]) -> Vec<Endpoint> {
    (1..).zip(weights).map(|(port, weight)| endpoint(port, *weight, Health::Healthy)).collect()
}

pub(crate) fn settings(policy: LbPolicy) -> Settings {
    Settings {
        policy,
        locality_weighted: false,
        panic_threshold: 50,
        fail_on_panic: false,
        slow_start: None,
        subsets: None,
    }
}

pub(crate) fn port(host: &Host) -> u16 {
    host.endpoint.address.ip().unwrap().port()
}

/// Whether a count of successes lies within four standard deviations of `share` of `draws`.
pub(crate) fn plausible(count: u64, draws: u64, share: f64) -> bool {
    let mean = draws as f64 * share;
    (count as f64 - mean).abs() <= 4.0 * (mean * (1.0 - share)).sqrt() + 1.0
}
