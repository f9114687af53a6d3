//! What sidecars and gateways get for calls to others: names, bytes, behaviour, and real Envoy's opinion.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

mod bookinfo;
mod egress;
mod envoy;
mod golden;
mod hbone;
mod laws;
mod live;
mod rules;
mod transport;
mod world;
