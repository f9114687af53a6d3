//! What a balancer derives from a host set and its current health.

use std::sync::Arc;
use std::time::Instant;

use weft_state::HostState;
use weft_tables::cluster::{Cluster, LbPolicy, SlowStart, SubsetConfig};
use weft_types::Random;

use crate::edf::Edf;
use crate::host_set::{HashTables, HostHandle, HostHealth, HostSet, LocalityHosts, Membership, TableKey};
use crate::priority::Loads;
use crate::slow_start;
use crate::table::{self, HashTable};

/// How a balancer chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Algorithm.
    pub policy: LbPolicy,
    /// Localities are taken by their weights (`locality_weighted_lb_config`).
    pub locality_weighted: bool,
    /// Percent of usable hosts below which a priority uses all hosts (default 50; 0: never).
    pub panic_threshold: u32,
    /// Fail instead of using all hosts (`fail_traffic_on_panic`).
    pub fail_on_panic: bool,
    /// Slow start, for round robin and least request.
    pub slow_start: Option<SlowStart>,
    /// Subsets by endpoint metadata.
    pub subsets: Option<SubsetConfig>,
}

impl From<&Cluster> for Settings {
    fn from(cluster: &Cluster) -> Self {
        Self {
            policy: cluster.balancing.policy.clone(),
            locality_weighted: cluster.balancing.locality_weighted,
            // Envoy rounds the percentage.
            panic_threshold: cluster.panic_threshold.clamp(0.0, 100.0).round() as u32,
            fail_on_panic: cluster.fail_on_panic,
            slow_start: cluster.balancing.slow_start,
            subsets: cluster.balancing.subsets.clone(),
        }
    }
}

/// Partitions and schedules of a host set at one health version.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) hosts: Arc<HostSet>,
    pub(crate) health_version: u64,
    pub(crate) loads: Loads,
    pub(crate) levels: Vec<Level>,
    /// For consistent hashing: one table a priority.
    pub(crate) tables: Option<Arc<HashTables>>,
}

/// One priority.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) all: Pool,
    pub(crate) healthy: Partition,
    pub(crate) degraded: Partition,
}

/// The hosts of one health within a priority.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) flat: Pool,
    pub(crate) localities: Vec<Pool>,
    /// Schedule of localities by effective weight; `None`: localities are not weighted.
    locality_weights: Option<(Vec<f64>, Edf)>,
}

/// Hosts to choose from, with a position.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub(crate) hosts: Vec<HostHandle>,
    position: u64,
    /// Only for unequal weights or slow start.
    schedule: Option<Edf>,
}

impl View {
    /// Builds the view; positions continue from `previous` where it has the same pool.
    pub(crate) fn new(
        settings: &Settings,
        hosts: &Arc<HostSet>,
        previous: Option<&View>,
        seed: u64,
        now: Instant,
    ) -> Self {
        // Read before the flags: a change in between makes the next pick look again.
        let health_version = hosts.health_version();
        let members: Vec<Membership> = hosts.priorities.iter().map(|groups| count(groups)).collect();
        let loads = Loads::new(&members, hosts.overprovisioning, settings.panic_threshold);
        let builder = Builder { settings, seed, now, overprovisioning: hosts.overprovisioning };
        let levels = hosts
            .priorities
            .iter()
            .enumerate()
            .map(|(index, groups)| builder.level(groups, previous.and_then(|view| view.levels.get(index))))
            .collect();
        let tables = builder.tables(hosts, health_version, &loads);
        Self { hosts: Arc::clone(hosts), health_version, loads, levels, tables }
    }

    pub(crate) fn is_current(&self, hosts: &Arc<HostSet>) -> bool {
        Arc::ptr_eq(&self.hosts, hosts) && self.health_version == hosts.health_version()
    }
}

fn count(groups: &[LocalityHosts]) -> Membership {
    let mut members = Membership::default();
    for host in groups.iter().flat_map(|group| &group.hosts) {
        members.add(host);
    }
    members
}

struct Builder<'a> {
    settings: &'a Settings,
    seed: u64,
    now: Instant,
    overprovisioning: u32,
}

impl Builder<'_> {
    /// The hash tables. They can be large and are the same for all workers, so workers share them.
    fn tables(&self, hosts: &Arc<HostSet>, health_version: u64, loads: &Loads) -> Option<Arc<HashTables>> {
        let policy = &self.settings.policy;
        if !matches!(policy, LbPolicy::RingHash { .. } | LbPolicy::Maglev(_)) {
            return None;
        }
        let key = TableKey {
            health_version,
            policy: policy.clone(),
            locality_weighted: self.settings.locality_weighted,
            panic: loads.panic.clone(),
        };
        Some(hosts.hash_tables(key, || {
            let table = |(groups, panic): (&Vec<LocalityHosts>, &bool)| {
                HashTable::new(policy, &table::shares(groups, *panic, self.settings.locality_weighted))
            };
            hosts.priorities.iter().zip(&loads.panic).filter_map(table).collect()
        }))
    }

    fn level(&self, groups: &[LocalityHosts], previous: Option<&Level>) -> Level {
        let all = groups.iter().flat_map(|group| &group.hosts).cloned().collect();
        Level {
            all: self.pool(all, previous.map(|level| &level.all)),
            healthy: self.partition(groups, HostHealth::Healthy, previous.map(|level| &level.healthy)),
            degraded: self.partition(groups, HostHealth::Degraded, previous.map(|level| &level.degraded)),
        }
    }

    fn partition(
        &self,
        groups: &[LocalityHosts],
        health: HostHealth,
        previous: Option<&Partition>,
    ) -> Partition {
        let of_health: Vec<Vec<HostHandle>> = groups
            .iter()
            .map(|group| group.hosts.iter().filter(|host| host.health() == health).cloned().collect())
            .collect();
        let flat = of_health.iter().flatten().cloned().collect();
        let weighted = self.settings.locality_weighted && groups.iter().any(|group| group.weight.is_some());
        Partition {
            flat: self.pool(flat, previous.map(|partition| &partition.flat)),
            locality_weights: weighted.then(|| self.locality_weights(groups, &of_health)),
            localities: if weighted {
                let pool = |(index, hosts)| {
                    self.pool(hosts, previous.and_then(|partition| partition.localities.get(index)))
                };
                of_health.into_iter().enumerate().map(pool).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// Effective weight of each locality: its weight times its availability, as priorities have one.
    /// The schedule holds only localities above 0, by their index.
    fn locality_weights(&self, groups: &[LocalityHosts], usable: &[Vec<HostHandle>]) -> (Vec<f64>, Edf) {
        let effective = |(group, usable): (&LocalityHosts, &Vec<HostHandle>)| {
            let excluded = group.hosts.iter().filter(|host| host.is_excluded()).count();
            let hosts = group.hosts.len().saturating_sub(excluded);
            if hosts == 0 || usable.is_empty() {
                return 0.0;
            }
            let share = usable.len() as f64 / hosts as f64;
            let available = (f64::from(self.overprovisioning) / 100.0 * share).min(1.0);
            f64::from(group.weight.unwrap_or(0)) * available
        };
        let weights: Vec<f64> = groups.iter().zip(usable).map(effective).collect();
        let edf = Edf::of_positive(&weights, self.seed);
        (weights, edf)
    }

    fn pool(&self, hosts: Vec<HostHandle>, previous: Option<&Pool>) -> Pool {
        let position = previous.map_or(self.seed, |pool| pool.position);
        let warming =
            self.settings.slow_start.as_ref().is_some_and(|config| {
                hosts.iter().any(|host| slow_start::is_warming(config, host, self.now))
            });
        let equal = hosts.windows(2).all(|pair| pair[0].endpoint.weight == pair[1].endpoint.weight);
        let scheduled = matches!(self.settings.policy, LbPolicy::RoundRobin | LbPolicy::LeastRequest { .. });
        let schedule = (scheduled && hosts.len() > 1 && (!equal || warming)).then(|| {
            let weights: Vec<f64> = hosts.iter().map(|host| self.settings.weight(host, self.now)).collect();
            Edf::new(&weights, self.seed)
        });
        Pool { hosts, position, schedule }
    }
}

impl Settings {
    /// Weight of a host now, for schedules.
    fn weight(&self, host: &HostHandle, now: Instant) -> f64 {
        let mut weight = f64::from(host.endpoint.weight.max(1));
        if let LbPolicy::LeastRequest { active_request_bias, .. } = self.policy
            && active_request_bias != 0.0
        {
            weight /= (active(&host.state) as f64 + 1.0).powf(active_request_bias);
        }
        if let Some(config) = &self.slow_start {
            weight *= slow_start::factor(config, host, now);
        }
        weight
    }
}

fn active(state: &HostState) -> u64 {
    state.active_requests.current()
}

impl Partition {
    /// The pool to use: that of the locality whose turn it is, or all.
    pub(crate) fn next_pool(&mut self) -> &mut Pool {
        let turn = self.locality_weights.as_mut().and_then(|(weights, schedule)| {
            schedule.pick(|index| weights.get(index).copied().unwrap_or_default())
        });
        match turn.and_then(|index| self.localities.get_mut(index)) {
            Some(pool) => pool,
            None => &mut self.flat,
        }
    }
}

impl Pool {
    /// The next host by the policy; `None` when there is none.
    pub(crate) fn next(
        &mut self,
        settings: &Settings,
        now: Instant,
        rng: &mut impl Random,
    ) -> Option<HostHandle> {
        let hosts = &self.hosts;
        if let Some(schedule) = &mut self.schedule {
            let index =
                schedule.pick(|index| hosts.get(index).map_or(1.0, |host| settings.weight(host, now)))?;
            return hosts.get(index).cloned();
        }
        let count = hosts.len() as u64;
        let index = match settings.policy {
            _ if count == 0 => return None,
            LbPolicy::RoundRobin => {
                let index = self.position % count;
                self.position = self.position.wrapping_add(1);
                index
            }
            LbPolicy::LeastRequest { choices, .. } => {
                let draws = (0..choices.max(1)).map(|_| rng.below(count));
                // The first of equals, as Envoy: `min_by_key` keeps it.
                draws
                    .min_by_key(|index| hosts.get(*index as usize).map_or(u64::MAX, |h| active(&h.state)))
                    .unwrap_or(0)
            }
            _ => rng.below(count),
        };
        hosts.get(index as usize).cloned()
    }
}
