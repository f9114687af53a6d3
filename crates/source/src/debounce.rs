//! When changed files are read: once they have been quiet for a while, and at the latest after a second.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use crate::limits::{LATEST, MAX_PENDING, QUIET};

/// What the file system told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Something about the path changed.
    Touched(PathBuf),
    /// Somebody writes to the file, and will close it.
    Written(PathBuf),
    /// Somebody has written to the file and closed it.
    Closed(PathBuf),
    /// Events were lost.
    Lost,
}

/// What to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Files to read even if they look unchanged.
    pub(crate) paths: BTreeSet<PathBuf>,
    /// All files are to be read even so.
    pub(crate) all: bool,
    /// Files to leave alone, since they are only half written.
    pub(crate) unfinished: BTreeSet<PathBuf>,
}

/// Events that no reading has answered yet.
#[derive(Debug, Default)]
pub(crate) struct Debounce {
    /// The first and the last event.
    span: Option<(Instant, Instant)>,
    due: Due,
    /// Files that are open for writing, and since when.
    writing: BTreeMap<PathBuf, Instant>,
}

impl Debounce {
    /// Notes an event.
    pub(crate) fn note(&mut self, event: Event, now: Instant) {
        self.span = Some((self.span.map_or(now, |(first, _)| first), now));
        if self.due.paths.len() + self.writing.len() >= MAX_PENDING {
            self.due.all = true;
            self.due.paths.clear();
            self.writing.clear();
        }
        match event {
            Event::Lost => self.due.all = true,
            Event::Touched(path) => {
                self.due.paths.insert(path);
            }
            Event::Written(path) => {
                self.writing.entry(path.clone()).or_insert(now);
                self.due.paths.insert(path);
            }
            Event::Closed(path) => {
                self.writing.remove(&path);
                self.due.paths.insert(path);
            }
        }
    }

    /// When something is to be read, if anything is.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.span.map(|(first, last)| (last + QUIET).min(first + LATEST))
    }

    /// What is to be read now. Files that are open for writing wait for their end, but no longer than a
    /// second; they are due again by themselves.
    pub(crate) fn take(&mut self, now: Instant) -> Due {
        self.writing.retain(|_, since| now < *since + LATEST);
        let mut due = std::mem::take(&mut self.due);
        due.unfinished = self.writing.keys().cloned().collect();
        due.paths.retain(|path| !self.writing.contains_key(path));
        self.due.paths.clone_from(&due.unfinished);
        // The oldest of them is overdue first; nothing quiet is to be waited for.
        self.span = self.writing.values().min().map(|since| (*since, now + LATEST));
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn quiet_is_waited_for_but_not_forever() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        assert_eq!(debounce.due(), None);
        debounce.note(Event::Touched("a".into()), start);
        assert_eq!(debounce.due(), Some(start + ms(100)));
        debounce.note(Event::Touched("b".into()), start + ms(90));
        assert_eq!(debounce.due(), Some(start + ms(190)));
        for step in 2..30 {
            debounce.note(Event::Touched("a".into()), start + ms(step * 90));
        }
        assert_eq!(debounce.due(), Some(start + ms(1000)));
        let due = debounce.take(start + ms(1000));
        assert_eq!(due.paths, BTreeSet::from(["a".into(), "b".into()]));
        assert_eq!(debounce.due(), None);
    }

    #[test]
    fn a_file_that_is_being_written_waits_for_its_end() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        debounce.note(Event::Written("a".into()), start);
        debounce.note(Event::Touched("b".into()), start);
        let due = debounce.take(start + ms(100));
        assert_eq!((due.paths, due.unfinished), (BTreeSet::from(["b".into()]), BTreeSet::from(["a".into()])));
        debounce.note(Event::Closed("a".into()), start + ms(300));
        assert_eq!(debounce.due(), Some(start + ms(400)));
        let due = debounce.take(start + ms(400));
        assert_eq!((due.paths, due.unfinished), (BTreeSet::from(["a".into()]), BTreeSet::new()));
        assert_eq!(debounce.due(), None);
    }

    #[test]
    fn a_file_that_is_never_closed_is_read_after_a_second() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        debounce.note(Event::Written("a".into()), start);
        assert!(debounce.take(start + ms(100)).paths.is_empty());
        assert_eq!(debounce.due(), Some(start + ms(1000)));
        assert_eq!(debounce.take(start + ms(1000)).paths, BTreeSet::from(["a".into()]));
        assert_eq!(debounce.due(), None);
    }

    #[test]
    fn too_many_paths_become_all() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        for number in 0..=MAX_PENDING {
            debounce.note(Event::Touched(format!("{number}").into()), start);
        }
        let due = debounce.take(start + ms(100));
        assert!(due.all && due.paths.len() <= 1);
    }
}
