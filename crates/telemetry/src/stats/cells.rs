//! Memory of counts.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::buckets;
use super::{Counter, Gauge, Histogram};

/// Cells are made in chunks of so many, when one of them is first written: a worker has memory for
/// what it has counted, not for all that is configured (invariant 9).
const CHUNK: usize = 64;
/// Chunks of a page, which is made with the first of them.
const PAGE: usize = 256;
/// Pages there can be.
const PAGES: usize = 256;
/// Cells there can be.
pub(crate) const MAX_CELLS: u32 = (CHUNK * PAGE * PAGES) as u32;

type Chunk = Box<[AtomicU64; CHUNK]>;
type Page = Box<[OnceLock<Chunk>; PAGE]>;

/// Numbers addressed by index; unwritten ones are 0.
#[derive(Debug)]
pub(crate) struct Cells {
    pages: [OnceLock<Page>; PAGES],
}

impl Cells {
    pub(crate) fn new() -> Self {
        Self { pages: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// The value of a cell.
    pub(crate) fn load(&self, index: u32) -> u64 {
        let index = index as usize;
        let page = self.pages.get(index / (CHUNK * PAGE)).and_then(OnceLock::get);
        let chunk = page.and_then(|page| page[index / CHUNK % PAGE].get());
        chunk.map_or(0, |chunk| chunk[index % CHUNK].load(Relaxed))
    }

    pub(crate) fn cell(&self, index: u32) -> Option<&AtomicU64> {
        let index = index as usize;
        let page = self.pages.get(index / (CHUNK * PAGE))?;
        let page = page.get_or_init(|| Box::new(std::array::from_fn(|_| OnceLock::new())));
        let chunk =
            page[index / CHUNK % PAGE].get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
        Some(&chunk[index % CHUNK])
    }

    /// Sets a cell to 0, without making it.
    pub(crate) fn clear(&self, index: u32) {
        if self.load(index) != 0
            && let Some(cell) = self.cell(index)
        {
            cell.store(0, Relaxed);
        }
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
