//! What a client was told of each name of a type, counted as it changes: a stream is looked at after each of its
//! events, and must not be walked through for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_proto::resource::Resource;

/// What the client was last told about a name.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// `None`: that there is no such resource.
    pub(super) version: Option<Arc<str>>,
    /// The resource, where a later whole set may have to hold it once more.
    pub(super) resource: Option<Arc<Resource>>,
    pub(super) answer: Answer,
    /// The client has answered to some version of it since it is there.
    pub(super) taken: bool,
}

/// What the client said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Awaited,
    Accepted,
    Refused,
}

/// All that a client was told of one type.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    names: BTreeMap<Arc<str>, Told>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Resources that are there.
    held: usize,
    /// Removals that were refused.
    refused: usize,
}

impl Counts {
    fn of(told: &Told) -> Self {
        Self {
            held: usize::from(told.version.is_some()),
            refused: usize::from(told.version.is_none() && told.answer == Answer::Refused),
        }
    }

    fn add(&mut self, told: &Told) {
        let Self { held, refused } = Self::of(told);
        self.held += held;
        self.refused += refused;
    }

    fn take(&mut self, told: &Told) {
        let Self { held, refused } = Self::of(told);
        self.held = self.held.saturating_sub(held);
        self.refused = self.refused.saturating_sub(refused);
    }
}

impl Ledger {
    pub(super) fn get(&self, name: &str) -> Option<&Told> {
        self.names.get(name)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Told)> {
        self.names.iter()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names.keys()
    }

    /// How many resources the client has been told of.
    pub(super) fn held(&self) -> usize {
        self.counts.held
    }

    pub(super) fn insert(&mut self, name: Arc<str>, told: Told) {
        self.counts.add(&told);
        if let Some(before) = self.names.insert(name, told) {
            self.counts.take(&before);
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some(before) = self.names.remove(name) {
            self.counts.take(&before);
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Arc<str>, &Told) -> bool) {
        let counts = &mut self.counts;
        self.names.retain(|name, told| {
            let stays = keep(name, told);
            if !stays {
                counts.take(told);
            }
            stays
        });
    }

    /// Takes note of an answer to a name; what the name is now.
    pub(super) fn answer(&mut self, name: &str, answer: Answer) -> Option<&Told> {
        let told = self.names.get_mut(name)?;
        self.counts.take(told);
        (told.answer, told.taken) = (answer, true);
        self.counts.add(told);
        Some(told)
    }

    /// With a whole set, the client takes what of it was refused before, and that the rest is gone.
    pub(super) fn accept_all(&mut self) {
        self.names.retain(|_, told| told.version.is_some());
        for told in self.names.values_mut() {
            (told.answer, told.taken) = (Answer::Accepted, true);
        }
        self.counts = Counts { held: self.names.len(), refused: 0 };
    }

    /// Removals that were refused.
    pub(super) fn refused_removals(&self) -> Vec<Arc<str>> {
        if self.counts.refused == 0 {
            return Vec::new();
        }
        let refused =
            self.names.iter().filter(|(_, told)| told.version.is_none() && told.answer == Answer::Refused);
        refused.map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: Option<&str>) -> Told {
        Told { version: version.map(Into::into), resource: None, answer: Answer::Awaited, taken: false }
    }

    fn counted(ledger: &Ledger) -> Counts {
        let mut counts = Counts::default();
        ledger.names.values().for_each(|told| counts.add(told));
        counts
    }

    #[test]
    fn counts_follow_what_is_told() {
        let mut ledger = Ledger::default();
        for (name, version) in
            [("a", Some("1")), ("b", None), ("c", Some("1")), ("a", Some("2")), ("c", None)]
        {
            ledger.insert(name.into(), told(version));
            assert_eq!(ledger.counts, counted(&ledger));
        }
        assert_eq!(ledger.held(), 1);
        ledger.answer("b", Answer::Refused);
        ledger.answer("a", Answer::Refused);
        assert_eq!(ledger.refused_removals(), ["b".into()]);
        ledger.remove("a");
        assert_eq!((ledger.counts, ledger.held()), (counted(&ledger), 0));
        ledger.insert("d".into(), told(Some("1")));
        ledger.retain(|name, _| **name != *"b");
        assert_eq!((ledger.counts, ledger.refused_removals().len()), (counted(&ledger), 0));
        ledger.accept_all();
        assert_eq!((ledger.counts, ledger.held()), (counted(&ledger), 1));
    }
}
