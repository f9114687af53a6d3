//! weft-filter.
