//! Outlier detection: which hosts are left out for a while (`OutlierDetection`, DR-12).
//!
//! A worker records each result of a host at once; a sweep each `interval` brings hosts back and
//! compares success rates. The counters are those of the process, so all workers' results count
//! together, as in Envoy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use weft_state::outlier::Window;
use weft_state::{HealthFlag, HostState};
use weft_tables::cluster::OutlierDetection;
use weft_types::Random;

use crate::host_set::HostSet;

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered with this HTTP status; for gRPC the status that its code stands for.
    Response(u16),
    /// No connection, or the stream was reset before a response: Envoy takes both as local failures.
    ConnectFailed,
    /// The try or the request timed out.
    Timeout,
    /// A connection for further use stands (reported only in addition to a response).
    Connected,
    /// A connection stands, and nothing more can be known of it (TCP).
    ConnectedFinal,
    /// A protocol other than HTTP failed behind a good connection.
    ExternalFailed,
    /// A protocol other than HTTP succeeded.
    ExternalSucceeded,
}

/// Why a host is ejected; the counters `ejections_detected_…` and `ejections_enforced_…` go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// `consecutive_5xx`
    Consecutive5xx,
    /// `consecutive_gateway_failure`
    ConsecutiveGatewayFailure,
    /// `consecutive_local_origin_failure`
    ConsecutiveLocalOriginFailure,
    /// `success_rate`
    SuccessRate,
    /// `local_origin_success_rate`
    LocalOriginSuccessRate,
    /// `failure_percentage`
    FailurePercentage,
    /// `local_origin_failure_percentage`
    LocalOriginFailurePercentage,
}

/// What became of a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The host is ejected (`ejections_enforced_total`).
    Ejected,
    /// The dice spared it (`enforcing_…` below 100).
    Spared,
    /// Too many hosts are out already (`ejections_overflow`).
    Overflow,
}

/// Something that happened to a host.
#[derive(Clone, Debug)]
pub enum Event {
    /// It was found to be an outlier.
    Detected {
        /// The host.
        host: Arc<HostState>,
        /// Why.
        cause: Cause,
        /// What became of it.
        verdict: Verdict,
    },
    /// It came back.
    Returned {
        /// The host.
        host: Arc<HostState>,
    },
}

/// A cluster's outlier detection: its configuration and its hosts.
#[derive(Clone, Copy, Debug)]
pub struct Detector<'a> {
    /// Configuration.
    pub config: &'a OutlierDetection,
    /// Hosts, of which only a share may be out.
    pub hosts: &'a HostSet,
}

impl Detector<'_> {
    /// Records a result of a host.
    pub fn record(
        &self,
        host: &Arc<HostState>,
        outcome: Outcome,
        now: Instant,
        rng: &mut impl Random,
    ) -> Vec<Event> {
        let mut found = Vec::new();
        if self.config.split_external_local_origin_errors {
            match outcome {
                Outcome::Response(status) => self.record_status(host, status, &mut found),
                Outcome::ExternalFailed => self.record_status(host, 503, &mut found),
                Outcome::ExternalSucceeded => {
                    self.record_status(host, 200, &mut found);
                    self.record_local(host, true, &mut found);
                }
                Outcome::Connected | Outcome::ConnectedFinal => self.record_local(host, true, &mut found),
                Outcome::ConnectFailed | Outcome::Timeout => self.record_local(host, false, &mut found),
            }
        } else {
            let status = match outcome {
                Outcome::Response(status) => Some(status),
                Outcome::ConnectFailed => Some(503),
                Outcome::Timeout => Some(504),
                Outcome::ExternalFailed => Some(500),
                Outcome::ExternalSucceeded | Outcome::ConnectedFinal => Some(200),
                // What follows on the connection is what counts.
                Outcome::Connected => None,
            };
            if let Some(status) = status {
                self.record_status(host, status, &mut found);
            }
        }
        if found.is_empty() {
            return Vec::new();
        }
        found.into_iter().filter_map(|cause| self.detect(host, cause, now, rng)).collect()
    }

    fn record_status(&self, host: &HostState, status: u16, found: &mut Vec<Cause>) {
        let counters = &host.outlier;
        let failed = (500..600).contains(&status);
        counters.external.record(!failed);
        if !failed {
            counters.consecutive_5xx.store(0, Relaxed);
            counters.consecutive_gateway_failure.store(0, Relaxed);
            return;
        }
        if matches!(status, 502..=504) {
            if reaches(&counters.consecutive_gateway_failure, self.config.consecutive_gateway_failure) {
                found.push(Cause::ConsecutiveGatewayFailure);
            }
        } else {
            counters.consecutive_gateway_failure.store(0, Relaxed);
        }
        if reaches(&counters.consecutive_5xx, self.config.consecutive_5xx) {
            found.push(Cause::Consecutive5xx);
        }
    }

    fn record_local(&self, host: &HostState, success: bool, found: &mut Vec<Cause>) {
        let counters = &host.outlier;
        counters.local.record(success);
        if success {
            counters.consecutive_local_origin_failure.store(0, Relaxed);
        } else if reaches(
            &counters.consecutive_local_origin_failure,
            self.config.consecutive_local_origin_failure,
        ) {
            found.push(Cause::ConsecutiveLocalOriginFailure);
        }
    }

    /// A row of failures is complete: ejects, and lets the row begin again.
    fn detect(
        &self,
        host: &Arc<HostState>,
        cause: Cause,
        now: Instant,
        rng: &mut impl Random,
    ) -> Option<Event> {
        let _right = self.hosts.cluster().lock_ejections();
        if host.has(HealthFlag::FailedOutlierCheck) {
            return None;
        }
        let verdict = self.eject(host, cause, now, rng);
        let counters = &host.outlier;
        match cause {
            Cause::Consecutive5xx => counters.consecutive_5xx.store(0, Relaxed),
            Cause::ConsecutiveGatewayFailure => counters.consecutive_gateway_failure.store(0, Relaxed),
            Cause::ConsecutiveLocalOriginFailure => {
                counters.consecutive_local_origin_failure.store(0, Relaxed);
            }
            _ => {}
        }
        Some(Event::Detected { host: Arc::clone(host), cause, verdict })
    }

    /// Ejects the host if the share of ejected hosts and the dice allow it. The caller holds the lock.
    fn eject(&self, host: &HostState, cause: Cause, now: Instant, rng: &mut impl Random) -> Verdict {
        let total = self.hosts.hosts().count() as u64;
        let ejected = self.ejected();
        let within = (ejected + 1) * 100 <= u64::from(self.config.max_ejection_percent.min(100)) * total;
        if !(within || (self.config.always_eject_one && ejected == 0)) {
            return Verdict::Overflow;
        }
        if rng.below(100) >= u64::from(self.enforcing(cause)) {
            return Verdict::Spared;
        }
        let counters = &host.outlier;
        counters.ejections.fetch_add(1, Relaxed);
        counters.ejected_at.set(host.origin(), now);
        let jitter = millis(self.config.max_ejection_time_jitter).saturating_add(1);
        counters.jitter_ms.store(rng.below(jitter), Relaxed);
        let backoff = counters.backoff.load(Relaxed);
        let longest = self.config.max_ejection_time.saturating_add(self.config.base_ejection_time);
        if self.config.base_ejection_time.saturating_mul(backoff) < longest {
            counters.backoff.store(backoff.saturating_add(1), Relaxed);
        }
        host.set(HealthFlag::FailedOutlierCheck);
        Verdict::Ejected
    }

    fn enforcing(&self, cause: Cause) -> u32 {
        let config = self.config;
        match cause {
            Cause::Consecutive5xx => config.enforcing_consecutive_5xx,
            Cause::ConsecutiveGatewayFailure => config.enforcing_consecutive_gateway_failure,
            Cause::ConsecutiveLocalOriginFailure => config.enforcing_consecutive_local_origin_failure,
            Cause::SuccessRate => config.success_rate.enforcing,
            Cause::LocalOriginSuccessRate => config.success_rate.enforcing_local_origin,
            Cause::FailurePercentage => config.failure_percentage.enforcing,
            Cause::LocalOriginFailurePercentage => config.failure_percentage.enforcing_local_origin,
        }
    }

    /// Hosts ejected now (`ejections_active`).
    #[must_use]
    pub fn ejected(&self) -> u64 {
        self.hosts.hosts().filter(|host| host.state.has(HealthFlag::FailedOutlierCheck)).count() as u64
    }

    /// An active health check of the host passed: it comes back unless configuration says no
    /// (`successful_active_health_check_uneject_host`).
    pub fn active_check_passed(&self, host: &Arc<HostState>, now: Instant) -> Option<Event> {
        let _right = self.hosts.cluster().lock_ejections();
        let returns = self.config.successful_check_uneject
            && host.has(HealthFlag::FailedOutlierCheck)
            && !host.has(HealthFlag::FailedActiveCheck);
        returns.then(|| bring_back(host, now))
    }

    /// The work of each `interval`: brings back hosts whose time is over, ejects by success rate and
    /// failure percentage of the interval that ends, and lets the back-off of quiet hosts shrink.
    pub fn sweep(&self, now: Instant, rng: &mut impl Random) -> Vec<Event> {
        let _right = self.hosts.cluster().lock_ejections();
        let mut events = Vec::new();
        for host in self.hosts.hosts() {
            if host.state.has(HealthFlag::FailedOutlierCheck) && self.time_is_over(&host.state, now) {
                events.push(bring_back(&host.state, now));
            }
        }
        self.compare_rates(|host| &host.outlier.external, false, now, rng, &mut events);
        self.compare_rates(|host| &host.outlier.local, true, now, rng, &mut events);
        for host in self.hosts.hosts() {
            self.shrink_backoff(&host.state, now);
        }
        events
    }

    fn time_is_over(&self, host: &HostState, now: Instant) -> bool {
        let counters = &host.outlier;
        let time = self.config.base_ejection_time.saturating_mul(counters.backoff.load(Relaxed));
        let jitter = Duration::from_millis(counters.jitter_ms.load(Relaxed));
        let time = time.min(self.config.max_ejection_time).saturating_add(jitter);
        counters
            .ejected_at
            .get(host.origin())
            .is_none_or(|ejected| now.saturating_duration_since(ejected) >= time)
    }

    fn shrink_backoff(&self, host: &HostState, now: Instant) {
        if host.has(HealthFlag::FailedOutlierCheck) {
            return;
        }
        let counters = &host.outlier;
        let returned = counters.unejected_at.get(host.origin());
        if returned.is_some_and(|at| now.saturating_duration_since(at) >= self.config.interval) {
            let backoff = counters.backoff.load(Relaxed);
            counters.backoff.store(backoff.saturating_sub(1), Relaxed);
        }
    }

    fn compare_rates(
        &self,
        window: fn(&HostState) -> &Window,
        local: bool,
        now: Instant,
        rng: &mut impl Random,
        events: &mut Vec<Event>,
    ) {
        // The windows end for all hosts, ejected ones too, whose results are then not compared.
        let mut rates = Vec::new();
        for host in self.hosts.hosts() {
            let (success, total) = window(&host.state).take();
            if total > 0 && !host.state.has(HealthFlag::FailedOutlierCheck) {
                rates.push(Rate { host: &host.state, percent: success as f64 * 100.0 / total as f64, total });
            }
        }
        let hosts = self.hosts.hosts().count();
        let rule = &self.config.success_rate;
        let failure = &self.config.failure_percentage;
        if hosts < rule.minimum_hosts.min(failure.minimum_hosts) as usize {
            return;
        }
        let busy: Vec<_> = rates.iter().filter(|rate| rate.total >= u64::from(rule.request_volume)).collect();
        if !busy.is_empty() && busy.len() >= rule.minimum_hosts as usize {
            let threshold = success_rate_threshold(&busy, f64::from(rule.stdev_factor) / 1000.0);
            let cause = if local { Cause::LocalOriginSuccessRate } else { Cause::SuccessRate };
            let outliers = busy.iter().filter(|rate| rate.percent < threshold);
            events.extend(outliers.map(|rate| self.detected(rate.host, cause, now, rng)));
        }
        let busy: Vec<_> =
            rates.iter().filter(|rate| rate.total >= u64::from(failure.request_volume)).collect();
        if !busy.is_empty() && busy.len() >= failure.minimum_hosts as usize {
            let cause = if local { Cause::LocalOriginFailurePercentage } else { Cause::FailurePercentage };
            let outliers = busy.iter().filter(|rate| 100.0 - rate.percent >= f64::from(failure.threshold));
            events.extend(outliers.map(|rate| self.detected(rate.host, cause, now, rng)));
        }
    }

    fn detected(&self, host: &Arc<HostState>, cause: Cause, now: Instant, rng: &mut impl Random) -> Event {
        // Both comparisons may find the same host; one ejection is enough.
        let verdict = if host.has(HealthFlag::FailedOutlierCheck) {
            Verdict::Spared
        } else {
            self.eject(host, cause, now, rng)
        };
        Event::Detected { host: Arc::clone(host), cause, verdict }
    }
}

struct Rate<'a> {
    host: &'a Arc<HostState>,
    /// Successes, percent.
    percent: f64,
    total: u64,
}

/// Mean of the success rates less so many standard deviations.
fn success_rate_threshold(rates: &[&Rate<'_>], factor: f64) -> f64 {
    let count = rates.len() as f64;
    let mean = rates.iter().map(|rate| rate.percent).sum::<f64>() / count;
    let variance = rates.iter().map(|rate| (rate.percent - mean).powi(2)).sum::<f64>() / count;
    mean - factor * variance.sqrt()
}

/// Counts one more; whether that makes the row complete. Over all workers exactly one sees that.
fn reaches(counter: &AtomicU32, threshold: u32) -> bool {
    counter.fetch_add(1, Relaxed).wrapping_add(1) == threshold
}

fn bring_back(host: &Arc<HostState>, now: Instant) -> Event {
    host.outlier.reset_consecutive();
    host.outlier.unejected_at.set(host.origin(), now);
    host.clear(HealthFlag::FailedOutlierCheck);
    Event::Returned { host: Arc::clone(host) }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "outlier_tests.rs"]
mod tests;
