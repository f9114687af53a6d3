//! xDS resources turned into tables that are checked and ready to run.
//!
//! The one crate that gives xDS its meaning: the proxy, the simulator and every explanation use the
//! same tables.
//!
//! ```text
//! weft-proto ──► convert ──► Tables (immutable)  ──► route, balance, filter, proxy, simulate
//! (messages)        └──────► Findings: ignored without effect | refused with a field path
//! ```
//!
//! - [`convert`]: one function for each kind of resource, and one for a whole bootstrap.
//! - [`finding`]: what is said of fields that are not simply implemented.
//! - [`tables`]: all resources of one generation; the other modules are what they consist of.
//!
//! ```
//! use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
//! use weft_tables::convert::{NoData, bootstrap};
//!
//! let text = "static_resources: {clusters: [
//!     {name: good, lb_policy: RANDOM}, {name: bad, connect_timeout: 0s}, {name: odd, track_timeout_budgets: true}]}";
//! let (tables, findings) = bootstrap(&weft_proto::text::parse_yaml::<Bootstrap>(text).message, &NoData);
//!
//! assert!(tables.clusters.contains_key("good") && !tables.clusters.contains_key("bad"));
//! let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
//! assert_eq!(
//!     lines,
//!     [
//!         "refused: Cluster \"bad\" at connect_timeout: must be at least 1 ms",
//!         "ignored: Cluster \"odd\" at track_timeout_budgets: all counters are kept",
//!     ]
//! );
//! ```
//!
//! # Invariants
//! - Nothing is ignored in silence: each proto struct is taken apart without `..`, so that a new field
//!   breaks the build (design invariant 2; `tests/every_field.rs`).
//! - A bad resource harms only itself (design invariant 3; `tests/verdicts.rs`).
//! - A value that exists here is valid, and whatever refuses one names a field that exists
//!   (`tests/verdicts.rs`).
//! - Verdicts are Envoy's, but for what docs/differences.md lists (`tests/verdicts.yaml`, which real
//!   Envoy is asked about by `tests/envoy.rs`).
//! - No bytes can panic a conversion or make it use memory without bound (`tests/hostile.rs`).
#![forbid(unsafe_code)]

pub mod access_log;
pub mod address;
pub mod chain;
pub mod cluster;
pub mod convert;
pub mod filter;
pub mod finding;
pub mod hcm;
pub mod istio;
pub mod listener;
pub mod lookup;
mod pb;
pub mod route;
pub mod tables;
pub mod tcp;
pub mod tls;

pub use finding::{Finding, FindingClass, ResourceKind, ResourceRef};
pub use tables::Tables;
