//! What comes in: to a sidecar's workload, and to a gateway. Objects go in as YAML; what comes out is
//! judged by our tables, by simulated calls, and by real Envoy.
#![allow(clippy::expect_used, reason = "a test")]

mod bookinfo;
mod chains;
mod gateways;
mod mutual;
mod oracle;
mod policies;
mod renderings;
mod world;
