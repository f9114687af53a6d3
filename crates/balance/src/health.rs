//! What the results of active health checks mean for a host, and when the next check is due.

use std::time::Duration;

use weft_state::{HealthFlag, HostState};
use weft_tables::cluster::{CheckIntervals, HealthCheck};
use weft_types::Random;

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It passed.
    Passed {
        /// The host says that it is degraded (`x-envoy-degraded`).
        degraded: bool,
    },
    /// The host answered that it is not well: unhealthy at once.
    Failed,
    /// No answer, or one that may be chance: unhealthy when it happens often enough.
    Missed,
}

impl Reading {
    /// Whether it passed.
    #[must_use]
    pub fn passed(self) -> bool {
        matches!(self, Self::Passed { .. })
    }
}

/// What a result did to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    Unchanged,
    /// More such results will change it.
    Pending,
    /// It is healthy now, or unhealthy, or degraded, and was not before.
    Changed,
}

/// The course of the checks of one host. A host that was never checked is unhealthy; the first result
/// decides alone, later ones need as many in a row as the thresholds say, as in Envoy.
#[derive(Debug)]
pub struct Course {
    passed: u32,
    missed: u32,
    first: bool,
}

impl Default for Course {
    fn default() -> Self {
        Self { passed: 0, missed: 0, first: true }
    }
}

impl Course {
    /// Marks a host that becomes known as one that waits for its first check.
    pub fn begin(host: &HostState) {
        host.set(HealthFlag::FailedActiveCheck);
        host.set(HealthFlag::PendingActiveCheck);
    }

    /// The host is checked no more.
    pub fn end(host: &HostState) {
        for flag in
            [HealthFlag::FailedActiveCheck, HealthFlag::PendingActiveCheck, HealthFlag::DegradedActiveCheck]
        {
            host.clear(flag);
        }
    }

    /// Takes a result into account.
    pub fn record(&mut self, host: &HostState, reading: Reading, config: &HealthCheck) -> Transition {
        let first = std::mem::take(&mut self.first);
        let mut transition = match reading {
            Reading::Passed { .. } => self.pass(host, first, config),
            Reading::Failed | Reading::Missed => self.miss(host, reading == Reading::Failed, config),
        };
        if let Reading::Passed { degraded } = reading {
            let flag = HealthFlag::DegradedActiveCheck;
            if if degraded { host.set(flag) } else { host.clear(flag) } {
                transition = Transition::Changed;
            }
        }
        if host.clear(HealthFlag::PendingActiveCheck) {
            transition = Transition::Changed;
        }
        transition
    }

    fn pass(&mut self, host: &HostState, first: bool, config: &HealthCheck) -> Transition {
        self.missed = 0;
        if !host.has(HealthFlag::FailedActiveCheck) {
            return Transition::Unchanged;
        }
        self.passed += 1;
        if !first && self.passed < config.healthy_threshold {
            return Transition::Pending;
        }
        host.clear(HealthFlag::FailedActiveCheck);
        Transition::Changed
    }

    fn miss(&mut self, host: &HostState, at_once: bool, config: &HealthCheck) -> Transition {
        self.passed = 0;
        if host.has(HealthFlag::FailedActiveCheck) {
            return Transition::Unchanged;
        }
        self.missed += 1;
        if !at_once && self.missed < config.unhealthy_threshold {
            return Transition::Pending;
        }
        host.set(HealthFlag::FailedActiveCheck);
        Transition::Changed
    }
}

/// The time from a result to the next check. `traffic`: somebody has connected to the cluster.
#[must_use]
pub fn next_check(
    intervals: &CheckIntervals,
    passed: bool,
    transition: Transition,
    traffic: bool,
    dice: &mut impl Random,
) -> Duration {
    let pending = transition == Transition::Pending;
    let base = match (traffic, passed, pending) {
        (true, true, true) => intervals.healthy_edge,
        (true, true, false) => intervals.healthy,
        (true, false, true) => intervals.unhealthy_edge,
        (true, false, false) => intervals.unhealthy,
        (false, true, false) => intervals.no_traffic_healthy,
        (false, ..) => intervals.no_traffic,
    };
    let percent = base.saturating_mul(intervals.jitter_percent) / 100;
    base.saturating_add(part(percent, dice)).saturating_add(part(intervals.jitter, dice))
}

/// A random part of a time, in milliseconds as Envoy draws it.
#[must_use]
pub fn part(most: Duration, dice: &mut impl Random) -> Duration {
    match u64::try_from(most.as_millis()).unwrap_or(u64::MAX) {
        0 => Duration::ZERO,
        most => Duration::from_millis(dice.next_u64() % most),
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
