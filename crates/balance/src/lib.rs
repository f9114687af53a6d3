//! weft-balance.
