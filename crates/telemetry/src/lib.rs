//! What the proxy tells about itself: counters with Envoy's names, Istio's metrics, and access logs in
//! Envoy's formats.
//!
//! ```text
//! config time:  Registry ──► ClusterStats, HttpStats … (groups of handles)    LineFormat::parse
//! request time: Shard (one per worker) ◄── inc, record     LogRecord ──► LineFormat ──► LogWriter
//! admin:        Registry::snapshot ──► /stats, JSON, Prometheus          LogFile thread ──► file
//! ```
//!
//! Invariants: a worker counts in memory that only it writes (invariant 6), and names are resolved
//! when configuration is applied, not per request; the number of series, a worker's log buffer and
//! the queue of a log file have named limits, and what exceeds them is dropped and counted
//! (invariant 7); a log format is parsed once, and a bad one is an error with its position.
#![forbid(unsafe_code)]

pub mod istio;
pub mod json;
pub mod log;
pub mod stats;

pub use stats::{Counter, Gauge, Histogram, Registry, Shard};
