//! Circuit breakers: counts with a limit that the current configuration supplies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use weft_tables::cluster::Breakers;

use crate::padded::Padded;

/// Routing priority, each with circuit breakers of its own (`envoy.config.core.v3.RoutingPriority`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Default.
    #[default]
    Default,
    /// High.
    High,
}

#[derive(Debug, Default)]
struct Count {
    current: AtomicU32,
    overflows: AtomicU64,
}

/// One counted resource of a cluster. Cloning shares the count.
#[derive(Clone, Debug, Default)]
pub struct Resource(Arc<Padded<Count>>);

impl Resource {
    /// Takes one if fewer than `limit` are taken (Envoy: `current < max`); else counts an overflow
    /// and takes nothing. The check and the count are one step, so the limit holds across workers.
    #[must_use]
    pub fn try_acquire(&self, limit: u32) -> Option<Permit> {
        let taken = self.0.current.fetch_update(Relaxed, Relaxed, |n| (n < limit).then(|| n + 1));
        if taken.is_err() {
            self.0.overflows.fetch_add(1, Relaxed);
            return None;
        }
        Some(Permit(Arc::clone(&self.0)))
    }

    /// Takes one whatever the limit: Envoy gives a pool without any connection its first one even if
    /// the connection breaker is open.
    #[must_use]
    pub fn acquire(&self) -> Permit {
        self.0.current.fetch_add(1, Relaxed);
        Permit(Arc::clone(&self.0))
    }

    /// How many are taken.
    #[must_use]
    pub fn current(&self) -> u32 {
        self.0.current.load(Relaxed)
    }

    /// Whether another would be refused (the `…_open` gauges).
    #[must_use]
    pub fn is_open(&self, limit: u32) -> bool {
        self.current() >= limit
    }

    /// How many more would be granted (the `remaining_…` gauges).
    #[must_use]
    pub fn remaining(&self, limit: u32) -> u32 {
        limit.saturating_sub(self.current())
    }

    /// How many times one was refused since the state was made.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.0.overflows.load(Relaxed)
    }
}

/// One unit of a [`Resource`]; dropping it gives the unit back.
#[derive(Debug)]
pub struct Permit(Arc<Padded<Count>>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.current.fetch_sub(1, Relaxed);
    }
}

/// The resources of one priority of a cluster (`CircuitBreakers.Thresholds`).
#[derive(Debug, Default)]
pub struct Resources {
    /// Connections.
    pub connections: Resource,
    /// Requests that wait for a connection.
    pub pending: Resource,
    /// Requests at once.
    pub requests: Resource,
    /// Retries at once.
    pub retries: Resource,
}

impl Resources {
    /// How many retries may run at once now: the retry budget's share of active and pending requests
    /// but at least its minimum, or `max_retries` without a budget.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // float casts saturate
    pub fn retry_limit(&self, breakers: &Breakers) -> u32 {
        let Some((percent, least)) = breakers.retry_budget else {
            return breakers.max_retries;
        };
        let active = u64::from(self.requests.current()) + u64::from(self.pending.current());
        ((active as f64 * percent / 100.0) as u32).max(least)
    }

    /// Takes a retry if the limit of [`Self::retry_limit`] allows one more.
    #[must_use]
    pub fn try_retry(&self, breakers: &Breakers) -> Option<Permit> {
        self.retries.try_acquire(self.retry_limit(breakers))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grants_up_to_the_limit_and_takes_back_on_drop() {
        let resource = Resource::default();
        let first = resource.try_acquire(2).unwrap();
        let second = resource.try_acquire(2).unwrap();
        assert!(resource.try_acquire(2).is_none());
        assert!(resource.is_open(2));
        assert_eq!((resource.current(), resource.overflows(), resource.remaining(3)), (2, 1, 1));
        drop(first);
        assert!(resource.try_acquire(2).is_some());
        drop(second);
        assert_eq!(resource.current(), 0);
        assert!(resource.try_acquire(0).is_none());
    }

    #[test]
    fn a_lowered_limit_refuses_until_enough_came_back() {
        let resource = Resource::default();
        let mut permits: Vec<_> = (0..3).map(|_| resource.try_acquire(3).unwrap()).collect();
        assert!(resource.try_acquire(1).is_none());
        permits.truncate(1);
        assert!(resource.try_acquire(1).is_none());
        permits.clear();
        assert!(resource.try_acquire(1).is_some());
    }

    #[test]
    fn the_limit_holds_across_threads() {
        let resource = Resource::default();
        let peak = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        if let Some(_permit) = resource.try_acquire(3) {
                            peak.fetch_max(resource.current(), Relaxed);
                        }
                    }
                });
            }
        });
        assert!((1..=3).contains(&peak.load(Relaxed)));
        assert_eq!(resource.current(), 0);
    }

    #[test]
    fn the_retry_budget_follows_active_requests() {
        let resources = Resources::default();
        let budget = Breakers { retry_budget: Some((20.0, 3)), ..Breakers::default() };
        assert_eq!(resources.retry_limit(&budget), 3);
        let _active: Vec<_> = (0..50).map(|_| resources.requests.acquire()).collect();
        assert_eq!(resources.retry_limit(&budget), 10);
        assert_eq!(resources.retry_limit(&Breakers::default()), 3);
        let retries: Vec<_> = std::iter::from_fn(|| resources.try_retry(&budget)).collect();
        assert_eq!(retries.len(), 10);
    }

    proptest! {
        #[test]
        fn counts_never_exceed_the_limit_nor_go_below_zero(
            limit in 0u32..6,
            steps in proptest::collection::vec(any::<bool>(), 0..60),
        ) {
            let resource = Resource::default();
            let mut held = Vec::new();
            for take in steps {
                if take {
                    held.extend(resource.try_acquire(limit));
                } else {
                    held.pop();
                }
                prop_assert!(held.len() <= limit as usize);
                prop_assert_eq!(resource.current() as usize, held.len());
            }
        }
    }
}
