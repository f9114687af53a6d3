//! What outlier detection counts for a host. The decisions are in `weft-balance`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::instant::AtomicInstant;

/// Counters of outlier detection of one host, shared by all workers.
#[derive(Debug, Default)]
pub struct OutlierCounters {
    /// 5xx in a row.
    pub consecutive_5xx: AtomicU32,
    /// 502, 503 and 504 in a row.
    pub consecutive_gateway_failure: AtomicU32,
    /// Local-origin failures in a row.
    pub consecutive_local_origin_failure: AtomicU32,
    /// Results of the current interval as the upstream gave them.
    pub external: Window,
    /// Results of the current interval that came about on this side.
    pub local: Window,
    /// How many times the host was ejected.
    pub ejections: AtomicU32,
    /// Factor of the base ejection time: grows with ejections, shrinks with quiet intervals.
    pub backoff: AtomicU32,
    /// Jitter of the current ejection, milliseconds.
    pub jitter_ms: AtomicU64,
    /// When the host was last ejected.
    pub ejected_at: AtomicInstant,
    /// When it last came back.
    pub unejected_at: AtomicInstant,
}

impl OutlierCounters {
    /// Ends every row of failures.
    pub fn reset_consecutive(&self) {
        self.consecutive_5xx.store(0, Relaxed);
        self.consecutive_gateway_failure.store(0, Relaxed);
        self.consecutive_local_origin_failure.store(0, Relaxed);
    }
}

/// Requests and successes of an interval.
#[derive(Debug, Default)]
pub struct Window {
    success: AtomicU64,
    total: AtomicU64,
}

impl Window {
    /// Counts one result.
    pub fn record(&self, success: bool) {
        self.total.fetch_add(1, Relaxed);
        if success {
            self.success.fetch_add(1, Relaxed);
        }
    }

    /// Ends the interval: its successes and its total.
    #[must_use]
    pub fn take(&self) -> (u64, u64) {
        // Total first: a result counted in between then shows as a success too many at most, which
        // the reader caps, and never as a failure that did not happen.
        let total = self.total.swap(0, Relaxed);
        (self.success.swap(0, Relaxed).min(total), total)
    }
}
