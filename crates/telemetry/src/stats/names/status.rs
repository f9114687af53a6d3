//! Counts by status code.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{Place, Scope};
use crate::stats::{Counter, Registry, Shard};

/// Classes: 1xx to 5xx.
const CLASSES: usize = 5;
/// A class itself, and its codes.
const SLOTS: usize = 101;

/// `upstream_rq_completed`, `upstream_rq_2xx`, `upstream_rq_200` … of a cluster, also below
/// `external.` or `internal.`. As in Envoy, a code's counter appears with its first response.
#[derive(Debug)]
pub struct StatusStats {
    place: Place,
    completed: OnceLock<Counter>,
    /// Handles plus one, the class first; 0: not yet registered. Made with the first response of the
    /// class, so that a cluster pays for what it has seen.
    classes: [OnceLock<Box<[AtomicU32; SLOTS]>>; CLASSES],
}

impl StatusStats {
    /// The counts within a scope.
    #[must_use]
    pub fn new(scope: &Scope<'_>) -> Self {
        Self { place: scope.place().clone(), completed: OnceLock::new(), classes: Default::default() }
    }

    /// Counts a response.
    pub fn record(&self, registry: &Registry, shard: &Shard, status: u16) {
        let completed = || self.place.counter(registry, "upstream_rq_completed");
        shard.inc(*self.completed.get_or_init(completed));
        let class = status / 100;
        let slots = usize::from(class).checked_sub(1).and_then(|class| self.classes.get(class));
        let Some(slots) = slots else { return };
        let slots = slots.get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU32::new(0))));
        let [of_class, codes @ ..] = &**slots;
        self.inc(registry, shard, of_class, || format!("upstream_rq_{class}xx"));
        if let Some(slot) = codes.get(usize::from(status % 100)) {
            self.inc(registry, shard, slot, || format!("upstream_rq_{status}"));
        }
    }

    fn inc(&self, registry: &Registry, shard: &Shard, slot: &AtomicU32, name: impl FnOnce() -> String) {
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
