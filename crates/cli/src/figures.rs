//! From proxies' counters to what the view shows: rates, success, quantiles, mutual TLS.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::prometheus::samples;

/// What one workload has served since its proxy began, as the proxy in front of it counts
/// (`reporter="destination"`, TM-01, TM-03).
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counts {
    requests: f64,
    failed: f64,
    mutual_tls: f64,
    /// Upper bound in milliseconds → requests at or below it.
    buckets: Vec<(f64, f64)>,
}

impl Counts {
    /// Reads a page of `/stats/prometheus`.
    #[must_use]
    pub(crate) fn read(page: &str) -> Self {
        let mut counts = Self::default();
        for sample in samples(page, "istio_request") {
            if sample.label("reporter") != "destination" {
                continue;
            }
            match sample.name {
                "istio_requests_total" => {
                    counts.requests += sample.value;
                    // As Istio's dashboards count: 5xx, and 0 for a caller that went away.
                    if matches!(sample.label("response_code").as_bytes(), [b'5', ..] | [b'0'] | []) {
                        counts.failed += sample.value;
                    }
                    if sample.label("connection_security_policy") == "mutual_tls" {
                        counts.mutual_tls += sample.value;
                    }
                }
                "istio_request_duration_milliseconds_bucket" => {
                    if let Ok(bound) = sample.label("le").parse::<f64>() {
                        counts.bucket(bound, sample.value);
                    }
                }
                _ => {}
            }
        }
        counts
    }

    /// Two workloads of the same service and version together.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.mutual_tls += other.mutual_tls;
        for (bound, count) in &other.buckets {
            self.bucket(*bound, *count);
        }
    }

    /// What came since; a proxy that has been started again counts from 0.
    #[must_use]
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        if self.requests < earlier.requests {
            return self.clone();
        }
        let before = |bound: f64| {
            earlier.buckets.iter().find(|(other, _)| other.total_cmp(&bound).is_eq()).map_or(0.0, |b| b.1)
        };
        Self {
            requests: self.requests - earlier.requests,
            failed: (self.failed - earlier.failed).max(0.0),
            mutual_tls: (self.mutual_tls - earlier.mutual_tls).max(0.0),
            buckets: self.buckets.iter().map(|(b, n)| (*b, (n - before(*b)).max(0.0))).collect(),
        }
    }

    /// The quantile (0 to 1), in milliseconds, as Prometheus' `histogram_quantile` estimates it.
    fn quantile(&self, quantile: f64) -> Option<f64> {
        let total = self.buckets.last()?.1;
        if total <= 0.0 {
            return None;
        }
        let rank = quantile * total;
        let mut below = (0.0, 0.0);
        for &(bound, count) in &self.buckets {
            if count >= rank {
                if bound.is_infinite() {
                    return Some(below.0);
                }
                let inside = if count > below.1 { (rank - below.1) / (count - below.1) } else { 1.0 };
                return Some(below.0 + (bound - below.0) * inside);
            }
            below = (bound, count);
        }
        None
    }

    fn bucket(&mut self, bound: f64, count: f64) {
        match self.buckets.binary_search_by(|(other, _)| other.total_cmp(&bound)) {
            Ok(at) => self.buckets[at].1 += count,
            Err(at) => self.buckets.insert(at, (bound, count)),
        }
    }
}

/// Whether callers came by mutual TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mtls {
    /// All of them.
    Yes,
    /// Some of them.
    Partly,
    /// None.
    No,
    /// Nobody came.
    Unknown,
}

/// One line of the view: a version of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// Service.
    pub(crate) service: String,
    /// Version.
    pub(crate) version: String,
    /// Requests in the time looked at.
    pub(crate) requests: u64,
    /// The same a second.
    pub(crate) requests_per_second: f64,
    /// Share of requests not answered with 5xx, in percent; `None` without requests.
    pub(crate) success_percent: Option<f64>,
    /// Median time, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 99th percentile, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Mutual TLS.
    pub(crate) mtls: Mtls,
}

impl Row {
    /// The line of what was served in `time`.
    #[must_use]
    pub(crate) fn new(service: &str, version: &str, counts: &Counts, time: Duration) -> Self {
        let some = counts.requests > 0.0;
        let mtls = match counts.mutual_tls {
            _ if !some => Mtls::Unknown,
            all if all >= counts.requests => Mtls::Yes,
            none if none <= 0.0 => Mtls::No,
            _ => Mtls::Partly,
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, never negative")]
        let requests = counts.requests as u64;
        Self {
            service: service.to_owned(),
            version: version.to_owned(),
            requests,
            requests_per_second: round(counts.requests / time.as_secs_f64().max(0.001)),
            success_percent: some.then(|| round(100.0 * (1.0 - counts.failed / counts.requests))),
            p50_ms: counts.quantile(0.5).map(round),
            p99_ms: counts.quantile(0.99).map(round),
            mtls,
        }
    }
}

/// Service and version → what it served.
pub(crate) type Scrape = BTreeMap<(String, String), Counts>;

/// The lines of what came between two scrapes; without an earlier one, since the beginning.
#[must_use]
pub(crate) fn rows(now: &Scrape, earlier: Option<&Scrape>, time: Duration) -> Vec<Row> {
    let line = |((service, version), counts): (&(String, String), &Counts)| {
        let before = earlier.and_then(|earlier| earlier.get(&(service.clone(), version.clone())));
        let counts = before.map_or_else(|| counts.clone(), |before| counts.since(before));
        Row::new(service, version, &counts, time)
    };
    now.iter().map(line).collect()
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../tests/scrape.prom");

    fn row(page: &str) -> Row {
        Row::new("reviews", "v2", &Counts::read(page), Duration::from_secs(10))
    }

    #[test]
    fn a_proxys_page_becomes_a_line() {
        let row = row(PAGE);
        assert_eq!((row.requests, row.requests_per_second), (100, 10.0));
        assert_eq!(row.success_percent, Some(95.0));
        assert_eq!(row.mtls, Mtls::Yes);
        // 50 of 100 at or below 5 ms, 90 at or below 10 ms, all at or below 25 ms.
        assert_eq!((row.p50_ms, row.p99_ms), (Some(5.0), Some(23.5)));
    }

    #[test]
    fn plaintext_shows() {
        let none = PAGE.replace("mutual_tls", "none");
        assert_eq!(row(&none).mtls, Mtls::No);
        let some = PAGE.replacen("mutual_tls", "none", 1);
        assert_eq!(row(&some).mtls, Mtls::Partly);
        assert_eq!(row("").mtls, Mtls::Unknown);
        assert_eq!(row("").p99_ms, None);
    }

    #[test]
    fn a_proxy_that_began_anew_counts_from_nothing() {
        let (many, few) = (Counts::read(PAGE), Counts::read(&PAGE.replace(" 95\n", " 5\n")));
        assert_eq!(few.since(&many), few);
        let none = many.since(&many);
        assert_eq!(Row::new("a", "v1", &none, Duration::from_secs(1)).success_percent, None);
    }

    #[test]
    fn two_workloads_of_a_version_are_one_line() {
        let mut both = Counts::read(PAGE);
        both.add(&Counts::read(PAGE));
        let row = Row::new("reviews", "v2", &both, Duration::from_secs(10));
        assert_eq!((row.requests, row.p50_ms), (200, Some(5.0)));
    }
}
