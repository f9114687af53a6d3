//! What a text may cost to read. A text is whole in memory already; its sender bounds its size.

/// Most documents of one text, the items of lists included.
pub const MAX_DOCUMENTS: usize = 10_000;

/// Deepest nesting of lists and maps in a document. Istio's and Kubernetes' objects stay below 32.
pub const MAX_DEPTH: usize = 64;

/// Most values of one document after its aliases are replaced by what they stand for; an alias that
/// names a list of aliases can ask for any number.
pub const MAX_VALUES: usize = 1_000_000;

/// Most bytes of keys and scalars of one document, likewise.
pub const MAX_BYTES: usize = 32 << 20;

/// Longest key or word that a hint is sought for, bytes.
pub(crate) const MAX_HINTED: usize = 64;
