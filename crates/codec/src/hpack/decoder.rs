//! Header blocks to fields.

use super::dynamic_table::{DynamicTable, Entry};
use super::{HpackError, huffman, integer, static_table};

/// Scratch space above this is given back after a block, bytes.
const KEEP_SCRATCH: usize = 4096;

/// Size of the dynamic table until an update changes it, bytes (RFC 9113 section 6.5.2).
const INITIAL_TABLE: usize = 4096;

/// The receiving half of HPACK for one connection.
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
    /// Largest table the peer may choose, bytes (our SETTINGS_HEADER_TABLE_SIZE).
    limit: usize,
    /// We lowered the limit below the table's size: the next block must begin with an update.
    update_required: bool,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// A decoder whose peer may use a dynamic table of up to `limit` bytes. It begins with the
    /// protocol's 4096, or less; the peer says when it goes above.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            table: DynamicTable::new(limit.min(INITIAL_TABLE)),
            limit,
            update_required: false,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Changes the limit; to be called when the peer acknowledged the setting.
    pub fn set_limit(&mut self, limit: usize) {
        self.update_required |= limit < self.table.max_size();
        self.limit = limit;
    }

    /// Decodes one whole header block, giving each `(name, value)` to `field` in order. The caller
    /// bounds the block's length, and by that what a string may take here.
    ///
    /// # Errors
    /// The block breaks RFC 7541; the decoder can't be used again.
    pub fn decode(&mut self, block: &[u8], mut field: impl FnMut(&[u8], &[u8])) -> Result<(), HpackError> {
        let mut rest = self.size_updates(block)?;
        while let Some(first) = rest.first() {
            rest = match first {
                0x80.. => {
                    let (index, after) = integer::read(rest, 7)?;
                    let (name, value) = lookup(&self.table, index)?;
                    field(name, value);
                    after
                }
                0x40..0x80 => self.literal(rest, 6, true, &mut field)?,
                0x20..0x40 => return Err(HpackError::MisplacedSizeUpdate),
                // Without indexing and never indexed differ for those who code the field again.
                0x00..0x20 => self.literal(rest, 4, false, &mut field)?,
            };
        }
        for scratch in [&mut self.name, &mut self.value] {
            scratch.clear();
            scratch.shrink_to(KEEP_SCRATCH);
        }
        Ok(())
    }

    /// Reads the size updates that a block may begin with: one, or two when the limit was lowered
    /// and raised between blocks (section 4.2).
    fn size_updates<'a>(&mut self, block: &'a [u8]) -> Result<&'a [u8], HpackError> {
        let mut rest = block;
        let mut updates = 0;
        while let Some(0x20..0x40) = rest.first() {
            updates += 1;
            if updates > 2 {
                return Err(HpackError::MisplacedSizeUpdate);
            }
            let (size, after) = integer::read(rest, 5)?;
            if size > self.limit {
                return Err(HpackError::TableSizeAboveLimit(size));
            }
            self.table.set_max_size(size);
            self.update_required = false;
            rest = after;
        }
        if self.update_required && !rest.is_empty() {
            return Err(HpackError::MissingSizeUpdate);
        }
        Ok(rest)
    }

    fn literal<'a>(
        &mut self,
        input: &'a [u8],
        bits: u32,
        index_it: bool,
        field: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<&'a [u8], HpackError> {
        let (index, rest) = integer::read(input, bits)?;
        let (name, rest) =
            if index == 0 { string(rest, &mut self.name)? } else { (lookup(&self.table, index)?.0, rest) };
        let (value, rest) = string(rest, &mut self.value)?;
        field(name, value);
        if index_it {
            let entry = Entry::new(name, value);
            self.table.insert(entry);
        }
        Ok(rest)
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &DynamicTable {
        &self.table
    }
}

/// The field at an index of the joint address space (section 2.3.3).
fn lookup(table: &DynamicTable, index: usize) -> Result<(&[u8], &[u8]), HpackError> {
    let found = match index.checked_sub(static_table::LENGTH + 1) {
        Some(dynamic) => table.get(dynamic),
        None => static_table::get(index),
    };
    found.ok_or(HpackError::UnknownIndex(index))
}

/// Reads a string, from the input itself or, where it is coded, through `scratch`.
fn string<'s, 'i: 's>(input: &'i [u8], scratch: &'s mut Vec<u8>) -> Result<(&'s [u8], &'i [u8]), HpackError> {
    let coded = input.first().is_some_and(|b| b & 0x80 != 0);
    let (length, rest) = integer::read(input, 7)?;
    let (text, rest) = rest.split_at_checked(length).ok_or(HpackError::Truncated)?;
    if !coded {
        return Ok((text, rest));
    }
    scratch.clear();
    huffman::decode(text, scratch)?;
    Ok((scratch, rest))
}
