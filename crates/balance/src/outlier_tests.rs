use proptest::prelude::*;
use weft_tables::cluster::{FailurePercentage, SuccessRate};
use weft_types::random::SplitMix;

use super::*;
use crate::testing::{host_set, locality, weighted};

fn config() -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: 3,
        enforcing_consecutive_5xx: 100,
        consecutive_gateway_failure: 2,
        enforcing_consecutive_gateway_failure: 0,
        consecutive_local_origin_failure: 2,
        enforcing_consecutive_local_origin_failure: 100,
        split_external_local_origin_errors: false,
        interval: Duration::from_secs(10),
        base_ejection_time: Duration::from_secs(30),
        max_ejection_time: Duration::from_secs(300),
        max_ejection_time_jitter: Duration::ZERO,
        max_ejection_percent: 50,
        always_eject_one: false,
        success_rate: SuccessRate {
            enforcing: 100,
            enforcing_local_origin: 100,
            minimum_hosts: 5,
            request_volume: 100,
            stdev_factor: 1900,
        },
        failure_percentage: FailurePercentage {
            threshold: 85,
            enforcing: 0,
            enforcing_local_origin: 0,
            minimum_hosts: 5,
            request_volume: 50,
        },
        successful_check_uneject: true,
    }
}

struct Cluster {
    hosts: Arc<HostSet>,
    config: OutlierDetection,
    start: Instant,
}

impl Cluster {
    fn new(count: usize, config: OutlierDetection) -> Self {
        let start = Instant::now();
        Self { hosts: host_set(vec![locality(0, None, weighted(&vec![1; count]))], start), config, start }
    }

    fn host(&self, index: usize) -> &Arc<HostState> {
        &self.hosts.hosts().nth(index).unwrap().state
    }

    fn detector(&self) -> Detector<'_> {
        Detector { config: &self.config, hosts: &self.hosts }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// Records so many outcomes of a host; what was detected.
    fn record(&self, index: usize, outcome: Outcome, times: u32, seconds: u64) -> Vec<(Cause, Verdict)> {
        let record =
            |_| self.detector().record(self.host(index), outcome, self.at(seconds), &mut SplitMix::new(1));
        (0..times).flat_map(record).filter_map(|event| detected(&event)).collect()
    }

    fn sweep(&self, seconds: u64) -> Vec<Event> {
        self.detector().sweep(self.at(seconds), &mut SplitMix::new(1))
    }

    fn is_out(&self, index: usize) -> bool {
        self.host(index).has(HealthFlag::FailedOutlierCheck)
    }
}

fn detected(event: &Event) -> Option<(Cause, Verdict)> {
    match event {
        Event::Detected { cause, verdict, .. } => Some((*cause, *verdict)),
        Event::Returned { .. } => None,
    }
}

const BAD: Outcome = Outcome::Response(500);
const GOOD: Outcome = Outcome::Response(200);

#[test]
fn a_row_of_failures_ejects_and_a_success_ends_the_row() {
    let cluster = Cluster::new(4, config());
    assert_eq!(cluster.record(0, BAD, 2, 0), []);
    assert_eq!(cluster.record(0, GOOD, 1, 0), []);
    assert_eq!(cluster.record(0, BAD, 2, 0), []);
    assert!(!cluster.is_out(0));
    assert_eq!(cluster.record(0, BAD, 1, 0), [(Cause::Consecutive5xx, Verdict::Ejected)]);
    assert!(cluster.is_out(0));
    // Results of requests that were still under way change nothing.
    assert_eq!(cluster.record(0, BAD, 10, 0), []);
}

#[test]
fn gateway_failures_are_a_row_of_their_own() {
    let cluster = Cluster::new(4, config());
    // Not enforced by default: detected only.
    assert_eq!(
        cluster.record(0, Outcome::Response(503), 2, 0),
        [(Cause::ConsecutiveGatewayFailure, Verdict::Spared)]
    );
    // Another 5xx ends the row of gateway failures but not that of 5xx.
    assert_eq!(cluster.record(0, BAD, 1, 0), [(Cause::Consecutive5xx, Verdict::Ejected)]);
    assert_eq!(cluster.record(1, Outcome::Response(502), 1, 0), []);
    assert_eq!(cluster.record(1, BAD, 1, 0), []);
    assert_eq!(cluster.record(1, Outcome::Timeout, 1, 0), [(Cause::Consecutive5xx, Verdict::Ejected)]);
}

#[test]
fn local_failures_count_as_5xx_unless_they_are_split() {
    let cluster = Cluster::new(4, config());
    let found = cluster.record(0, Outcome::ConnectFailed, 3, 0);
    assert_eq!(found.last(), Some(&(Cause::Consecutive5xx, Verdict::Ejected)));

    let split = OutlierDetection { split_external_local_origin_errors: true, ..config() };
    let cluster = Cluster::new(4, split);
    assert_eq!(cluster.record(0, Outcome::ConnectFailed, 1, 0), []);
    assert_eq!(cluster.record(0, Outcome::Connected, 1, 0), []);
    assert_eq!(
        cluster.record(0, Outcome::Timeout, 2, 0),
        [(Cause::ConsecutiveLocalOriginFailure, Verdict::Ejected)]
    );
    assert_eq!(
        cluster.record(1, Outcome::ExternalFailed, 3, 0).last(),
        Some(&(Cause::Consecutive5xx, Verdict::Ejected))
    );
}

#[test]
fn only_a_share_of_hosts_goes() {
    let cluster = Cluster::new(4, config());
    for index in 0..2 {
        assert_eq!(cluster.record(index, BAD, 3, 0), [(Cause::Consecutive5xx, Verdict::Ejected)]);
    }
    assert_eq!(cluster.record(2, BAD, 3, 0), [(Cause::Consecutive5xx, Verdict::Overflow)]);
    assert_eq!(cluster.detector().ejected(), 2);

    // 10 % of 4 hosts is none, unless one may always go.
    let ten = OutlierDetection { max_ejection_percent: 10, ..config() };
    assert_eq!(
        Cluster::new(4, ten.clone()).record(0, BAD, 3, 0),
        [(Cause::Consecutive5xx, Verdict::Overflow)]
    );
    let one = Cluster::new(4, OutlierDetection { always_eject_one: true, ..ten });
    assert_eq!(one.record(0, BAD, 3, 0), [(Cause::Consecutive5xx, Verdict::Ejected)]);
    assert_eq!(one.record(1, BAD, 3, 0), [(Cause::Consecutive5xx, Verdict::Overflow)]);
}

#[test]
fn time_out_grows_with_each_ejection_and_shrinks_when_quiet() {
    let cluster = Cluster::new(4, config());
    let mut now = 0;
    for ejection in 1..=3u64 {
        cluster.record(0, BAD, 3, now);
        assert!(cluster.sweep(now + 30 * ejection - 1).is_empty());
        assert!(cluster.is_out(0));
        now += 30 * ejection;
        assert!(matches!(cluster.sweep(now)[..], [Event::Returned { .. }]));
        assert!(!cluster.is_out(0));
    }
    // Two quiet intervals take two off the factor of three: the next time is 2 × 30 s.
    cluster.sweep(now + 10);
    cluster.sweep(now + 20);
    now += 20;
    cluster.record(0, BAD, 3, now);
    assert!(cluster.sweep(now + 59).is_empty());
    assert_eq!(cluster.sweep(now + 60).len(), 1);
}

#[test]
fn time_out_has_a_maximum_and_jitter() {
    let longest = Duration::from_secs(45);
    let jitter = Duration::from_secs(10);
    let short = OutlierDetection { max_ejection_time: longest, max_ejection_time_jitter: jitter, ..config() };
    let cluster = Cluster::new(4, short);
    let mut now = 0;
    for _ in 0..5 {
        cluster.record(0, BAD, 3, now);
        assert!(cluster.sweep(now + 29).is_empty());
        now += 55;
        assert_eq!(cluster.sweep(now).len(), 1);
    }
}

#[test]
fn a_passed_check_brings_a_host_back() {
    let cluster = Cluster::new(4, config());
    cluster.record(0, BAD, 3, 0);
    assert!(cluster.detector().active_check_passed(cluster.host(0), cluster.at(1)).is_some());
    assert!(!cluster.is_out(0));
    assert!(cluster.detector().active_check_passed(cluster.host(0), cluster.at(1)).is_none());
}

#[test]
fn success_rates_are_compared_with_the_mean() {
    let cluster = Cluster::new(5, OutlierDetection { consecutive_5xx: 0, ..config() });
    // 50 % and four times 100 %: mean 90, deviation 20, threshold 90 − 1.9 × 20 = 52.
    cluster.record(0, BAD, 50, 0);
    cluster.record(0, GOOD, 50, 0);
    for index in 1..5 {
        cluster.record(index, GOOD, 100, 0);
    }
    let found: Vec<_> = cluster.sweep(10).iter().filter_map(detected).collect();
    assert_eq!(found, [(Cause::SuccessRate, Verdict::Ejected)]);
    assert!(cluster.is_out(0));
    // The windows are new: nothing is known.
    assert_eq!(cluster.sweep(20).len(), 0);
}

#[test]
fn failure_percentage_needs_hosts_and_requests() {
    let mut enforcing = config();
    enforcing.consecutive_5xx = 0;
    enforcing.success_rate.request_volume = 1_000_000;
    enforcing.failure_percentage.enforcing = 100;
    for (hosts, requests, expect) in [(5, 50, 1), (5, 49, 0), (4, 50, 0)] {
        let cluster = Cluster::new(hosts, enforcing.clone());
        for index in 0..hosts {
            let outcome = if index == 0 { BAD } else { GOOD };
            cluster.record(index, outcome, requests, 0);
        }
        let found: Vec<_> = cluster.sweep(10).iter().filter_map(detected).collect();
        assert_eq!(found.len(), expect, "{hosts} hosts, {requests} requests");
        assert!(found.iter().all(|f| *f == (Cause::FailurePercentage, Verdict::Ejected)));
    }
}

proptest! {
    #[test]
    fn the_share_is_never_exceeded(
        percent in 0u32..=100,
        steps in proptest::collection::vec((0usize..6, any::<bool>()), 0..200),
    ) {
        let cluster = Cluster::new(6, OutlierDetection { max_ejection_percent: percent, ..config() });
        for (second, (index, good)) in (0u64..).zip(steps) {
            cluster.record(index, if good { GOOD } else { BAD }, 1, second);
            if second % 10 == 0 {
                cluster.sweep(second);
            }
            prop_assert!(cluster.detector().ejected() * 100 <= u64::from(percent) * 6);
        }
    }
}
