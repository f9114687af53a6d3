//! Runtime state that outlives a configuration: what Envoy counts for the whole process, and only
//! that.
//!
//! Configuration is immutable and swapped as a whole; the counts below must survive the swap, so they
//! live in registries with keys of their own. The proxy looks a key up when it applies a
//! configuration and holds the `Arc`; a request touches atomics only.
//!
//! ```text
//! tables (a generation) ──► ClusterStates ── name + hash ──► ClusterState ── address + transport ──► HostState
//!                                                              │ Resources (default, high)             │ counts, health,
//!                                                              │ ejections, health version             │ outlier counters
//! balance, http ◄──────────────────────────────────────────────┴───────────────────────────────────────┘
//! ```
//!
//! Invariants: nothing here reads a clock, rolls dice or does I/O (invariant 1); an unchanged key
//! keeps its state, a changed key gets new state and the old one lives until its last user is gone
//! (invariant 5); only process-wide counts are here, padded against false sharing (invariant 6); a
//! permit gives back what it took when it is dropped, on whatever path.
#![forbid(unsafe_code)]

pub mod bucket;
pub mod cluster;
pub mod host;
pub mod instant;
pub mod outlier;
pub mod padded;
pub mod registry;
pub mod resource;

pub use bucket::TokenBucket;
pub use cluster::{ClusterState, ClusterStates};
pub use host::{HealthFlag, HostKey, HostState};
pub use outlier::OutlierCounters;
pub use registry::Registry;
pub use resource::{Permit, Priority, Resource, Resources};
