//! What the API server holds, as far as we have been told; no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weft_api::{Code, Diagnostic, Object, ObjectRef};
use weft_source::Update;
use weft_source::limits::MAX_OBJECTS;
use weft_types::Name;

use crate::inventory::{Inventory, Listed};
use crate::read::{Key, Seen};

/// What became of objects of one kind.
#[derive(Debug)]
pub(crate) enum Change {
    /// These are all that there are.
    All(Vec<Seen>),
    /// One is new, or says something else.
    One(Seen),
    /// One is gone.
    Gone(Key),
    /// The API server does not know the kind.
    Unknown,
}

#[derive(Debug, Default)]
struct Entry {
    /// The last good version.
    object: Option<Arc<Object>>,
    diagnostics: Vec<Diagnostic>,
}

/// Objects by kind, and what has changed since the last [`Held::take`].
#[derive(Debug)]
pub(crate) struct Held {
    kinds: Vec<BTreeMap<Key, Entry>>,
    /// Kinds that have not been listed yet.
    awaited: BTreeSet<usize>,
    count: usize,
    /// Objects that there was no room for.
    left_out: usize,
    /// What was in force when the change began.
    before: BTreeMap<ObjectRef, Option<Arc<Object>>>,
    /// Diagnostics may differ.
    said: bool,
    /// Where objects with a status are told.
    inventory: Inventory,
}

impl Held {
    pub(crate) fn new(kinds: usize, inventory: Inventory) -> Self {
        Self {
            kinds: (0..kinds).map(|_| BTreeMap::new()).collect(),
            awaited: (0..kinds).collect(),
            count: 0,
            left_out: 0,
            before: BTreeMap::new(),
            said: true,
            inventory,
        }
    }

    /// Whether each kind has been listed, or is known to be missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Whether there is anything to [`Held::take`].
    pub(crate) fn is_changed(&self) -> bool {
        self.said || !self.before.is_empty()
    }

    pub(crate) fn apply(&mut self, kind: usize, change: Change) {
        match change {
            Change::One(seen) => self.put(kind, seen),
            Change::Gone(key) => self.remove(kind, &key),
            Change::Unknown => self.replace(kind, Vec::new()),
            Change::All(all) => self.replace(kind, all),
        }
    }

    fn replace(&mut self, kind: usize, all: Vec<Seen>) {
        self.awaited.remove(&kind);
        let there: BTreeSet<&Key> = all.iter().map(|seen| &seen.key).collect();
        let held = self.kinds.get(kind).map(|held| held.keys().cloned().collect::<Vec<_>>());
        for key in held.unwrap_or_default().iter().filter(|key| !there.contains(key)) {
            self.remove(kind, key);
        }
        for seen in all {
            self.put(kind, seen);
        }
    }

    fn put(&mut self, kind: usize, seen: Seen) {
        let Some(held) = self.kinds.get_mut(kind) else { return };
        let Seen { key, generation, object, diagnostics } = seen;
        if !held.contains_key(&key) {
            if self.count >= MAX_OBJECTS {
                self.left_out += 1;
                self.said = true;
                return;
            }
            self.count += 1;
        }
        let entry = held.entry(key.clone()).or_default();
        if entry.diagnostics != diagnostics {
            entry.diagnostics = diagnostics;
            self.said = true;
        }
        let broken = entry.diagnostics.iter().any(Diagnostic::is_error);
        match object {
            Some(object) if entry.object.as_ref().is_some_and(|old| old.same_content(&object)) => {}
            Some(object) => {
                let before = entry.object.replace(object.clone());
                self.before.entry(object.reference.clone()).or_insert(before);
            }
            // The last good version stays in force.
            None if broken => {
                if entry.object.is_some() {
                    note_last_good(&mut entry.diagnostics);
                }
            }
            None => {
                if let Some(before) = entry.object.take() {
                    self.before.entry(before.reference.clone()).or_insert(Some(before));
                }
            }
        }
        let Entry { object, diagnostics } = &*entry;
        let listed = || Some(Listed { generation, object: object.clone(), diagnostics: diagnostics.clone() });
        self.inventory.note(kind, &key, listed);
    }

    fn remove(&mut self, kind: usize, key: &Key) {
        let Some(entry) = self.kinds.get_mut(kind).and_then(|held| held.remove(key)) else { return };
        self.inventory.note(kind, key, || None);
        self.count -= 1;
        self.said |= !entry.diagnostics.is_empty();
        if let Some(before) = entry.object {
            self.before.entry(before.reference.clone()).or_insert(Some(before));
        }
    }

    /// What has changed since the last time.
    pub(crate) fn take(&mut self) -> Update {
        let mut update = Update::default();
        for (reference, before) in std::mem::take(&mut self.before) {
            match (before, self.find(&reference)) {
                (None, None) => {}
                (Some(_), None) => update.removed.push(reference),
                (Some(old), Some(new)) if Arc::ptr_eq(&old, new) => {}
                (_, Some(new)) => update.changed.push(new.clone()),
            }
        }
        self.said = false;
        let entries = self.kinds.iter().flat_map(BTreeMap::values);
        update.diagnostics = entries.flat_map(|entry| entry.diagnostics.iter().cloned()).collect();
        if self.left_out > 0 {
            let message = format!("more than {MAX_OBJECTS} objects: {} are not taken", self.left_out);
            update.diagnostics.push(Diagnostic::of_file(Code::Limit, &Name::from(""), message));
        }
        update
    }

    fn find(&self, reference: &ObjectRef) -> Option<&Arc<Object>> {
        let key = (reference.namespace.to_string(), reference.name.to_string());
        let entries = self.kinds.iter().filter_map(|held| held.get(&key)?.object.as_ref());
        entries.into_iter().find(|object| object.reference == *reference)
    }
}

fn note_last_good(diagnostics: &mut [Diagnostic]) {
    for diagnostic in diagnostics.iter_mut().filter(|diagnostic| diagnostic.is_error()) {
        const NOTE: &str = "the last good version stays in force";
        diagnostic.hint = Some(match diagnostic.hint.take() {
            Some(hint) if hint.ends_with(NOTE) => hint,
            Some(hint) => format!("{hint}; {NOTE}"),
            None => NOTE.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{WATCHED, Watched};
    use crate::read::read;
    use serde_json::json;

    fn service(name: &str, port: &serde_json::Value) -> Seen {
        let watched: &Watched = WATCHED.iter().find(|watched| watched.kind == "Service").unwrap();
        let object = json!({"metadata": {"name": name, "namespace": "n", "resourceVersion": "1"},
            "spec": {"ports": [{"name": "http", "port": port}]}});
        read(watched, serde_json::from_value(object).unwrap())
    }

    fn names(update: &Update) -> (Vec<String>, Vec<String>) {
        let changed = update.changed.iter().map(|object| object.reference.to_string()).collect();
        (changed, update.removed.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn it_is_complete_when_each_kind_was_listed_or_is_unknown() {
        let mut held = Held::new(2, Inventory::default());
        held.apply(0, Change::All(vec![service("a", &json!(1))]));
        assert!(!held.is_complete());
        held.apply(1, Change::Unknown);
        assert!(held.is_complete() && held.is_changed());
        assert_eq!(names(&held.take()), (vec!["Service n/a".to_owned()], vec![]));
        assert!(!held.is_changed());
    }

    #[test]
    fn a_new_list_tells_only_what_differs() {
        let mut held = Held::new(1, Inventory::default());
        held.apply(0, Change::All(vec![service("a", &json!(1)), service("b", &json!(1))]));
        held.take();
        held.apply(0, Change::All(vec![service("b", &json!(1)), service("c", &json!(1))]));
        assert_eq!(names(&held.take()), (vec!["Service n/c".to_owned()], vec!["Service n/a".to_owned()]));
        held.apply(0, Change::All(vec![service("b", &json!(1)), service("c", &json!(1))]));
        assert!(!held.is_changed());
        held.apply(0, Change::Gone(("n".to_owned(), "b".to_owned())));
        held.apply(0, Change::One(service("b", &json!(2))));
        assert_eq!(names(&held.take()), (vec!["Service n/b".to_owned()], vec![]));
    }

    #[test]
    fn a_broken_object_leaves_its_last_good_version_in_force() {
        let mut held = Held::new(1, Inventory::default());
        held.apply(0, Change::All(vec![service("a", &json!(1))]));
        held.take();
        held.apply(0, Change::One(service("a", &json!(70_000))));
        let update = held.take();
        assert_eq!(names(&update), (vec![], vec![]));
        let said = update.diagnostics[0].to_string();
        assert!(said.starts_with("error ") && said.contains("Service n/a: spec.ports[0].port"), "{said}");
        assert!(said.ends_with("the last good version stays in force)"), "{said}");
        held.apply(0, Change::Gone(("n".to_owned(), "a".to_owned())));
        let update = held.take();
        assert_eq!((names(&update).1, update.diagnostics.len()), (vec!["Service n/a".to_owned()], 0));
    }
}
