//! Fields to header blocks.

use super::dynamic_table::{DynamicTable, Entry};
use super::static_table::{self, Found};
use super::{huffman, integer};

/// Largest dynamic table we use, whatever more the peer allows, bytes.
const MAX_TABLE: usize = 4096;
/// Entries above this size are not worth the table's room, bytes.
const MAX_INDEXED: usize = 1536;
/// Cookies shorter than this could be guessed byte by byte through the table, so they never enter
/// it (RFC 7541 section 7.1.3), bytes.
const SHORT_COOKIE: usize = 20;

/// Whether a field enters the dynamic table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Indexing {
    /// It comes again with the same value on this connection.
    Index,
    /// It differs each time.
    Plain,
    /// It is a secret: neither we nor any next hop should index it.
    Never,
}

/// The sending half of HPACK for one connection.
#[derive(Debug)]
pub struct Encoder {
    table: DynamicTable,
    /// Size changes that the next block must begin with: the smallest since the last one, and the last.
    update: Option<(usize, usize)>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { table: DynamicTable::new(MAX_TABLE), update: None }
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
        let found = static_table::find(name, value);
        if let Some(Found::Field(index)) = found {
            integer::write(index, 7, 0x80, out);
            return;
        }
        let mut name_index = match found {
            Some(Found::Name(index)) => Some(index),
            _ => None,
        };
        let mut indexing = indexing(name, value);
        if indexing == Indexing::Index {
            for ((n, v), index) in self.table.iter().zip(static_table::LENGTH + 1..) {
                if n == name {
                    if v == value {
                        integer::write(index, 7, 0x80, out);
                        return;
                    }
                    name_index = name_index.or(Some(index));
                }
            }
            if name.len() + value.len() > MAX_INDEXED {
                indexing = Indexing::Plain;
            }
        }
        let (bits, flags) = match indexing {
            Indexing::Index => (6, 0x40),
            Indexing::Plain => (4, 0x00),
            Indexing::Never => (4, 0x10),
        };
        integer::write(name_index.unwrap_or(0), bits, flags, out);
        if name_index.is_none() {
            string(name, out);
        }
        string(value, out);
        if indexing == Indexing::Index {
            self.table.insert(Entry::new(name, value));
        }
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &DynamicTable {
        &self.table
    }
}

/// The table is small and each entry costs its insertion, so only what is known to repeat goes in.
fn indexing(name: &[u8], value: &[u8]) -> Indexing {
    match name {
        b"authorization" | b"proxy-authorization" | b"set-cookie" => Indexing::Never,
        b"cookie" if value.len() < SHORT_COOKIE => Indexing::Never,
        b":authority"
        | b":status"
        | b":method"
        | b":scheme"
        | b":protocol"
        | b"accept"
        | b"accept-encoding"
        | b"accept-language"
        | b"access-control-allow-origin"
        | b"cache-control"
        | b"content-encoding"
        | b"content-type"
        | b"cookie"
        | b"grpc-accept-encoding"
        | b"grpc-encoding"
        | b"grpc-status"
        | b"server"
        | b"strict-transport-security"
        | b"te"
        | b"trailer"
        | b"user-agent"
        | b"vary"
        | b"via"
        | b"x-envoy-attempt-count"
        | b"x-envoy-decorator-operation"
        | b"x-envoy-expected-rq-timeout-ms"
        | b"x-envoy-internal"
        | b"x-envoy-peer-metadata"
        | b"x-envoy-peer-metadata-id"
        | b"x-forwarded-host"
        | b"x-forwarded-proto" => Indexing::Index,
        _ => Indexing::Plain,
    }
}

/// Writes a string, coded where that is shorter.
fn string(text: &[u8], out: &mut Vec<u8>) {
    let coded = huffman::encoded_length(text);
    if coded < text.len() {
        integer::write(coded, 7, 0x80, out);
        huffman::encode(text, out);
    } else {
        integer::write(text.len(), 7, 0x00, out);
        out.extend_from_slice(text);
    }
}
