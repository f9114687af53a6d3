//! weft-state.
