//! The resources of one type: in force, and waiting to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

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
    since: Instant,
}

/// The resources of one type.
#[derive(Debug)]
pub(super) struct Store<T> {
    active: BTreeMap<Name, Item<T>>,
    warming: BTreeMap<Name, Warming<T>>,
    /// Names of which something else is in force than when this was last asked for.
    changed: BTreeSet<Name>,
    /// Counts up when a resource comes or goes.
    edition: u64,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { active: BTreeMap::new(), warming: BTreeMap::new(), changed: BTreeSet::new(), edition: 0 }
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
    pub(super) fn stage(&mut self, name: Name, item: Item<T>, now: Instant) {
        self.edition += 1;
        self.warming.insert(name, Warming { item, since: now });
    }

    /// Forgets a resource; whether it was in force.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let warmed = self.warming.remove(name).is_some();
        let Some((name, _)) = self.active.remove_entry(name) else {
            self.edition += u64::from(warmed);
            return false;
        };
        self.edition += 1;
        self.changed.insert(name);
        true
    }

    /// Puts in force what is ready, given how long it has waited. Their names.
    pub(super) fn promote(&mut self, now: Instant, ready: impl Fn(&T, Duration) -> bool) -> Vec<Name> {
        let due = |w: &Warming<T>| ready(&w.item.value, now.saturating_duration_since(w.since));
        let names: Vec<Name> =
            self.warming.iter().filter(|(_, w)| due(w)).map(|(name, _)| name.clone()).collect();
        for name in &names {
            if let Some(warming) = self.warming.remove(name) {
                self.edition += 1;
                self.active.insert(name.clone(), warming.item);
                self.changed.insert(name.clone());
            }
        }
        names
    }

    /// Forgets what is not wanted any more.
    pub(super) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        let names = self.active.keys().chain(self.warming.keys());
        let gone: Vec<Name> = names.filter(|name| !wanted(name)).cloned().collect();
        for name in gone {
            self.remove(&name);
        }
    }

    /// The names of which something else is in force than at the last call.
    pub(super) fn take_changed(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.changed)
    }

    /// Counts up when a resource comes, goes or takes another's place.
    pub(super) fn edition(&self) -> u64 {
        self.edition
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

    /// Whether none waits.
    pub(super) fn is_settled(&self) -> bool {
        self.warming.is_empty()
    }

    /// When the next one will have waited for one of its limits.
    pub(super) fn deadline<const N: usize>(
        &self,
        now: Instant,
        limits: impl Fn(&T) -> [Option<Duration>; N],
    ) -> Option<Instant> {
        let ends = |w: &Warming<T>| limits(&w.item.value).map(|limit| w.since.checked_add(limit?));
        self.warming.values().flat_map(ends).flatten().filter(|end| *end > now).min()
    }
}
