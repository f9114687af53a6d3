//! Which files claim which objects, and whose claim is in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weft_api::{Code, Diagnostic, Object, ObjectRef};
use weft_types::Name;

use crate::limits::MAX_OBJECTS;

/// A file's version of an object.
#[derive(Debug)]
struct Claim {
    file: Name,
    object: Arc<Object>,
}

/// Claims by name, the oldest of each first. No list is empty.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claims: BTreeMap<ObjectRef, Vec<Claim>>,
    count: usize,
    /// Names with several claims.
    contested: BTreeSet<ObjectRef>,
}

impl Claims {
    /// The objects in force, by name.
    pub(super) fn in_force(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.claims.values().filter_map(|claims| claims.first()).map(|claim| &claim.object)
    }

    /// The object in force.
    pub(super) fn get(&self, reference: &ObjectRef) -> Option<&Arc<Object>> {
        self.claims.get(reference)?.first().map(|claim| &claim.object)
    }

    /// The object in force, to be replaced by one that says the same.
    pub(super) fn settle(&mut self, reference: &ObjectRef) -> Option<&mut Arc<Object>> {
        self.claims.get_mut(reference)?.first_mut().map(|claim| &mut claim.object)
    }

    /// A file's version, in force or not.
    pub(super) fn of_file(&self, reference: &ObjectRef, file: &Name) -> Option<&Arc<Object>> {
        let claims = self.claims.get(reference)?;
        claims.iter().find(|claim| claim.file == *file).map(|claim| &claim.object)
    }

    /// Puts a file's version in the place of its last, or behind those of other files. False if there are
    /// too many objects.
    pub(super) fn put(&mut self, file: &Name, object: Object) -> bool {
        let reference = object.reference.clone();
        let object = Arc::new(object);
        let claims = self.claims.entry(reference.clone()).or_default();
        if let Some(claim) = claims.iter_mut().find(|claim| claim.file == *file) {
            claim.object = object;
            return true;
        }
        if self.count >= MAX_OBJECTS {
            if claims.is_empty() {
                self.claims.remove(&reference);
            }
            return false;
        }
        claims.push(Claim { file: file.clone(), object });
        self.count += 1;
        if claims.len() > 1 {
            self.contested.insert(reference);
        }
        true
    }

    /// Ends a file's claim.
    pub(super) fn remove(&mut self, reference: &ObjectRef, file: &Name) {
        let Some(claims) = self.claims.get_mut(reference) else { return };
        let before = claims.len();
        claims.retain(|claim| claim.file != *file);
        self.count = self.count.saturating_sub(before - claims.len());
        if claims.len() < 2 {
            self.contested.remove(reference);
        }
        if claims.is_empty() {
            self.claims.remove(reference);
        }
    }

    /// What to say of claims that are not in force.
    pub(super) fn contested(&self) -> impl Iterator<Item = Diagnostic> {
        let lists = self.contested.iter().filter_map(|reference| self.claims.get(reference));
        lists.flat_map(|claims| {
            let first = claims.first().map(|claim| &claim.object.source);
            let later = claims.iter().skip(1);
            later
                .filter_map(move |claim| first.map(|first| duplicate(&claim.object, &first.file, first.line)))
        })
    }
}

/// What to say of an object that another document has defined already.
pub(super) fn duplicate(object: &Object, first_file: &Name, first_line: u32) -> Diagnostic {
    let message = format!("already defined at {first_file}:{first_line}, which was accepted first and stays");
    Diagnostic {
        line: object.source.line,
        column: 1,
        object: Some(object.reference.clone()),
        ..Diagnostic::of_file(Code::DuplicateObject, &object.source.file, message)
    }
}

/// What to say of an object that there is no room for.
pub(super) fn too_many(reference: &ObjectRef, file: &Name, line: u32) -> Diagnostic {
    let message = format!("not taken: the folder holds {MAX_OBJECTS} objects already");
    Diagnostic {
        line,
        column: 1,
        object: Some(reference.clone()),
        ..Diagnostic::of_file(Code::Limit, file, message)
    }
}
