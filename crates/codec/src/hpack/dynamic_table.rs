//! The dynamic table (RFC 7541 sections 2.3.2 and 4).

use std::collections::VecDeque;

/// What an entry counts beyond its bytes (section 4.1).
const OVERHEAD: usize = 32;

/// A field in one allocation.
#[derive(Debug)]
pub(super) struct Entry {
    bytes: Box<[u8]>,
    name_length: usize,
}

impl Entry {
    pub(super) fn new(name: &[u8], value: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(name.len() + value.len());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(value);
        Self { bytes: bytes.into_boxed_slice(), name_length: name.len() }
    }

    pub(super) fn name_and_value(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.name_length)
    }

    fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}

/// Fields both ends remember, newest first, bounded in size.
#[derive(Debug)]
pub(super) struct DynamicTable {
    entries: VecDeque<Entry>,
    size: usize,
    max_size: usize,
    /// Entries ever inserted: the number of the newest, as long as it is there.
    inserted: u64,
}

impl DynamicTable {
    pub(super) fn new(max_size: usize) -> Self {
        Self { entries: VecDeque::new(), size: 0, max_size, inserted: 0 }
    }

    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Changes the maximum, evicting what no longer fits.
    pub(super) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.make_room(0);
    }

    /// Adds an entry and returns its number; one larger than the table empties it (section 4.4) and
    /// has the number 0.
    pub(super) fn insert(&mut self, entry: Entry) -> u64 {
        let size = entry.size();
        self.make_room(size);
        if size > self.max_size {
            return 0;
        }
        self.size += size;
        self.entries.push_front(entry);
        self.inserted += 1;
        self.inserted
    }

    /// The index of the entry with that number, if it is still there.
    pub(super) fn index_of(&self, number: u64) -> Option<usize> {
        let age = usize::try_from(self.inserted.checked_sub(number)?).ok()?;
        (age < self.entries.len()).then_some(age)
    }

    /// The entry at `index`, the newest being 0.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.entries.get(index).map(Entry::name_and_value)
    }

    /// The index of the newest entry with that name and value.
    pub(super) fn find(&self, name: &[u8], value: &[u8]) -> Option<usize> {
        self.entries.iter().map(Entry::name_and_value).position(|(n, v)| v == value && n == name)
    }

    fn make_room(&mut self, size: usize) {
        while self.size + size > self.max_size {
            let Some(oldest) = self.entries.pop_back() else { break };
            self.size -= oldest.size();
        }
    }
}
