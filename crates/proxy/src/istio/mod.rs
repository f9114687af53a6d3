//! Istio's metrics: who called whom, and how it went. Exchanges are counted when they end, connections
//! when they open and now and then.
//!
//! ```text
//! exchange or connection ──► Seen (pointers, no text) ──► this worker's handles ──► shard
//!                                 └─ new to the worker ──► Call, Outcome ──► registry
//! ```
//!
//! Labels cost text once a combination, not once a request: what a worker has seen it knows by the
//! addresses of shared facts (the peer's workload, a certificate's name, a cluster's metadata).

mod ends;
mod http;
mod seen;
mod tcp;

use std::cell::RefCell;
use std::rc::Rc;

use weft_filter::peers::Memory;
use weft_telemetry::istio::{HttpHandles, TcpHandles};
use weft_telemetry::stats::{Counter, Registry, SeriesCache};

pub(crate) use http::count;
pub(crate) use tcp::Report;

use seen::Seen;

/// What one worker has seen.
#[derive(Debug)]
pub(crate) struct Counts {
    http: RefCell<SeriesCache<Seen, Option<HttpHandles>>>,
    tcp: RefCell<SeriesCache<Seen, Option<TcpHandles>>>,
    /// Peers that told who they are.
    pub(crate) peers: Rc<Memory>,
    overflow: Counter,
}

impl Counts {
    pub(crate) fn new(registry: &Registry) -> Self {
        // TM-04: each component tells its version.
        let build = [("component", "proxy"), ("tag", concat!("weft-", env!("CARGO_PKG_VERSION")))];
        registry.set_gauge(registry.gauge("istio_build", "istio_build", &build), 1);
        let overflow = "weft_istio_metrics_overflow_total";
        Self {
            http: RefCell::default(),
            tcp: RefCell::default(),
            peers: Rc::default(),
            // Calls that could not be counted under labels of their own.
            overflow: registry.counter("istio_metrics.overflow", overflow, &[]),
        }
    }
}
