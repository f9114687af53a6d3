//! State by key, for as long as somebody uses it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A map that keeps no value alive: a value goes with its last user. So configuration that is swapped
/// make-before-break finds the state of an unchanged key, and state of removed keys needs no one to
/// remove it.
#[derive(Debug)]
pub struct Registry<K, V>(Mutex<HashMap<K, Weak<V>>>);

impl<K, V> Default for Registry<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq, V> Registry<K, V> {
    /// The value in use under the key if there is one, else a new one.
    pub fn get_or_make(&self, key: K, make: impl FnOnce(&K) -> V) -> Arc<V> {
        let mut map = self.lock();
        if let Some(found) = map.get(&key).and_then(Weak::upgrade) {
            return found;
        }
        // Entries of values that are gone are dropped when the map would grow, so it stays within
        // twice the number of living values.
        if map.len() == map.capacity() {
            map.retain(|_, value| value.strong_count() > 0);
        }
        let made = Arc::new(make(&key));
        map.insert(key, Arc::downgrade(&made));
        made
    }

    /// All values in use.
    #[must_use]
    pub fn living(&self) -> Vec<Arc<V>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// A thread that panicked while it held the lock left no half-made change: the map is changed in
    /// one step. So poison is ignored.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Weak<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lives_with_its_users_and_the_map_does_not_grow_with_the_dead() {
        let registry = Registry::default();
        let first = registry.get_or_make(0, |_| "first");
        assert!(Arc::ptr_eq(&first, &registry.get_or_make(0, |_| "second")));
        for key in 1..10_000 {
            drop(registry.get_or_make(key, |_| "short-lived"));
        }
        assert!(registry.lock().len() < 64);
        assert_eq!(registry.living().len(), 1);
        drop(first);
        assert_eq!(*registry.get_or_make(0, |_| "second"), "second");
    }
}
