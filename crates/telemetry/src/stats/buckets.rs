//! Histograms: fixed buckets, about fourteen to a decade, whose bounds include all that Prometheus
//! output shows, so that those are exact.

/// Upper bounds that Prometheus output shows: Envoy's and Istio's, in milliseconds (or bytes).
pub const PROMETHEUS_BOUNDS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    2_500.0,
    5_000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Quantiles that text and JSON output show, percent.
pub const QUANTILES: [f64; 10] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

/// Steps within a decade from 10 on, in tenths of its start.
const STEPS: [u64; 14] = [10, 12, 15, 18, 21, 25, 30, 36, 42, 50, 60, 70, 80, 90];
/// Decades with steps: 10¹ … 10⁹; above that all is one bucket.
const DECADES: usize = 9;
const BOUNDS: usize = 10 + DECADES * STEPS.len();

/// Upper bounds, inclusive: 0 … 9 one by one, then the steps of each decade.
static UPPER: [u64; BOUNDS] = upper_bounds();

/// Offset of the sum among a histogram's cells.
pub(crate) const SUM: u32 = 0;
/// Offset of the first bucket.
pub(crate) const FIRST: u32 = 1;
/// Cells of a histogram: the sum, the bounded buckets, and one for all above.
pub(crate) const CELLS: u32 = FIRST + BOUNDS as u32 + 1;

const fn upper_bounds() -> [u64; BOUNDS] {
    let mut bounds = [0; BOUNDS];
    let mut at = 0;
    while at < 10 {
        bounds[at] = at as u64;
        at += 1;
    }
    let mut decade = 0;
    let mut unit = 1;
    while decade < DECADES {
        let mut step = 0;
        while step < STEPS.len() {
            bounds[at] = STEPS[step] * unit;
            at += 1;
            step += 1;
        }
        unit *= 10;
        decade += 1;
    }
    bounds
}

/// The bucket that a value falls into.
pub(crate) fn index(value: u64) -> u32 {
    UPPER.partition_point(|bound| *bound < value) as u32
}

/// A histogram's content: the sum of all values and a count for each bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Sum of all values.
    pub sum: u64,
    /// Values per bucket.
    pub counts: Vec<u64>,
}

impl Distribution {
    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many values are at most `bound`. Exact for [`PROMETHEUS_BOUNDS`].
    #[must_use]
    pub fn at_most(&self, bound: f64) -> u64 {
        let bounded = UPPER.iter().zip(&self.counts);
        bounded.take_while(|(upper, _)| **upper as f64 <= bound).map(|(_, count)| count).sum()
    }

    /// An estimate of the quantile (percent): linear within its bucket; `None` without values.
    #[must_use]
    pub fn quantile(&self, percent: f64) -> Option<f64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = (percent / 100.0 * total as f64).max(1.0);
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            if *count > 0 && (below + count) as f64 >= rank {
                let lower = bucket.checked_sub(1).and_then(|i| UPPER.get(i)).copied().unwrap_or(0) as f64;
                let upper = UPPER.get(bucket).map_or(lower, |upper| *upper as f64);
                // Buckets of single values are that value.
                if upper - lower <= 1.0 {
                    return Some(upper);
                }
                return Some(lower + (upper - lower) * (rank - below as f64) / *count as f64);
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn distribution(values: &[u64]) -> Distribution {
        let mut counts = vec![0; (CELLS - FIRST) as usize];
        for value in values {
            counts[index(*value) as usize] += 1;
        }
        Distribution { sum: values.iter().sum(), counts }
    }

    proptest! {
        #[test]
        fn prometheus_bounds_are_exact(values in proptest::collection::vec(0u64..5_000_000, 0..200)) {
            let distribution = distribution(&values);
            prop_assert_eq!(distribution.count(), values.len() as u64);
            for bound in PROMETHEUS_BOUNDS {
                let expect = values.iter().filter(|v| **v as f64 <= bound).count() as u64;
                prop_assert_eq!(distribution.at_most(bound), expect, "{}", bound);
            }
        }

        #[test]
        fn quantiles_are_within_a_bucket_of_the_truth(mut values in proptest::collection::vec(0u64..1_000_000, 1..200)) {
            let distribution = distribution(&values);
            values.sort_unstable();
            for percent in QUANTILES {
                let rank = (percent / 100.0 * values.len() as f64).ceil().max(1.0) as usize;
                let truth = values[rank - 1] as f64;
                let estimate = distribution.quantile(percent).unwrap();
                prop_assert!((estimate - truth).abs() <= truth * 0.25 + 1.0, "{percent}: {estimate} {truth}");
            }
        }
    }

    #[test]
    fn the_greatest_values_are_counted_too() {
        let distribution = distribution(&[u64::MAX / 4]);
        assert_eq!(distribution.count(), 1);
        assert_eq!(distribution.at_most(3_600_000.0), 0);
        assert!(distribution.quantile(50.0).is_some());
    }
}
