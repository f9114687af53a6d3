//! The command line `weft`.
#![forbid(unsafe_code)]
