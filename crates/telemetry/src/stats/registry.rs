//! All series of the process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::buckets::{self, Distribution};
use super::cells::{Cells, Shard};
use super::snapshot::{Filter, Sample, Snapshot, Value};
use super::{Counter, Gauge, Histogram};

/// Cells of a registry by default; a counter takes one, a gauge two, a histogram about 140.
/// 4 Mi cells are some 30,000 clusters. A worker's index of them takes 256 KiB, its memory beyond
/// that follows what it counts.
pub const DEFAULT_CELL_LIMIT: u32 = 1 << 22;

/// Kind of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Counter.
    Counter,
    /// Gauge.
    Gauge,
    /// Histogram.
    Histogram,
}

/// One series.
#[derive(Debug, PartialEq, Eq)]
pub struct Series {
    /// Kind.
    pub kind: Kind,
    /// Name in text output, for example `cluster.reviews.upstream_rq_total`; also its identity.
    pub name: Box<str>,
    /// Metric name in Prometheus output, for example `envoy_cluster_upstream_rq_total`.
    pub family: Box<str>,
    /// Labels in Prometheus output, in order.
    pub labels: Vec<(Box<str>, Box<str>)>,
    cell: u32,
    /// What the cells held when the series got them from one that was removed.
    baseline: Box<[u64]>,
}

/// Names, and the memory behind them.
#[derive(Debug)]
pub struct Registry {
    limit: u32,
    table: Mutex<Table>,
    shards: Mutex<Vec<Arc<Cells>>>,
    /// Values that are set as a whole, by any thread.
    set: Cells,
    refused: AtomicU64,
    /// Sets of labels of Istio's metrics.
    pub(crate) istio: crate::istio::Sets,
}

#[derive(Debug)]
struct Table {
    by_name: HashMap<(Kind, Box<str>), Arc<Series>>,
    next: u32,
    /// Cells of removed series, by kind.
    free: HashMap<Kind, Vec<u32>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::with_limit(DEFAULT_CELL_LIMIT)
    }
}

impl Registry {
    /// An empty registry of [`DEFAULT_CELL_LIMIT`] cells.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty registry of that many cells.
    #[must_use]
    pub fn with_limit(limit: u32) -> Self {
        Self {
            limit,
            table: Mutex::new(Table { by_name: HashMap::new(), next: 0, free: HashMap::new() }),
            shards: Mutex::default(),
            set: Cells::new(limit),
            refused: AtomicU64::new(0),
            istio: crate::istio::Sets::default(),
        }
    }

    /// A shard for one thread. Its counts stay in the sums after it is dropped; so make one a thread,
    /// not one a task.
    #[must_use]
    pub fn shard(&self) -> Shard {
        let cells = Arc::new(Cells::new(self.limit));
        lock(&self.shards).push(Arc::clone(&cells));
        Shard::new(cells)
    }

    /// The counter of that name; the same name gives the same counter.
    pub fn counter(&self, name: &str, family: &str, labels: &[(&str, &str)]) -> Counter {
        Counter(self.register(Kind::Counter, name, family, labels, 1))
    }

    /// The gauge of that name.
    pub fn gauge(&self, name: &str, family: &str, labels: &[(&str, &str)]) -> Gauge {
        // A second cell tells a gauge that went back to 0 from one never touched (`usedonly`).
        Gauge(self.register(Kind::Gauge, name, family, labels, 2))
    }

    /// The histogram of that name.
    pub fn histogram(&self, name: &str, family: &str, labels: &[(&str, &str)]) -> Histogram {
        Histogram(self.register(Kind::Histogram, name, family, labels, buckets::CELLS))
    }

    /// A counter that has labels only, without a place in Envoy's tree of names; its text name is
    /// made of family and labels.
    pub fn labelled_counter(&self, family: &str, labels: &[(&str, &str)]) -> Counter {
        self.counter(&labelled_name(family, labels), family, labels)
    }

    /// A histogram that has labels only.
    pub fn labelled_histogram(&self, family: &str, labels: &[(&str, &str)]) -> Histogram {
        self.histogram(&labelled_name(family, labels), family, labels)
    }

    /// Sets a gauge as a whole, from any thread; changes that shards make come on top.
    pub fn set_gauge(&self, gauge: Gauge, value: u64) {
        for (index, value) in [(gauge.0, value), (gauge.0.saturating_add(1), 1)] {
            if let Some(cell) = self.set.cell(index) {
                cell.store(value, Relaxed);
            }
        }
    }

    /// Removes all series whose text names start with `prefix`, such as `cluster.reviews.`, and gives
    /// their cells to later ones. Nobody may count with their handles any more: call it when the last
    /// user of the object is gone.
    pub fn remove(&self, prefix: &str) {
        let mut table = lock(&self.table);
        let Table { by_name, free, .. } = &mut *table;
        by_name.retain(|(kind, name), series| {
            let keep = !name.starts_with(prefix);
            if !keep {
                free.entry(*kind).or_default().push(series.cell);
            }
            keep
        });
    }

    /// Series that were refused because the registry was full. Their handles count into nothing.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// The sum of a counter over all workers.
    #[must_use]
    pub fn counter_value(&self, counter: Counter) -> u64 {
        self.value(Kind::Counter, counter.0)
    }

    /// The sum of a gauge over all workers.
    #[must_use]
    pub fn gauge_value(&self, gauge: Gauge) -> u64 {
        self.value(Kind::Gauge, gauge.0)
    }

    /// By search through all series: for tests and rare questions.
    fn value(&self, kind: Kind, cell: u32) -> u64 {
        let table = lock(&self.table);
        let series = table.by_name.values().find(|series| series.kind == kind && series.cell == cell);
        let before = series.and_then(|series| series.baseline.first()).copied().unwrap_or(0);
        self.sum(&lock(&self.shards), cell).wrapping_sub(before)
    }

    /// All series that pass the filter with their values, sorted by name.
    #[must_use]
    pub fn snapshot(&self, filter: &Filter) -> Snapshot {
        let mut series: Vec<Arc<Series>> = lock(&self.table).by_name.values().cloned().collect();
        series.retain(|series| filter.takes(series));
        series.sort_unstable_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
        let shards = lock(&self.shards);
        let samples = series.into_iter().map(|series| self.sample(&shards, series));
        Snapshot(samples.filter(|sample| sample.used || !filter.used_only).collect())
    }

    fn sample(&self, shards: &[Arc<Cells>], series: Arc<Series>) -> Sample {
        let sum = |offset: u32| {
            let before = series.baseline.get(offset as usize).copied().unwrap_or(0);
            self.sum(shards, series.cell + offset).wrapping_sub(before)
        };
        let (value, used) = match series.kind {
            Kind::Counter => (Value::Number(sum(0)), sum(0) > 0),
            Kind::Gauge => (Value::Number(sum(0)), sum(1) > 0),
            Kind::Histogram => {
                let counts: Vec<u64> = (buckets::FIRST..buckets::CELLS).map(sum).collect();
                let distribution = Distribution { sum: sum(buckets::SUM), counts };
                let used = distribution.count() > 0;
                (Value::Distribution(distribution), used)
            }
        };
        Sample { series, value, used }
    }

    fn sum(&self, shards: &[Arc<Cells>], index: u32) -> u64 {
        shards.iter().fold(self.set.load(index), |sum, cells| sum.wrapping_add(cells.load(index)))
    }

    fn register(&self, kind: Kind, name: &str, family: &str, labels: &[(&str, &str)], cells: u32) -> u32 {
        let mut table = lock(&self.table);
        let key = (kind, Box::from(name));
        if let Some(series) = table.by_name.get(&key) {
            return series.cell;
        }
        let (cell, baseline) = match table.free.get_mut(&kind).and_then(Vec::pop) {
            Some(cell) => {
                let range = cell..cell.saturating_add(cells);
                for set in range.clone().filter_map(|index| self.set.cell(index)) {
                    set.store(0, Relaxed);
                }
                // The workers' memory is theirs alone; so their cells are not cleared but counted from
                // here.
                let shards = lock(&self.shards);
                (cell, range.map(|index| self.sum(&shards, index)).collect())
            }
            None => {
                let cell = table.next;
                let Some(next) = cell.checked_add(cells).filter(|next| *next <= self.limit) else {
                    self.refused.fetch_add(1, Relaxed);
                    // Beyond all cells: counting there does nothing.
                    return u32::MAX - buckets::CELLS;
                };
                table.next = next;
                (cell, Box::default())
            }
        };
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let series = Series { kind, name: name.into(), family: family.into(), labels, cell, baseline };
        table.by_name.insert(key, Arc::new(series));
        cell
    }
}

fn labelled_name(family: &str, labels: &[(&str, &str)]) -> String {
    labels.iter().fold(family.to_owned(), |name, (label, value)| format!("{name}.{label}.{value}"))
}

/// A thread that panicked while it held the lock left a whole table; so poison is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_series_and_shards_add_up() {
        let registry = Registry::new();
        let counter = registry.counter("a.b", "envoy_a_b", &[]);
        assert_eq!(registry.counter("a.b", "envoy_a_b", &[]), counter);
        assert_ne!(registry.counter("a.c", "envoy_a_c", &[]), counter);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let shard = registry.shard();
                scope.spawn(move || (0..1000).for_each(|_| shard.inc(counter)));
            }
        });
        assert_eq!(registry.counter_value(counter), 3000);
    }

    #[test]
    fn gauges_go_up_on_one_worker_and_down_on_another() {
        let registry = Registry::new();
        let gauge = registry.gauge("g", "envoy_g", &[]);
        let (one, two) = (registry.shard(), registry.shard());
        one.gauge_inc(gauge);
        one.gauge_inc(gauge);
        two.gauge_dec(gauge);
        assert_eq!(registry.gauge_value(gauge), 1);
        registry.set_gauge(gauge, 10);
        assert_eq!(registry.gauge_value(gauge), 11);
    }

    #[test]
    fn a_full_registry_refuses_and_counts_instead_of_growing() {
        let registry = Registry::with_limit(3);
        let shard = registry.shard();
        let first = registry.counter("one", "one", &[]);
        let _ = registry.gauge("two", "two", &[]);
        let third = registry.counter("three", "three", &[]);
        let fourth = registry.histogram("four", "four", &[]);
        shard.inc(first);
        shard.inc(third);
        shard.record(fourth, 7);
        assert_eq!(registry.refused(), 2);
        assert_eq!(registry.counter_value(first), 1);
        assert_eq!(registry.counter_value(third), 0);
        assert_eq!(registry.snapshot(&Filter::default()).0.len(), 2);
    }

    #[test]
    fn removed_series_leave_room_for_new_ones_that_begin_at_zero() {
        let registry = Registry::with_limit(6);
        let shard = registry.shard();
        let numbers = |registry: &Registry| -> Vec<_> {
            registry.snapshot(&Filter::default()).numbers().map(|(s, n)| (s.name.to_string(), n)).collect()
        };
        for round in 1..100 {
            let prefix = format!("cluster.c{round}.");
            let counter = registry.counter(&format!("{prefix}total"), "t", &[]);
            let gauge = registry.gauge(&format!("{prefix}active"), "a", &[]);
            assert_eq!(numbers(&registry), [(format!("{prefix}active"), 0), (format!("{prefix}total"), 0)]);
            shard.add(counter, round);
            shard.gauge_inc(gauge);
            assert_eq!(
                numbers(&registry),
                [(format!("{prefix}active"), 1), (format!("{prefix}total"), round)]
            );
            shard.gauge_dec(gauge);
            registry.remove(&prefix);
        }
        assert_eq!((registry.refused(), numbers(&registry).len()), (0, 0));
    }

    #[test]
    fn labelled_series_are_told_apart_by_their_labels() {
        let registry = Registry::new();
        let a = registry.labelled_counter("istio_requests_total", &[("response_code", "200")]);
        let b = registry.labelled_counter("istio_requests_total", &[("response_code", "503")]);
        assert_ne!(a, b);
        assert_eq!(registry.labelled_counter("istio_requests_total", &[("response_code", "200")]), a);
    }
}
