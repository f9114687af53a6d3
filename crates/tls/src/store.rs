//! Secrets by name, as they come and change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use weft_tables::tls::Secret;
use weft_types::Name;

type Map = HashMap<Name, Arc<Secret>>;

/// All named secrets of the process: several workloads may have theirs side by side, since a secret
/// is known by its name alone. Readers never wait for writers.
#[derive(Debug)]
pub struct SecretStore {
    secrets: ArcSwap<Map>,
    generation: watch::Sender<u64>,
    writing: Mutex<()>,
}

impl Default for SecretStore {
    fn default() -> Self {
        Self::new()
    }
}

impl SecretStore {
    /// A store without secrets.
    #[must_use]
    pub fn new() -> Self {
        Self { secrets: ArcSwap::default(), generation: watch::Sender::new(0), writing: Mutex::new(()) }
    }

    /// The secret of that name.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<Arc<Secret>> {
        self.secrets.load().get(name).cloned()
    }

    /// Sets a secret; the same again changes nothing.
    pub fn set(&self, name: Name, secret: Arc<Secret>) {
        self.change(|map| match map.get(&name) {
            Some(old) if **old == *secret => false,
            _ => {
                map.insert(name, secret);
                true
            }
        });
    }

    /// Removes a secret. Contexts that were built with it stay as they are.
    pub fn remove(&self, name: &Name) {
        self.change(|map| map.remove(name).is_some());
    }

    /// Sets all secrets of a new configuration at once; others stay (they come by SDS).
    pub fn set_all<'s>(&self, secrets: impl IntoIterator<Item = (&'s Name, &'s Arc<Secret>)>) {
        self.change(|map| {
            let mut changed = false;
            for (name, secret) in secrets {
                if map.get(name).is_none_or(|old| **old != **secret) {
                    map.insert(Arc::clone(name), Arc::clone(secret));
                    changed = true;
                }
            }
            changed
        });
    }

    /// Counts changes.
    #[must_use]
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Tells of changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    fn change(&self, edit: impl FnOnce(&mut Map) -> bool) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut map = Map::clone(&self.secrets.load());
        if edit(&mut map) {
            // The map before the number: who sees the number finds the map.
            self.secrets.store(Arc::new(map));
            self.generation.send_modify(|generation| *generation += 1);
        }
    }
}
