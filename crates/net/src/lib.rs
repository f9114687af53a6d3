//! weft-net.
