//! All series of the process.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::buckets::{self, Distribution};
use super::cells::{Cells, MAX_CELLS, Shard};
use super::names::Place;
use super::snapshot::{Filter, Sample, Snapshot, Value};
use super::table::{Before, Found, Layout, Table};
use super::{Counter, Gauge, Histogram};

/// Cells of a registry by default, and at most; a counter takes one, a gauge two, a histogram about 140.
/// 4 Mi cells are some 6,000 clusters that are called. A worker's memory follows what it counts.
pub const DEFAULT_CELL_LIMIT: u32 = MAX_CELLS;

/// Beyond all cells: counting there does nothing.
const REFUSED: u32 = u32::MAX - buckets::CELLS;

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

impl Kind {
    /// Cells that one takes.
    pub(crate) fn cells(self) -> u32 {
        match self {
            Self::Counter => 1,
            // The second cell tells a gauge that went back to 0 from one never touched (`usedonly`).
            Self::Gauge => 2,
            Self::Histogram => buckets::CELLS,
        }
    }
}

/// One series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Kind.
    pub kind: Kind,
    /// Name in text output, for example `cluster.reviews.upstream_rq_total`; also its identity.
    pub name: Box<str>,
    /// Metric name in Prometheus output, for example `envoy_cluster_upstream_rq_total`.
    pub family: Box<str>,
    /// Labels in Prometheus output, in order.
    pub labels: Vec<(Box<str>, Box<str>)>,
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
            limit: limit.min(MAX_CELLS),
            table: Mutex::default(),
            shards: Mutex::default(),
            set: Cells::new(),
            refused: AtomicU64::new(0),
            istio: crate::istio::Sets::default(),
        }
    }

    /// A shard for one thread. Its counts stay in the sums after it is dropped; so make one a thread,
    /// not one a task.
    #[must_use]
    pub fn shard(&self) -> Shard {
        let cells = Arc::new(Cells::new());
        lock(&self.shards).push(Arc::clone(&cells));
        Shard::new(cells)
    }

    /// The counter of that name; the same name gives the same counter.
    pub fn counter(&self, name: &str, family: &str, labels: &[(&str, &str)]) -> Counter {
        Counter(self.register(Kind::Counter, name, family, labels))
    }

    /// The gauge of that name.
    pub fn gauge(&self, name: &str, family: &str, labels: &[(&str, &str)]) -> Gauge {
        Gauge(self.register(Kind::Gauge, name, family, labels))
    }

    /// The histogram of that name.
    pub fn histogram(&self, name: &str, family: &str, labels: &[(&str, &str)]) -> Histogram {
        Histogram(self.register(Kind::Histogram, name, family, labels))
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

    /// The first cells of the series of a group, in its order: one entry in the table for all of them,
    /// whose names are made when somebody looks.
    pub(crate) fn group(&self, place: &Place, layout: &'static Layout) -> Vec<u32> {
        let mut table = lock(&self.table);
        if let Some(known) = table.block_cells(place, layout) {
            return known;
        }
        if table.knows_one_of(place, layout) {
            drop(table);
            let one = |(kind, name): &(Kind, &str)| {
                place.with(name, |name, family, labels| self.register(*kind, name, family, labels))
            };
            return layout.iter().map(one).collect();
        }
        let cells = layout.iter().map(|(kind, _)| kind.cells()).sum();
        let (first, before) = match table.free_block(layout) {
            Some(first) => (first, self.begin_anew(first, cells)),
            None => match table.new_cells(cells, self.limit) {
                Some(first) => (first, Before::default()),
                None => {
                    self.refused.fetch_add(layout.len() as u64, Relaxed);
                    return vec![REFUSED; layout.len()];
                }
            },
        };
        table.add_block(place, layout, first, before)
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
    /// their cells to later ones. `labels` are those of the object itself: another one whose name goes on
    /// with a dot keeps its series. Nobody may count with their handles any more: call it when the last
    /// user of the object is gone.
    pub fn remove(&self, prefix: &str, labels: &[(&str, &str)]) {
        lock(&self.table).remove(prefix, labels);
    }

    /// Series that were refused because the registry was full. Their handles count into nothing.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// The sum of a counter over all workers.
    #[must_use]
    pub fn counter_value(&self, counter: Counter) -> u64 {
        self.value(counter.0)
    }

    /// The sum of a gauge over all workers.
    #[must_use]
    pub fn gauge_value(&self, gauge: Gauge) -> u64 {
        self.value(gauge.0)
    }

    /// By search through all series: for tests and rare questions.
    fn value(&self, cell: u32) -> u64 {
        let before = lock(&self.table).before(cell);
        self.sum(&lock(&self.shards), cell).wrapping_sub(before)
    }

    /// All series that pass the filter with their values, sorted by name.
    #[must_use]
    pub fn snapshot(&self, filter: &Filter) -> Snapshot {
        let mut found = lock(&self.table).all(|series| filter.takes(series));
        found.sort_unstable_by(|a, b| (&a.series.name, a.series.kind).cmp(&(&b.series.name, b.series.kind)));
        let shards = lock(&self.shards);
        let samples = found.into_iter().map(|found| self.sample(&shards, found));
        Snapshot(samples.filter(|sample| sample.used || !filter.used_only).collect())
    }

    fn sample(&self, shards: &[Arc<Cells>], found: Found) -> Sample {
        let Found { series, cell, before } = found;
        let sum = |offset: u32| self.sum(shards, cell + offset).wrapping_sub(before.at(offset));
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

    fn register(&self, kind: Kind, name: &str, family: &str, labels: &[(&str, &str)]) -> u32 {
        let mut table = lock(&self.table);
        if let Some(cell) = table.find(kind, name) {
            return cell;
        }
        let (cell, before) = match table.free_cell(kind) {
            Some(cell) => (cell, self.begin_anew(cell, kind.cells())),
            None => match table.new_cells(kind.cells(), self.limit) {
                Some(cell) => (cell, Before::default()),
                None => {
                    self.refused.fetch_add(1, Relaxed);
                    return REFUSED;
                }
            },
        };
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        table.add(Series { kind, name: name.into(), family: family.into(), labels }, cell, before);
        cell
    }

    /// What cells hold that are given out again. The workers' memory is theirs alone; so their cells are
    /// not cleared but counted from here.
    fn begin_anew(&self, first: u32, cells: u32) -> Before {
        let range = first..first.saturating_add(cells);
        range.clone().for_each(|index| self.set.clear(index));
        let shards = lock(&self.shards);
        range.map(|index| self.sum(&shards, index)).collect()
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
    use super::super::Scope;
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
            registry.remove(&prefix, &[]);
        }
        assert_eq!((registry.refused(), numbers(&registry).len()), (0, 0));
    }

    #[test]
    fn a_removed_object_leaves_those_whose_names_go_on() {
        let registry = Registry::new();
        let shard = registry.shard();
        let stats = |name: &str| super::super::names::ClusterStats::new(&Scope::cluster(&registry, name));
        let shown = |filter: &str| registry.snapshot(&Filter::from_query(filter).unwrap()).0.len();
        let (a, ab) = (stats("a"), stats("a.b"));
        shard.inc(a.upstream_rq_total);
        shard.record(a.upstream_rq_time, 5);
        shard.inc(ab.upstream_rq_total);
        let breakers = Scope::cluster(&registry, "a").part("circuit_breakers").part("default");
        registry.set_gauge(breakers.gauge("cx_open"), 1);
        let of_one = shown("filter=cluster%5C.a%5C.b%5C.");
        Scope::cluster(&registry, "a").remove();
        assert_eq!(shown(""), of_one);
        assert_eq!(shown("usedonly"), 1);
        // The cells are those of before; what they counted is not.
        let again = stats("c");
        assert_eq!(again.upstream_rq_total, a.upstream_rq_total);
        assert_eq!(shown("usedonly"), 1);
        shard.inc(again.upstream_rq_total);
        shard.record(again.upstream_rq_time, 7);
        let Value::Distribution(times) =
            &registry.snapshot(&Filter::from_query("filter=c.upstream_rq_time").unwrap()).0[0].value.clone()
        else {
            panic!("no histogram")
        };
        assert_eq!((times.count(), times.sum, registry.counter_value(again.upstream_rq_total)), (1, 7, 1));
    }

    #[test]
    fn a_name_within_a_group_is_the_same_alone_whichever_came_first() {
        let registry = Registry::new();
        let early = Scope::cluster(&registry, "a").counter("upstream_rq_total");
        let group = super::super::names::ClusterStats::new(&Scope::cluster(&registry, "a"));
        assert_eq!(group.upstream_rq_total, early);
        let group = super::super::names::ClusterStats::new(&Scope::cluster(&registry, "b"));
        assert_eq!(Scope::cluster(&registry, "b").gauge("upstream_cx_active"), group.upstream_cx_active);
        let all = registry.snapshot(&Filter::default()).0;
        let mut names: Vec<_> = all.iter().map(|sample| (&sample.series.name, sample.series.kind)).collect();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
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
