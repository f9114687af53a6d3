//! Which files there are, and what they look like from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use weft_api::{Code, Diagnostic};

use super::{shown, unreadable};
use crate::limits::{MAX_DEPTH, MAX_FILES};

/// What a file looks like; a file that was changed looks different, but for changes within the clock's
/// grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    id: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            id: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What a look at a folder found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) files: BTreeMap<PathBuf, Stamp>,
    /// Folders that could not be looked into: of their files nothing is known.
    pub(super) unread: Vec<PathBuf>,
    pub(super) faults: Vec<Diagnostic>,
}

/// Looks into a folder and all folders in it. Links are followed; each folder is looked into once, so a
/// loop of links ends.
pub(super) fn scan(root: &Path) -> Scan {
    let mut scan = Scan::default();
    let mut seen = BTreeSet::new();
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        match fs::metadata(&folder) {
            Ok(metadata) if seen.insert((metadata.dev(), metadata.ino())) => {}
            Ok(_) => continue,
            Err(error) => {
                scan.fault(&folder, &error);
                continue;
            }
        }
        if depth > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} folders within one another; it is not looked into");
            scan.faults.push(Diagnostic::of_file(Code::Limit, &shown(&folder), message));
            continue;
        }
        let mut folders = scan.look_into(&folder);
        // The last is looked into first: of two links to one folder the first by name counts.
        folders.sort_by(|a, b| b.cmp(a));
        open.extend(folders.into_iter().map(|folder| (folder, depth + 1)));
    }
    if scan.files.len() > MAX_FILES {
        let message = format!("{} files, more than {MAX_FILES}; the rest is not read", scan.files.len());
        scan.faults.push(Diagnostic::of_file(Code::Limit, &shown(root), message));
        if let Some(first_beyond) = scan.files.keys().nth(MAX_FILES).cloned() {
            scan.files.split_off(&first_beyond);
        }
    }
    scan
}

impl Scan {
    fn fault(&mut self, path: &Path, error: &std::io::Error) {
        self.faults.push(unreadable(path, error));
        self.unread.push(path.to_owned());
    }

    /// Notes the files of one folder; returns the folders in it.
    fn look_into(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.fault(folder, &error);
                return folders;
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.fault(folder, &error);
                    break;
                }
            };
            // Hidden names are editors' and Kubernetes' own (`.x.yaml.swp`, `..data`).
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            // A link to nowhere, or a file that has just gone.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() && is_ours(&path) {
                self.files.insert(path, Stamp::of(&metadata));
            }
        }
        folders
    }
}

/// Whether the file's name says that it holds objects.
fn is_ours(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["yaml", "yml", "json"].iter().any(|ours| extension.eq_ignore_ascii_case(ours))
}
