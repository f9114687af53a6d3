//! What a text may cost.

/// Limits on a text. The defaults fit a large bootstrap; what exceeds one is refused by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text, in bytes; default 16 MiB.
    pub max_bytes: usize,
    /// Size of the document after its aliases are replaced by what they stand for, in bytes: 32 for
    /// each value and key, and the length of each scalar; default 128 MiB.
    pub max_expanded_bytes: usize,
    /// Depth of lists and maps in each other; default 200, at most 255 (the parser's own).
    pub max_depth: usize,
    /// Number of problems kept; default 1000.
    pub max_problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 16 << 20, max_expanded_bytes: 128 << 20, max_depth: 200, max_problems: 1000 }
    }
}
