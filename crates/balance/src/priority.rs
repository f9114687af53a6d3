//! How load is spread over priorities: spill-over when healthy hosts get few, and panic.

use crate::host_set::Membership;

/// Shares of load per priority and health, in percent, and which priorities are in panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loads {
    /// Percent for the healthy hosts of each priority.
    pub healthy: Vec<u32>,
    /// Percent for the degraded hosts of each priority. Both lists together sum to 100.
    pub degraded: Vec<u32>,
    /// Priorities that use all their hosts, healthy or not.
    pub panic: Vec<bool>,
    availability: Availability,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Availability {
    healthy: Vec<u32>,
    degraded: Vec<u32>,
}

impl Availability {
    /// Sum over priorities and healths, at most 100.
    fn total(&self) -> u32 {
        self.healthy.iter().chain(&self.degraded).sum::<u32>().min(100)
    }
}

impl Loads {
    /// The shares for priorities with these members. A priority's availability is its share of
    /// healthy (or degraded) hosts times `overprovisioning` percent (Envoy's default 140), at most
    /// 100; while the sum reaches 100, lower priorities serve what higher ones cannot. Below
    /// that, a priority whose healthy and degraded hosts are under `panic_threshold` percent is in
    /// panic; when all are, load follows the number of hosts.
    #[must_use]
    pub fn new(levels: &[Membership], overprovisioning: u32, panic_threshold: u32) -> Self {
        let available = |count: u32, level: &Membership| {
            let hosts = level.total.saturating_sub(level.excluded);
            let percent =
                (u64::from(overprovisioning) * u64::from(count)).checked_div(u64::from(hosts)).unwrap_or(0);
            u32::try_from(percent.min(100)).unwrap_or(100)
        };
        let availability = Availability {
            healthy: levels.iter().map(|l| available(l.healthy, l)).collect(),
            degraded: levels.iter().map(|l| available(l.degraded, l)).collect(),
        };
        let (healthy, degraded) = spread(&availability);
        let mut loads = Self { healthy, degraded, panic: vec![false; levels.len()], availability };
        loads.apply_panic(levels, panic_threshold.min(100));
        loads
    }

    fn apply_panic(&mut self, levels: &[Membership], threshold: u32) {
        let total = self.availability.total();
        if total < 100 {
            for (panic, level) in self.panic.iter_mut().zip(levels) {
                let hosts = level.total.saturating_sub(level.excluded);
                let usable = u64::from(level.healthy) + u64::from(level.degraded);
                // usable / hosts < threshold / 100; no hosts count as 0 %.
                *panic = if hosts == 0 {
                    threshold > 0
                } else {
                    usable * 100 < u64::from(threshold) * u64::from(hosts)
                };
            }
        }
        if self.panic.iter().all(|panic| *panic) {
            self.spread_by_size(levels);
        } else if total == 0 {
            // Nothing is available, but not all panic (panic is off, or the overprovisioning factor
            // rounds all shares down to 0): the load goes to the first that could have a host.
            let first = levels.iter().position(|level| level.healthy > 0).unwrap_or(0);
            if let Some(load) = self.healthy.get_mut(first) {
                *load = 100;
            }
        }
    }

    /// Total panic: by number of hosts, whatever their health.
    fn spread_by_size(&mut self, levels: &[Membership]) {
        self.degraded.fill(0);
        let hosts: u64 = levels.iter().map(|level| u64::from(level.total)).sum();
        for (load, level) in self.healthy.iter_mut().zip(levels) {
            *load =
                u32::try_from((100 * u64::from(level.total)).checked_div(hosts).unwrap_or(0)).unwrap_or(0);
        }
        let first = levels.iter().position(|level| level.total > 0).unwrap_or(0);
        let rest = 100 - self.healthy.iter().sum::<u32>();
        if let Some(load) = self.healthy.get_mut(first) {
            *load += rest;
        }
    }

    /// The shares when these priorities are to be avoided (`previous_priorities`): as if they had no
    /// available host. When nothing else is available, the shares as they are.
    #[must_use]
    pub fn without(&self, avoided: &[u32]) -> Self {
        let keep = |values: &[u32]| -> Vec<u32> {
            let avoid = |index: usize| {
                avoided.iter().any(|a| *a as usize == index)
                    || self.panic.get(index).copied().unwrap_or(false)
            };
            values.iter().enumerate().map(|(i, v)| if avoid(i) { 0 } else { *v }).collect()
        };
        let availability = Availability {
            healthy: keep(&self.availability.healthy),
            degraded: keep(&self.availability.degraded),
        };
        if availability.total() == 0 {
            return self.clone();
        }
        let (healthy, degraded) = spread(&availability);
        Self { healthy, degraded, panic: self.panic.clone(), availability }
    }

    /// The priority for a draw, and whether its degraded hosts are meant.
    #[must_use]
    pub fn choose(&self, draw: u64) -> (usize, bool) {
        let mut left = u32::try_from(draw % 100).unwrap_or(0);
        let healthy = self.healthy.iter().enumerate().map(|(i, load)| (i, false, *load));
        let degraded = self.degraded.iter().enumerate().map(|(i, load)| (i, true, *load));
        for (index, is_degraded, load) in healthy.chain(degraded) {
            if left < load {
                return (index, is_degraded);
            }
            left -= load;
        }
        (0, false)
    }
}

/// Spreads 100 % by availability, healthy before degraded and high priorities before low ones;
/// rounding errors go to the first that has any.
fn spread(availability: &Availability) -> (Vec<u32>, Vec<u32>) {
    let total = availability.total();
    let mut left = 100u32;
    let mut take = |values: &[u32]| -> Vec<u32> {
        values
            .iter()
            .map(|available| {
                let load = (available * 100).checked_div(total).unwrap_or(0).min(left);
                left -= load;
                load
            })
            .collect()
    };
    let mut healthy = take(&availability.healthy);
    let mut degraded = take(&availability.degraded);
    if total > 0 {
        let first = |values: &[u32]| values.iter().position(|available| *available > 0);
        if let Some(index) = first(&availability.healthy) {
            healthy[index] += left;
        } else if let Some(index) = first(&availability.degraded) {
            degraded[index] += left;
        }
    }
    (healthy, degraded)
}

#[cfg(test)]
#[path = "priority_tests.rs"]
mod tests;
