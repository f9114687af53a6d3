//! xDS resources turned into tables that are checked and ready to run.
//!
//! The one crate that gives xDS its meaning: the proxy, the simulator and every explanation use the
//! same tables.
//!
//! ```text
//! proto bytes ──► convert ──► Tables (immutable)  ──► route, balance, filter, proxy, simulate
//!                    └──────► Findings: ignored without effect | refused with a field path
//! ```
//!
//! Invariants: each proto struct is taken apart without `..`, so that a new field breaks the build
//! instead of being ignored (invariant 2); one bad resource harms only itself (invariant 3); a value
//! that exists here is valid.
#![forbid(unsafe_code)]

pub mod access_log;
pub mod address;
pub mod chain;
pub mod cluster;
pub mod convert;
pub mod filter;
pub mod finding;
pub mod hcm;
pub mod listener;
mod pb;
pub mod route;
pub mod tables;
pub mod tcp;
pub mod tls;

pub use finding::{Finding, FindingClass, ResourceKind, ResourceRef};
pub use tables::Tables;
