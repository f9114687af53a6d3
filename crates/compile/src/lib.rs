//! A snapshot and a proxy become that proxy's xDS resources.
#![forbid(unsafe_code)]
