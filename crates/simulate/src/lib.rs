//! weft-simulate.
