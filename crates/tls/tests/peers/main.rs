//! Handshakes with real peers: our own other side, OpenSSL, curl and, where it is installed, Envoy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod envoy;
mod openssl;
mod pki;
mod resumption;
mod secrets;
mod session;
mod setup;
mod verification;
