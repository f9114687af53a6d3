//! What reading and checking one object found, and where.

use crate::decode::tree::Place;
use crate::diagnostic::{Code, Severity};
use crate::path::{Path, Step};

/// Findings kept for one object; more are counted, not kept.
const MAX_FINDINGS: usize = 100;

/// Something to say about one field.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) code: Code,
    pub(crate) severity: Severity,
    pub(crate) path: Path,
    /// Where it stands, if the finder knew; else the path says.
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The walk through one object: the path to the part at hand, and the findings so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    path: Path,
    pub(crate) findings: Vec<Finding>,
    /// Errors, including those that were not kept.
    pub(crate) errors: usize,
    /// Findings that were not kept.
    pub(crate) dropped: usize,
}

impl Report {
    fn step<T>(&mut self, step: Step, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.path.0.push(step);
        let value = walk(self);
        self.path.0.pop();
        value
    }

    /// Walks into a field.
    pub(crate) fn within<T>(&mut self, field: &'static str, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.step(Step::Field(field), walk)
    }

    /// Walks into an entry of the list at hand.
    pub(crate) fn index<T>(&mut self, index: usize, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.step(Step::Index(index), walk)
    }

    /// Walks into an entry of the map at hand.
    pub(crate) fn key<T>(&mut self, key: &str, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.step(Step::Key(key.to_owned()), walk)
    }

    /// Walks into each entry of a list field.
    pub(crate) fn each<'v, V>(
        &mut self,
        field: &'static str,
        items: &'v [V],
        mut walk: impl FnMut(&mut Self, &'v V),
    ) {
        self.within(field, |r| {
            for (index, item) in items.iter().enumerate() {
                r.index(index, |r| walk(r, item));
            }
        });
    }

    /// Walks into a field that may be absent.
    pub(crate) fn maybe<'v, V>(
        &mut self,
        field: &'static str,
        value: Option<&'v V>,
        walk: impl FnOnce(&mut Self, &'v V),
    ) {
        if let Some(value) = value {
            self.within(field, |r| walk(r, value));
        }
    }

    /// Records an error about the part at hand.
    pub(crate) fn error(&mut self, code: Code, message: impl Into<String>) {
        self.record(Severity::Error, code, None, message.into(), None);
    }

    /// Records an error about a field of the part at hand.
    pub(crate) fn error_at(&mut self, field: &'static str, code: Code, message: impl Into<String>) {
        self.within(field, |r| r.error(code, message));
    }

    /// Records an error and what to write instead.
    pub(crate) fn error_with_hint(
        &mut self,
        code: Code,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.record(Severity::Error, code, None, message.into(), Some(hint.into()));
    }

    /// Records a warning about the part at hand.
    pub(crate) fn warn(&mut self, code: Code, message: impl Into<String>) {
        self.record(Severity::Warning, code, None, message.into(), None);
    }

    /// Records a warning about a field of the part at hand.
    pub(crate) fn warn_at(&mut self, field: &'static str, code: Code, message: impl Into<String>) {
        self.within(field, |r| r.warn(code, message));
    }

    /// Records a finding at a place in the text.
    pub(crate) fn record(
        &mut self,
        severity: Severity,
        code: Code,
        place: Option<Place>,
        message: String,
        hint: Option<String>,
    ) {
        self.errors += usize::from(severity == Severity::Error);
        // The first error is kept even when the list is full of warnings: it is why the object went.
        if self.findings.len() >= MAX_FINDINGS && !(severity == Severity::Error && self.errors == 1) {
            self.dropped += 1;
            return;
        }
        let path = self.path.clone();
        self.findings.push(Finding { code, severity, path, place, message, hint });
    }
}
