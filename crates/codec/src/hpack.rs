//! HPACK, the header compression of HTTP/2 (RFC 7541).
//!
//! ```text
//! header block ──► Decoder ──(name, value)──► http2's head reader
//! fields       ──► Encoder ──► header block
//! ```
//!
//! Invariants: a decoder that saw an error is out of step with its peer and its connection must end
//! (COMPRESSION_ERROR); a field that a limit keeps out of the head is still decoded, so that both
//! dynamic tables stay equal; neither table grows above its limit.

mod decoder;
mod dynamic_table;
mod encoder;
mod huffman;
mod huffman_code;
mod integer;
mod known_names;
mod static_table;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// Why a header block can't be decoded. Each is a connection error of type COMPRESSION_ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// The block ends within a field.
    #[error("header block ends within a field")]
    Truncated,
    /// An integer of more than four continuation bytes (above 2^28).
    #[error("integer too large")]
    IntegerTooLarge,
    /// A Huffman code that is not in the table, holds EOS or is padded wrongly (section 5.2).
    #[error("invalid Huffman coding")]
    InvalidHuffman,
    /// An index that is zero or beyond both tables.
    #[error("no table entry with index {0}")]
    UnknownIndex(usize),
    /// A size update above what we allowed (section 6.3).
    #[error("dynamic table size {0} is above the limit")]
    TableSizeAboveLimit(usize),
    /// A size update after the first field, or more than two of them (section 4.2).
    #[error("misplaced dynamic table size update")]
    MisplacedSizeUpdate,
    /// We reduced the limit and the peer did not confirm it (RFC 9113 section 4.3.1).
    #[error("missing dynamic table size update")]
    MissingSizeUpdate,
}
