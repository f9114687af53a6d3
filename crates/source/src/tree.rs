//! The files of a folder on disk, and which of them changed.

mod read;
mod scan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use weft_api::{Code, Diagnostic};
use weft_types::Name;

use crate::debounce::Due;
use crate::folder::{Contents, FileChange, Folder, Update};
use scan::Stamp;

/// A folder on disk and what is in force of it.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    folder: Folder,
    /// What each file looked like when it was read.
    stamps: BTreeMap<PathBuf, Stamp>,
    /// What was last said.
    said: Vec<Diagnostic>,
}

impl Tree {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), folder: Folder::new(), stamps: BTreeMap::new(), said: Vec::new() }
    }

    /// Looks at all files, and reads those that are new, look changed, or are due. `None` if nothing came
    /// of it.
    pub(crate) fn refresh(&mut self, due: &Due) -> Option<Update> {
        let scan = scan::scan(&self.root);
        let mut changes = Vec::new();
        for (path, stamp) in &scan.files {
            let looks_same = self.stamps.get(path) == Some(stamp);
            let is_due = due.all || due.paths.contains(path);
            if due.unfinished.contains(path) || (looks_same && !is_due) {
                continue;
            }
            let contents = read::read(path);
            // The stamp is older than what was read: a change in between is seen the next time.
            match contents {
                Contents::Gone => continue,
                _ => self.stamps.insert(path.clone(), *stamp),
            };
            changes.push(FileChange { path: shown(path), contents });
        }
        let is_gone = |path: &PathBuf| {
            !scan.files.contains_key(path) && !scan.unread.iter().any(|folder| path.starts_with(folder))
        };
        let gone: Vec<PathBuf> = self.stamps.keys().filter(|path| is_gone(path)).cloned().collect();
        for path in gone {
            self.stamps.remove(&path);
            changes.push(FileChange { path: shown(&path), contents: Contents::Gone });
        }
        let mut update = self.folder.apply(changes);
        update.diagnostics.extend(scan.faults);
        let news =
            !update.changed.is_empty() || !update.removed.is_empty() || update.diagnostics != self.said;
        self.said.clone_from(&update.diagnostics);
        news.then_some(update)
    }
}

/// How diagnostics name a file.
fn shown(path: &Path) -> Name {
    path.to_string_lossy().into()
}

/// What to say of a file or folder that cannot be read.
fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::of_file(Code::Unreadable, &shown(path), format!("cannot be read: {error}"))
}
