//! Counters, gauges and histograms.
//!
//! A handle is a small number, found by name when configuration is applied. A worker counts through
//! its own [`Shard`]: plain loads and stores on memory that no other thread writes. The admin page
//! adds the shards up.

pub mod buckets;
pub mod cache;
mod cells;
pub mod names;
pub mod prometheus;
pub mod registry;
pub mod snapshot;
pub(crate) mod table;
pub mod text;

pub use cache::SeriesCache;
pub use cells::Shard;
pub use names::Scope;
pub use registry::{Kind, Registry, Series};
pub use snapshot::{Filter, Sample, Snapshot, Value};

/// A count that only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counter(pub(crate) u32);

/// A number that goes up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gauge(pub(crate) u32);

/// A distribution of whole numbers: milliseconds or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Histogram(pub(crate) u32);
