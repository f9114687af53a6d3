//! Memory of counts.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::buckets;
use super::{Counter, Gauge, Histogram};

/// Cells are made in chunks of so many, when one of them is first written: a worker has memory for
/// what it has counted, not for all that is configured (invariant 9).
const CHUNK: usize = 256;

type Chunk = Box<[AtomicU64]>;

/// Numbers addressed by index; unwritten ones are 0.
#[derive(Debug)]
pub(crate) struct Cells {
    chunks: Box<[OnceLock<Chunk>]>,
}

impl Cells {
    pub(crate) fn new(limit: u32) -> Self {
        let chunks = (limit as usize).div_ceil(CHUNK);
        Self { chunks: (0..chunks).map(|_| OnceLock::new()).collect() }
    }

    /// The value of a cell.
    pub(crate) fn load(&self, index: u32) -> u64 {
        let index = index as usize;
        let chunk = self.chunks.get(index / CHUNK).and_then(OnceLock::get);
        chunk.and_then(|chunk| chunk.get(index % CHUNK)).map_or(0, |cell| cell.load(Relaxed))
    }

    pub(crate) fn cell(&self, index: u32) -> Option<&AtomicU64> {
        let index = index as usize;
        let chunk = self.chunks.get(index / CHUNK)?;
        chunk.get_or_init(|| (0..CHUNK).map(|_| AtomicU64::new(0)).collect()).get(index % CHUNK)
    }
}

/// One worker's counts. Only its owner writes to it, so a count is a load and a store without a lock
/// prefix; it is not `Sync`, which holds that rule. Within a worker share it by `Rc`.
#[derive(Debug)]
pub struct Shard {
    cells: Arc<Cells>,
    one_thread: PhantomData<Cell<()>>,
}

impl Shard {
    pub(crate) fn new(cells: Arc<Cells>) -> Self {
        Self { cells, one_thread: PhantomData }
    }

    /// Counts one.
    pub fn inc(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `n`.
    pub fn add(&self, counter: Counter, n: u64) {
        self.bump(counter.0, n);
    }

    /// One more.
    pub fn gauge_inc(&self, gauge: Gauge) {
        self.gauge_add(gauge, 1);
    }

    /// One fewer.
    pub fn gauge_dec(&self, gauge: Gauge) {
        self.gauge_add(gauge, -1);
    }

    /// Changes a gauge by `delta`. The gauge is the sum over workers, so one worker may go up and
    /// another down.
    pub fn gauge_add(&self, gauge: Gauge, delta: i64) {
        self.bump(gauge.0, delta.cast_unsigned());
        self.bump(gauge.0 + 1, 1);
    }

    /// Records a value.
    pub fn record(&self, histogram: Histogram, value: u64) {
        self.bump(histogram.0 + buckets::SUM, value);
        self.bump(histogram.0 + buckets::FIRST + buckets::index(value), 1);
    }

    fn bump(&self, index: u32, n: u64) {
        if let Some(cell) = self.cells.cell(index) {
            cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
        }
    }
}
