//! weft-http.
