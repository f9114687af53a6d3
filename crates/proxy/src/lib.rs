//! The data plane: what Envoy and its agent are in two processes.
//!
//! ```text
//! request path:  listen ──► http::connection ──► http::exchange ──► upstream ──► endpoint
//!                accept      one connection       one request        lease, connect
//!                detect      of a client          route → filters → balance → respond → report
//!                secure  └─► tcp (opaque bytes)
//! config path:   config (a bootstrap) ──┐
//!                dynamic (xDS) ──────────┴► weft-tables ──► process (tables behind one pointer) ──► workers
//! ```
//!
//! One process, one thread a worker, each with a runtime of its own; what is shared lies in
//! `process`. Exchanges are read from top to bottom in `http::exchange`.
#![forbid(unsafe_code)]

mod admin;
mod agent;
mod args;
mod config;
mod counted;
mod drain;
mod dynamic;
mod gauges;
mod hbone;
mod heartbeat;
mod http;
mod istio;
mod limits;
mod listen;
mod log;
mod network;
mod process;
mod program;
mod redirect;
mod serving;
mod sidecar;
mod stats;
mod tcp;
mod test_filters;
mod timer;
mod upkeep;
mod upstream;
mod wait;
mod worker;

pub use program::main;
