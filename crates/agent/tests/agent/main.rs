//! The agent against real parts: an authority behind TLS, and real Envoy.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

mod bootstrap;
mod envoy;
mod identity;
mod plane;
mod probes;
mod run;
mod secrets;
