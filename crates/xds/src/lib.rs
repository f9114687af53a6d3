//! Both ends of xDS streams (ADS, delta and state of the world), apart from what is in the resources.
//!
//! The room before the server is the compiler, which says what a node shall have (a
//! [`ResourceSet`](weft_proto::resource::ResourceSet)); the room after the client is a proxy's tables.
//!
//! ```text
//!  ResourceSet ──► server::Session ──► responses ──► client ──► tables
//!                        ▲                              │
//!                        └── requests: ACK, NACK, names ┘
//! ```
//!
//! - [`server`]: sessions without I/O, and the gRPC service around them.
//! - [`client`]: the other end.
//!
//! # Invariants
//! - A session opens no socket and reads no clock: time is an argument (`server/session.rs`).
//! - Once all is acknowledged, the client holds what the set says, and at no time a route names a cluster
//!   that the client lacks (`tests/server_laws.rs`).
//! - What is the same is not sent again, what was refused is not repeated.
//! - Requests, names and what is remembered of refusals are bounded ([`server::Limits`]).
#![forbid(unsafe_code)]

pub mod client;
pub mod server;
