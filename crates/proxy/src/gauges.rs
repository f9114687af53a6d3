//! Gauges that are read from the state of clusters rather than counted: set when somebody looks.

use weft_balance::HostHealth;
use weft_state::Priority;
use weft_tables::cluster::Breakers;
use weft_telemetry::stats::Registry;
use weft_telemetry::stats::names::{CircuitBreakerStats, ClusterStats, Scope};

use crate::process::Process;
use crate::upstream::shared::ClusterShared;

/// Sets them all.
pub(crate) fn set(process: &Process) {
    for cluster in process.clusters_in_use() {
        let _counts = process.counted.enter(&cluster.config.stat_name);
        let scope = Scope::cluster(&process.registry, &cluster.config.stat_name);
        membership(&process.registry, &scope, &cluster);
        let breakers = scope.part("circuit_breakers");
        for (part, priority, config) in [
            ("default", Priority::Default, &cluster.config.breakers),
            ("high", Priority::High, &cluster.config.breakers_high),
        ] {
            circuit_breakers(&process.registry, &breakers.part(part), &cluster, priority, config);
        }
    }
}

fn membership(registry: &Registry, scope: &Scope<'_>, cluster: &ClusterShared) {
    let stats = ClusterStats::new(scope);
    let members = cluster.members();
    let count = |is: &dyn Fn(&weft_balance::Host) -> bool| members.hosts().filter(|h| is(h)).count() as u64;
    registry.set_gauge(stats.membership_total, count(&|_| true));
    registry.set_gauge(stats.membership_healthy, count(&|h| h.health() == HostHealth::Healthy));
    registry.set_gauge(stats.membership_degraded, count(&|h| h.health() == HostHealth::Degraded));
    registry.set_gauge(stats.membership_excluded, count(&weft_balance::Host::is_excluded));
}

fn circuit_breakers(
    registry: &Registry,
    scope: &Scope<'_>,
    cluster: &ClusterShared,
    priority: Priority,
    config: &Breakers,
) {
    let stats = CircuitBreakerStats::new(scope);
    let resources = cluster.state.resources(priority);
    for (resource, limit, open, remaining) in [
        (&resources.connections, config.max_connections, stats.cx_open, "remaining_cx"),
        (&resources.pending, config.max_pending_requests, stats.rq_pending_open, "remaining_pending"),
        (&resources.requests, config.max_requests, stats.rq_open, "remaining_rq"),
        (&resources.retries, resources.retry_limit(config), stats.rq_retry_open, "remaining_retries"),
    ] {
        registry.set_gauge(open, u64::from(resource.is_open(limit)));
        if config.track_remaining {
            registry.set_gauge(scope.gauge(remaining), u64::from(resource.remaining(limit)));
        }
    }
}
