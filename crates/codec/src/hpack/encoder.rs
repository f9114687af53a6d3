//! Fields to header blocks.

use super::dynamic_table::{DynamicTable, Entry};
use super::known_names::{self, Indexing, Known};
use super::{huffman, integer, static_table};

/// Largest dynamic table we use, whatever more the peer allows, bytes.
const MAX_TABLE: usize = 4096;
/// Entries above this size are not worth the table's room, bytes.
const MAX_INDEXED: usize = 1536;
/// Cookies shorter than this could be guessed byte by byte through the table, so they never enter
/// it (RFC 7541 section 7.1.3), bytes.
const SHORT_COOKIE: usize = 20;

/// The sending half of HPACK for one connection.
#[derive(Debug)]
pub struct Encoder {
    table: DynamicTable,
    /// By the number of a known name: the number of its newest entry in `table`; 0: none.
    newest: [u64; known_names::COUNT],
    /// Size changes that the next block must begin with: the smallest since the last one, and the last.
    update: Option<(usize, usize)>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { table: DynamicTable::new(MAX_TABLE), newest: [0; known_names::COUNT], update: None }
    }
}

impl Encoder {
    /// An encoder with the protocol's initial table size.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the peer's SETTINGS_HEADER_TABLE_SIZE, bytes.
    pub fn set_limit(&mut self, limit: usize) {
        let size = limit.min(MAX_TABLE);
        let smallest = match self.update {
            Some((smallest, _)) => smallest.min(size),
            None if size == self.table.max_size() => return,
            None => size,
        };
        self.update = Some((smallest, size));
        self.table.set_max_size(size);
    }

    /// Begins a header block: writes table size updates that are due.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some((smallest, last)) = self.update.take() {
            if smallest < last {
                integer::write(smallest, 5, 0x20, out);
            }
            integer::write(last, 5, 0x20, out);
        }
    }

    /// Adds a field, whose name must be in lower case, to the block.
    pub fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let Some((id, known)) = known_names::find(name) else {
            literal(0x00, 4, None, name, value, out);
            return;
        };
        if let Some(index) = in_static_table(known, value) {
            integer::write(index, 7, 0x80, out);
            return;
        }
        let name_index = (known.first > 0).then_some(usize::from(known.first));
        let indexing = match known.indexing {
            Indexing::Cookie if value.len() < SHORT_COOKIE => Indexing::Never,
            Indexing::Cookie => Indexing::Value,
            indexing => indexing,
        };
        match indexing {
            Indexing::Never => literal(0x10, 4, name_index, name, value, out),
            Indexing::Value | Indexing::Name if name.len() + value.len() <= MAX_INDEXED => {
                self.indexed(id, indexing, name_index, (name, value), out);
            }
            _ => literal(0x00, 4, name_index, name, value, out),
        }
    }

    /// Writes a field by the dynamic table where it is there, else brings it in.
    fn indexed(
        &mut self,
        id: usize,
        indexing: Indexing,
        name_index: Option<usize>,
        (name, value): (&[u8], &[u8]),
        out: &mut Vec<u8>,
    ) {
        let newest = self.table.index_of(self.newest[id]);
        let holds = |index: &usize| self.table.get(*index).is_some_and(|(_, v)| v == value);
        // An older entry can only be there if a newer one is.
        let same = newest.filter(holds).or_else(|| newest.and_then(|_| self.table.find(name, value)));
        if let Some(index) = same {
            integer::write(static_table::LENGTH + 1 + index, 7, 0x80, out);
            return;
        }
        let known_index = newest.map(|index| static_table::LENGTH + 1 + index);
        if let (Indexing::Name, Some(_)) = (indexing, known_index) {
            literal(0x00, 4, known_index, name, value, out);
            return;
        }
        literal(0x40, 6, name_index.or(known_index), name, value, out);
        self.newest[id] = self.table.insert(Entry::new(name, value));
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &DynamicTable {
        &self.table
    }
}

/// The entry of the static table with that value.
fn in_static_table(known: &Known, value: &[u8]) -> Option<usize> {
    let first = usize::from(known.first);
    (first..first + usize::from(known.entries))
        .find(|index| static_table::get(*index).is_some_and(|(_, v)| v == value))
}

/// Writes a field with its value, and its name where no index stands for that. What the table takes in
/// is sent once, and coded where that is shorter; what comes with each message is sent as it is, which
/// costs both ends less than the bytes it would save.
fn literal(flags: u8, bits: u32, index: Option<usize>, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let once = bits == 6;
    integer::write(index.unwrap_or(0), bits, flags, out);
    if index.is_none() {
        string(name, once, out);
    }
    string(value, once, out);
}

/// Writes a string, with `code` coded where that is shorter.
fn string(text: &[u8], code: bool, out: &mut Vec<u8>) {
    let coded = if code { huffman::encoded_length(text) } else { text.len() };
    if coded < text.len() {
        integer::write(coded, 7, 0x80, out);
        huffman::encode(text, out);
    } else {
        integer::write(text.len(), 7, 0x00, out);
        out.extend_from_slice(text);
    }
}
