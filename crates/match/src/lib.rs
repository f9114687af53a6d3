//! weft-match.
