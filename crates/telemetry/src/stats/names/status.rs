//! Counts by status code.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{Place, Scope};
use crate::stats::{Counter, Registry, Shard};

/// Codes that have a counter of their own: 100 to 599.
const CODES: std::ops::Range<u16> = 100..600;
/// Classes: 1xx to 5xx.
const CLASSES: usize = 5;

/// `upstream_rq_completed`, `upstream_rq_2xx`, `upstream_rq_200` … of a cluster, also below
/// `external.` or `internal.`. As in Envoy, a code's counter appears with its first response.
#[derive(Debug)]
pub struct StatusStats {
    place: Place,
    completed: OnceLock<Counter>,
    /// Handles plus one, classes first; 0: not yet registered. Made with the first response, so that
    /// a cluster without traffic does not pay for it.
    slots: OnceLock<Box<[AtomicU32]>>,
}

impl StatusStats {
    /// The counts within a scope.
    #[must_use]
    pub fn new(scope: &Scope<'_>) -> Self {
        Self { place: scope.place().clone(), completed: OnceLock::new(), slots: OnceLock::new() }
    }

    /// Counts a response.
    pub fn record(&self, registry: &Registry, shard: &Shard, status: u16) {
        let completed = || self.place.counter(registry, "upstream_rq_completed");
        shard.inc(*self.completed.get_or_init(completed));
        if !CODES.contains(&status) {
            return;
        }
        let class = status / 100;
        self.inc(registry, shard, usize::from(class - 1), || format!("upstream_rq_{class}xx"));
        let index = CLASSES + usize::from(status - CODES.start);
        self.inc(registry, shard, index, || format!("upstream_rq_{status}"));
    }

    fn inc(&self, registry: &Registry, shard: &Shard, index: usize, name: impl FnOnce() -> String) {
        let slots =
            self.slots.get_or_init(|| (0..CLASSES + CODES.len()).map(|_| AtomicU32::new(0)).collect());
        let Some(slot) = slots.get(index) else { return };
        let counter = match slot.load(Relaxed).checked_sub(1) {
            Some(id) => Counter(id),
            None => {
                // Two workers may both come here; the registry gives both the same counter.
                let counter = self.place.counter(registry, &name());
                slot.store(counter.0 + 1, Relaxed);
                counter
            }
        };
        shard.inc(counter);
    }
}
