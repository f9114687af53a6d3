//! What is measured, and what is made of it: medians, and ratios of rounds that met the same machine.

use std::collections::BTreeMap;

/// One kind of figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    /// CPU of the proxy's processes for one request, message, handshake or MB, µs.
    Cpu,
    /// Requests, messages, handshakes or MB in a second.
    Rate,
    /// Median latency at saturation, ms.
    P50,
    /// 99th percentile at saturation, ms.
    P99,
    /// Median latency at 1,000 requests/s, open loop, ms.
    PacedP50,
    /// 99th percentile at 1,000 requests/s, open loop, ms.
    PacedP99,
    /// CPU of one request at 1,000 requests/s, µs.
    PacedCpu,
    /// Most resident memory so far, MB.
    Memory,
    /// Start to first accepted connection, ms.
    Start,
}

impl Figure {
    /// All, in the order of a row.
    pub(super) const ALL: [Self; 9] = [
        Self::Cpu,
        Self::Rate,
        Self::P50,
        Self::P99,
        Self::PacedP50,
        Self::PacedP99,
        Self::PacedCpu,
        Self::Memory,
        Self::Start,
    ];

    /// Its name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_us_per_request",
            Self::Rate => "requests_per_s",
            Self::P50 => "p50_ms",
            Self::P99 => "p99_ms",
            Self::PacedP50 => "paced_p50_ms",
            Self::PacedP99 => "paced_p99_ms",
            Self::PacedCpu => "paced_cpu_us",
            Self::Memory => "rss_mb",
            Self::Start => "start_ms",
        }
    }

    /// Its name in a table.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Cpu => "cpu µs",
            Self::Rate => "per s",
            Self::P50 => "p50 ms",
            Self::P99 => "p99 ms",
            Self::PacedP50 => "p50@1k",
            Self::PacedP99 => "p99@1k",
            Self::PacedCpu => "cpu@1k",
            Self::Memory => "RSS MB",
            Self::Start => "start ms",
        }
    }
}

/// What one measurement gave.
pub(super) type Sample = BTreeMap<Figure, f64>;

/// Samples of one proxy, one a round.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounds(pub(super) Vec<Sample>);

/// A ratio that varies.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Rounds {
    /// The median of a figure over the rounds that have it.
    pub(super) fn median(&self, figure: Figure) -> Option<f64> {
        median(self.0.iter().filter_map(|sample| sample.get(&figure).copied()).collect())
    }

    /// A figure as a share of a peer's, round by round.
    pub(super) fn against(&self, peer: &Self, figure: Figure) -> Option<Spread> {
        self.paired(peer, |own, peer| Some(own.get(&figure)? / peer.get(&figure)?))
    }

    /// What each pair of samples gives.
    pub(super) fn paired(
        &self,
        peer: &Self,
        ratio: impl Fn(&Sample, &Sample) -> Option<f64>,
    ) -> Option<Spread> {
        let pairs = self.0.iter().zip(&peer.0);
        spread(pairs.filter_map(|(own, peer)| ratio(own, peer)).filter(|r| r.is_finite()).collect())
    }
}

/// Least, middle and most of some values.
pub(super) fn spread(values: Vec<f64>) -> Option<Spread> {
    let min = values.iter().copied().min_by(f64::total_cmp)?;
    let max = values.iter().copied().max_by(f64::total_cmp)?;
    Some(Spread { min, median: median(values)?, max })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied()?;
    let lower = values.get((values.len() - 1) / 2).copied()?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(values: &[f64]) -> Rounds {
        Rounds(values.iter().map(|value| Sample::from([(Figure::Cpu, *value)])).collect())
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(rounds(&[3.0, 1.0, 2.0]).median(Figure::Cpu), Some(2.0));
        assert_eq!(rounds(&[4.0, 1.0, 2.0, 3.0]).median(Figure::Cpu), Some(2.5));
        assert_eq!(rounds(&[]).median(Figure::Cpu), None);
        assert_eq!(rounds(&[1.0]).median(Figure::Rate), None);
    }

    #[test]
    fn ratios_are_of_pairs_and_not_of_medians() {
        // The machine was slow in the second round, for both.
        let (own, peer) = (rounds(&[10.0, 40.0, 11.0]), rounds(&[20.0, 80.0, 20.0]));
        let ratio = own.against(&peer, Figure::Cpu);
        assert_eq!(ratio, Some(Spread { min: 0.5, median: 0.5, max: 0.55 }));
        assert_eq!(own.against(&peer, Figure::Rate), None);
    }
}
