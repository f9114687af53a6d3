//! The authority as its callers see it, judged by OpenSSL, by webpki and by real handshakes.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

mod files;
mod handshake;
mod hostile;
mod issuing;
mod renewal;
mod requests;
mod setup;
