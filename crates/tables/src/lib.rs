//! weft-tables.
