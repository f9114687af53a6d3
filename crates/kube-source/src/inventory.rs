//! Istio's objects as the API server holds them, also those that are broken or have no effect: what statuses are
//! written of.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weft_api::{Diagnostic, Object};

use crate::kinds::{WATCHED, Watched};

/// An object by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Kind, as the API server spells it.
    pub kind: String,
    /// Namespace; empty for kinds that live in none.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// What is known of one.
#[derive(Clone, Debug)]
pub struct Listed {
    /// `metadata.generation` of what the API server holds.
    pub generation: i64,
    /// The version in force; `None` if there is none: it was always broken, or its kind has no effect.
    pub object: Option<Arc<Object>>,
    /// What is said of its text.
    pub diagnostics: Vec<Diagnostic>,
}

/// The objects; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Inventory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    changes: u64,
    objects: BTreeMap<ObjectKey, Listed>,
}

/// The kind as it is watched, if it is one of Istio's: those have a status of ours.
#[must_use]
pub fn of_istio(kind: &str) -> Option<&'static Watched> {
    WATCHED.iter().find(|watched| watched.group.ends_with(".istio.io") && watched.kind == kind)
}

impl Inventory {
    /// All of them, if there were changes since that many; and how many there were.
    #[must_use]
    pub fn since(&self, changes: u64) -> Option<(u64, BTreeMap<ObjectKey, Listed>)> {
        let state = self.lock();
        (state.changes != changes).then(|| (state.changes, state.objects.clone()))
    }

    pub(crate) fn note(
        &self,
        index: usize,
        (namespace, name): &(String, String),
        listed: impl FnOnce() -> Option<Listed>,
    ) {
        let Some(kind) = WATCHED.get(index).and_then(|watched| of_istio(watched.kind)) else { return };
        let key = ObjectKey { kind: kind.kind.to_owned(), namespace: namespace.clone(), name: name.clone() };
        let mut state = self.lock();
        state.changes += 1;
        match listed() {
            Some(listed) => drop(state.objects.insert(key, listed)),
            None => drop(state.objects.remove(&key)),
        }
    }

    /// A panic elsewhere leaves it as good as it was.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
