//! The resources of one type: in force, and waiting to be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;
use weft_tables::Finding;
use weft_types::Name;

/// A resource.
#[derive(Debug)]
pub(super) struct Item<T> {
    /// The server's version.
    pub(super) version: Arc<str>,
    /// Its bytes as they came.
    pub(super) body: Vec<u8>,
    /// What was made of it.
    pub(super) value: T,
    /// Fields without effect.
    pub(super) findings: Vec<Finding>,
    /// When it came.
    pub(super) since: SystemTime,
}

/// A resource that waits for others.
#[derive(Debug)]
struct Warming<T> {
    item: Item<T>,
    deadline: Instant,
}

/// The resources of one type.
#[derive(Debug)]
pub(super) struct Store<T> {
    active: BTreeMap<Name, Item<T>>,
    warming: BTreeMap<Name, Warming<T>>,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { active: BTreeMap::new(), warming: BTreeMap::new() }
    }
}

impl<T> Store<T> {
    /// Whether the latest resource of that name has these bytes: then it stays, under the new version.
    pub(super) fn keeps(&mut self, name: &str, version: &Arc<str>, body: &[u8]) -> bool {
        if let Some(warming) = self.warming.get_mut(name) {
            if warming.item.body == body {
                warming.item.version = version.clone();
                return true;
            }
            return false;
        }
        let same = self.active.get_mut(name).filter(|item| item.body == body);
        same.map(|item| item.version = version.clone()).is_some()
    }

    /// Takes a new resource; it is in force after [`Self::promote`].
    pub(super) fn stage(&mut self, name: Name, item: Item<T>, deadline: Instant) {
        self.warming.insert(name, Warming { item, deadline });
    }

    /// Forgets a resource; whether it was in force.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.warming.remove(name);
        self.active.remove(name).is_some()
    }

    /// Puts in force what is ready, or has waited for too long. Their names.
    pub(super) fn promote(&mut self, now: Instant, ready: impl Fn(&T) -> bool) -> Vec<Name> {
        let due = |w: &Warming<T>| now >= w.deadline || ready(&w.item.value);
        let names: Vec<Name> =
            self.warming.iter().filter(|(_, w)| due(w)).map(|(name, _)| name.clone()).collect();
        for name in &names {
            if let Some(warming) = self.warming.remove(name) {
                self.active.insert(name.clone(), warming.item);
            }
        }
        names
    }

    /// Forgets what is not wanted any more.
    pub(super) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.active.retain(|name, _| wanted(name));
        self.warming.retain(|name, _| wanted(name));
    }

    /// What is in force under a name.
    pub(super) fn get(&self, name: &str) -> Option<&Item<T>> {
        self.active.get(name)
    }

    /// Whether a name is to come into force for the first time.
    pub(super) fn is_new(&self, name: &str) -> bool {
        self.warming.contains_key(name) && !self.active.contains_key(name)
    }

    pub(super) fn active(&self) -> impl Iterator<Item = (&Name, &Item<T>)> {
        self.active.iter()
    }

    pub(super) fn warming(&self) -> impl Iterator<Item = (&Name, &Item<T>)> {
        self.warming.iter().map(|(name, w)| (name, &w.item))
    }

    /// How many are in force, and how many wait.
    pub(super) fn counts(&self) -> [usize; 2] {
        [self.active.len(), self.warming.len()]
    }

    /// All values, in force and waiting.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.active().chain(self.warming()).map(|(_, item)| &item.value)
    }

    /// When the first one has waited for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.warming.values().map(|w| w.deadline).min()
    }
}
