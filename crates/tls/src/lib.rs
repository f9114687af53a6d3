//! weft-tls.
