//! Which objects a set of files puts in force.
//!
//! Each file claims the objects that it holds; of several claims on one name the oldest is in force. A
//! claim ends when its file no longer speaks of the object, and not while the file is broken in a way
//! that leaves open whether it does.

mod claims;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weft_api::{Code, Diagnostic, Object, ObjectRef, decode};
use weft_types::Name;

use claims::Claims;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// The file, as diagnostics will name it.
    pub path: Name,
    /// What it holds now.
    pub contents: Contents,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Text.
    Text(String),
    /// Something that cannot be read, and why; what the file held before stays in force.
    Unreadable {
        /// Cause.
        code: Code,
        /// In words.
        message: String,
    },
    /// Nothing: the file is gone, and so is what it held.
    Gone,
}

/// What files' changes changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// Objects that are new or say something else, by name.
    pub changed: Vec<Arc<Object>>,
    /// Objects that are no longer there, by name.
    pub removed: Vec<ObjectRef>,
    /// All there is to say about the files as they are now, by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

/// The objects in force, and the files that say so.
#[derive(Debug, Default)]
pub struct Folder {
    claims: Claims,
    /// What each file claims.
    files: BTreeMap<Name, BTreeSet<ObjectRef>>,
    /// What is to be said about files; those without faults have no entry.
    diagnostics: BTreeMap<Name, Vec<Diagnostic>>,
}

/// What must be remembered of the state before a batch of changes.
#[derive(Debug, Default)]
struct Batch {
    /// Objects in force before, of all names that the batch touched.
    before: BTreeMap<ObjectRef, Option<Arc<Object>>>,
    /// Broken documents of files that had no claim on them.
    broken: Vec<(ObjectRef, Name)>,
}

impl Folder {
    /// A folder without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The objects in force, by name.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.claims.in_force()
    }

    /// All there is to say about the files, by file and line.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostics: Vec<Diagnostic> = self.diagnostics.values().flatten().cloned().collect();
        diagnostics.extend(self.claims.contested());
        diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        diagnostics
    }

    /// Takes what became of some files, all at once: an object that moves from one of them to another
    /// was never gone.
    pub fn apply(&mut self, mut changes: Vec<FileChange>) -> Update {
        // Among new claims the first by path wins, whatever order the file system has.
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        let mut batch = Batch::default();
        for FileChange { path, contents } in changes {
            self.diagnostics.remove(&path);
            match contents {
                Contents::Text(text) => self.replace(&path, &text, &mut batch),
                Contents::Unreadable { code, message } => {
                    let mut diagnostic = Diagnostic::of_file(code, &path, message);
                    if self.files.contains_key(&path) {
                        diagnostic.hint = Some("what it held before stays in force".to_owned());
                    }
                    self.diagnostics.insert(path, vec![diagnostic]);
                }
                Contents::Gone => {
                    for reference in self.files.remove(&path).unwrap_or_default() {
                        self.drop_claim(&reference, &path, &mut batch);
                    }
                }
            }
        }
        self.keep_moved(&mut batch);
        self.settle(batch)
    }

    fn remember(&self, reference: &ObjectRef, batch: &mut Batch) {
        if !batch.before.contains_key(reference) {
            batch.before.insert(reference.clone(), self.claims.get(reference).cloned());
        }
    }

    fn drop_claim(&mut self, reference: &ObjectRef, path: &Name, batch: &mut Batch) {
        self.remember(reference, batch);
        self.claims.remove(reference, path);
    }

    /// Puts the documents of a text in the place of what the file held.
    fn replace(&mut self, path: &Name, text: &str, batch: &mut Batch) {
        let held = self.files.remove(path).unwrap_or_default();
        let mut holds = BTreeSet::new();
        let mut broken = BTreeSet::new();
        let mut unidentified = false;
        let mut diagnostics = Vec::new();
        for decoded in decode(text, path) {
            unidentified |= decoded.is_unidentified();
            diagnostics.extend(decoded.diagnostics);
            match (decoded.reference, decoded.object) {
                (Some(reference), Some(object)) => {
                    if holds.contains(&reference) {
                        let first = self.claims.of_file(&reference, path).map(|first| first.source.line);
                        diagnostics.push(claims::duplicate(&object, path, first.unwrap_or_default()));
                        continue;
                    }
                    self.remember(&reference, batch);
                    if self.claims.put(path, object) {
                        holds.insert(reference);
                    } else {
                        diagnostics.push(claims::too_many(&reference, path, decoded.line));
                    }
                }
                (Some(reference), None) => {
                    broken.insert(reference);
                }
                (None, _) => {}
            }
        }
        for reference in &held {
            if holds.contains(reference) {
                continue;
            }
            if unidentified || broken.contains(reference) {
                holds.insert(reference.clone());
            } else {
                self.drop_claim(reference, path, batch);
            }
        }
        let moved = broken.into_iter().filter(|reference| !holds.contains(reference));
        batch.broken.extend(moved.map(|reference| (reference, path.clone())));
        self.files.insert(path.clone(), holds);
        if !diagnostics.is_empty() {
            self.diagnostics.insert(path.clone(), diagnostics);
        }
    }

    /// Keeps objects that went from one file and are broken in another: their last good version was the
    /// other file's.
    fn keep_moved(&mut self, batch: &mut Batch) {
        for (reference, path) in std::mem::take(&mut batch.broken) {
            let was = batch.before.get(&reference).cloned().flatten();
            if self.claims.get(&reference).is_none()
                && let Some(object) = was
                && self.claims.put(&path, (*object).clone())
            {
                self.files.entry(path).or_default().insert(reference);
            }
        }
    }

    /// Compares with the state before.
    fn settle(&mut self, batch: Batch) -> Update {
        let mut update = Update::default();
        for (reference, before) in batch.before {
            match (before, self.claims.settle(&reference)) {
                (None, None) => {}
                (None, Some(new)) => update.changed.push(new.clone()),
                (Some(_), None) => update.removed.push(reference),
                (Some(old), Some(new)) if old.same_content(new) => {
                    // What was written again elsewhere is no new version.
                    if old.source == new.source {
                        *new = old;
                    } else {
                        *new = Arc::new(Object { generation: old.generation, ..(**new).clone() });
                    }
                }
                (Some(old), Some(new)) => {
                    let generation = old.generation.saturating_add(1);
                    *new = Arc::new(Object { generation, ..(**new).clone() });
                    update.changed.push(new.clone());
                }
            }
        }
        self.note_last_good();
        update.diagnostics = self.diagnostics();
        update
    }

    /// Says of broken documents that an older version is in force.
    fn note_last_good(&mut self) {
        const NOTE: &str = "the last good version stays in force";
        for diagnostic in self.diagnostics.values_mut().flatten().filter(|diagnostic| diagnostic.is_error()) {
            let Some(reference) = &diagnostic.object else { continue };
            if !matches!(diagnostic.code, Code::DuplicateObject | Code::Limit)
                && self.claims.of_file(reference, &diagnostic.file).is_some()
                && !diagnostic.hint.as_deref().is_some_and(|hint| hint.ends_with(NOTE))
            {
                diagnostic.hint = Some(match diagnostic.hint.take() {
                    Some(hint) => format!("{hint}; {NOTE}"),
                    None => NOTE.to_owned(),
                });
            }
        }
    }
}
