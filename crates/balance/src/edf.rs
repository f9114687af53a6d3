//! Earliest deadline first: weighted round robin with smooth interleaving.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Weights below this are taken as this, so that a deadline stays finite.
const LEAST_WEIGHT: f64 = 1e-9;

/// Starts are spread over this many picks: enough that workers and restarts do not send their first
/// requests to the same hosts.
const START_RANGE: u64 = 1 << 16;

/// A schedule of indices. Each pick takes the earliest deadline and schedules it again `1 / weight`
/// later; equal deadlines go in the order in which they were scheduled.
#[derive(Clone, Debug, Default)]
pub struct Edf {
    queue: BinaryHeap<Entry>,
    now: f64,
    scheduled: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline: f64,
    order: u64,
    index: usize,
}

impl Edf {
    /// A schedule of indices `0..weights.len()` with a phase taken from `seed`.
    #[must_use]
    pub fn new(weights: &[f64], seed: u64) -> Self {
        let weights: Vec<f64> = weights.iter().map(|w| w.max(LEAST_WEIGHT)).collect();
        let total: f64 = weights.iter().sum();
        let start = seed % START_RANGE;
        // After `start` picks each entry has been picked about in proportion to its weight; entries
        // are put there at once, the remainder (fewer than there are entries) is really picked.
        let now = start as f64 / total;
        let mut edf = Self { queue: BinaryHeap::with_capacity(weights.len()), now, scheduled: 0 };
        let mut picked = 0;
        for (index, weight) in weights.iter().enumerate() {
            let times = (now * weight).floor();
            picked += times as u64;
            edf.push((times + 1.0) / weight, index);
        }
        for _ in picked..start {
            edf.pick(|index| weights.get(index).copied().unwrap_or(1.0));
        }
        edf
    }

    /// As [`Self::new`], leaving out the indices whose weight is not above 0.
    #[must_use]
    pub fn of_positive(weights: &[f64], seed: u64) -> Self {
        let (indices, kept): (Vec<usize>, Vec<f64>) =
            weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0).unzip();
        let mut edf = Self::new(&kept, seed);
        let entries = std::mem::take(&mut edf.queue).into_iter();
        edf.queue = entries
            .map(|entry| Entry { index: indices.get(entry.index).copied().unwrap_or_default(), ..entry })
            .collect();
        edf
    }

    /// The next index, scheduled again with the weight that `weight` gives it now; `None` when the
    /// schedule is empty.
    pub fn pick(&mut self, weight: impl FnOnce(usize) -> f64) -> Option<usize> {
        let entry = self.queue.pop()?;
        self.now = self.now.max(entry.deadline);
        self.push(self.now + 1.0 / weight(entry.index).max(LEAST_WEIGHT), entry.index);
        Some(entry.index)
    }

    fn push(&mut self, deadline: f64, index: usize) {
        let order = self.scheduled;
        self.scheduled += 1;
        self.queue.push(Entry { deadline, order, index });
    }
}

impl Ord for Entry {
    /// Turned round, because the heap gives its greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.deadline.total_cmp(&self.deadline).then_with(|| other.order.cmp(&self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picks(edf: &mut Edf, weights: &[f64], count: usize) -> Vec<usize> {
        (0..count).map(|_| edf.pick(|i| weights[i]).unwrap()).collect()
    }

    #[test]
    fn interleaves_by_weight_and_breaks_ties_in_order() {
        let weights = [2.0, 1.0];
        let mut edf = Edf::new(&weights, 0);
        assert_eq!(picks(&mut edf, &weights, 6), [0, 1, 0, 0, 1, 0]);
        let weights = [1.0, 1.0, 1.0];
        let mut edf = Edf::new(&weights, 0);
        assert_eq!(picks(&mut edf, &weights, 6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_seed_is_a_phase() {
        let weights = [3.0, 1.0, 2.0];
        let mut from_zero = Edf::new(&weights, 0);
        picks(&mut from_zero, &weights, 13);
        let mut seeded = Edf::new(&weights, 13);
        let mut a = picks(&mut from_zero, &weights, 6);
        let mut b = picks(&mut seeded, &weights, 6);
        a.sort_unstable();
        b.sort_unstable();
        assert_eq!(a, b);
    }

    #[test]
    fn an_empty_schedule_gives_nothing_and_hostile_weights_do_not_stop_it() {
        assert_eq!(Edf::new(&[], 7).pick(|_| 1.0), None);
        let mut edf = Edf::new(&[0.0, f64::NAN, 1.0], 9);
        for _ in 0..100 {
            assert!(edf.pick(|_| 0.0).is_some());
        }
    }

    proptest! {
        #[test]
        fn every_window_of_the_sum_of_weights_is_proportional_within_one(
            weights in proptest::collection::vec(1u32..20, 1..8),
            seed in any::<u64>(),
        ) {
            let floats: Vec<f64> = weights.iter().map(|w| f64::from(*w)).collect();
            let sum: u32 = weights.iter().sum();
            let mut edf = Edf::new(&floats, seed);
            let chosen = picks(&mut edf, &floats, sum as usize * 3);
            for (index, weight) in weights.iter().enumerate() {
                let count = chosen.iter().filter(|c| **c == index).count();
                prop_assert!(count.abs_diff(*weight as usize * 3) <= 2, "{index}: {count} of {weight}");
            }
        }
    }
}
