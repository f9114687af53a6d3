//! Which host gets a request, whether it is tried again, and which host is left out for a while.
//!
//! ```text
//! Endpoints + HostStates ──► HostSet (shared, immutable members)
//!                               │
//! route: subset, hash ──► Balancer::pick (one per worker and cluster) ──► Host ──► pool
//!                               ▲                                          │
//!              outlier::record ─┘ health of HostState ◄── results ◄────────┘
//!                                      RetryState::decide ──► pick again, after a back-off
//! ```
//!
//! The rules are Envoy's: priorities with spill-over and panic, locality weights, EDF schedules, the
//! same hashes and tables, so that a foreign control plane sees the distribution it expects.
//!
//! Invariants: no I/O, no clock, no dice of its own: `Instant`s and [`weft_types::Random`] are
//! arguments (invariant 1); a balancer belongs to one worker and shares nothing but the host states
//! (invariant 6); nothing here grows with requests, only with hosts and subsets (invariant 7).
#![forbid(unsafe_code)]

pub mod balancer;
pub mod edf;
pub mod hash;
pub mod health;
pub mod host_set;
mod maglev;
pub mod outlier;
pub mod priority;
pub mod retry;
mod ring;
pub mod slow_start;
mod subset;
mod table;
pub mod transport;
mod view;

#[cfg(test)]
mod testing;

pub use balancer::{Balancer, NoHost, Pick, PickContext, Settings};
pub use host_set::{Host, HostHandle, HostHealth, HostSet};
pub use retry::{Attempt, Decision, Refusal, Reset, RetryState};
