//! What a proxy can do.
