//! weft-route.
