//! What the backends of a world have seen, in the order in which requests began.

use crate::outcome::Seen;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Shared by all backends of a world.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<Vec<Note>>>);

/// One request under way, or finished.
#[derive(Debug, Clone)]
pub(crate) struct Note(Arc<Mutex<(Seen, bool)>>);

impl Note {
    /// A note that belongs to no record.
    pub(crate) fn unread(seen: Seen) -> Self {
        Self(Arc::new(Mutex::new((seen, false))))
    }

    /// Adds what became known since.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut lock(&self.0).0);
    }

    /// Nothing more will become known.
    pub(crate) fn done(&self) {
        lock(&self.0).1 = true;
    }
}

impl Record {
    pub(crate) fn begin(&self, seen: Seen) -> Note {
        let note = Note::unread(seen);
        lock(&self.0).push(note.clone());
        note
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for note in lock(&self.0).iter() {
            *counts.entry(lock(&note.0).0.backend.clone()).or_default() += 1;
        }
        counts
    }

    pub(crate) async fn take(&self) -> Vec<Seen> {
        for _ in 0..20 {
            if lock(&self.0).iter().all(|note| lock(&note.0).1) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        lock(&self.0).drain(..).map(|note| lock(&note.0).0.clone()).collect()
    }
}

/// Locks, whatever happened to the thread that held the lock before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
