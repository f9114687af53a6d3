use std::time::Instant;

use weft_state::ClusterState;
use weft_tables::address::SocketAddress;
use weft_tables::cluster::{HealthProbe, Transport};
use weft_types::random::SplitMix;

use super::*;

const PASSED: Reading = Reading::Passed { degraded: false };

fn check() -> HealthCheck {
    let s = Duration::from_secs;
    HealthCheck {
        timeout: s(1),
        intervals: CheckIntervals {
            healthy: s(1),
            unhealthy: s(2),
            unhealthy_edge: s(3),
            healthy_edge: s(4),
            no_traffic: s(5),
            no_traffic_healthy: s(6),
            initial_jitter: s(0),
            jitter: s(0),
            jitter_percent: 0,
        },
        unhealthy_threshold: 2,
        healthy_threshold: 3,
        reuse_connection: true,
        probe: HealthProbe::Tcp { send: Vec::new(), receive: Vec::new() },
    }
}

/// Whether the host fails after each of the readings.
fn course(readings: &[Reading]) -> Vec<(bool, Transition)> {
    let cluster = ClusterState::new("c".into());
    let address = SocketAddress::Ip(([127, 0, 0, 1], 1).into());
    let host = cluster.host(&address, &Transport::default(), Instant::now());
    Course::begin(&host);
    let mut course = Course::default();
    readings
        .iter()
        .map(|reading| {
            let transition = course.record(&host, *reading, &check());
            (host.has(HealthFlag::FailedActiveCheck), transition)
        })
        .collect()
}

#[test]
fn the_first_check_decides_alone() {
    assert_eq!(course(&[PASSED]), [(false, Transition::Changed)]);
    assert_eq!(course(&[Reading::Missed]), [(true, Transition::Changed)]);
}

#[test]
fn later_checks_count_in_a_row() {
    use Transition::{Changed, Pending, Unchanged};
    let readings =
        [PASSED, Reading::Missed, PASSED, Reading::Missed, Reading::Missed, PASSED, PASSED, PASSED];
    let expected = [
        (false, Changed),
        (false, Pending),
        (false, Unchanged),
        (false, Pending),
        (true, Changed),
        (true, Pending),
        (true, Pending),
        (false, Changed),
    ];
    assert_eq!(course(&readings), expected);
}

#[test]
fn an_answer_that_says_no_needs_no_threshold() {
    assert_eq!(course(&[PASSED, Reading::Failed])[1], (true, Transition::Changed));
}

#[test]
fn degraded_hosts_pass_and_are_marked() {
    let readings = [Reading::Passed { degraded: true }, Reading::Passed { degraded: true }, PASSED];
    let transitions: Vec<_> = course(&readings).into_iter().map(|(_, transition)| transition).collect();
    assert_eq!(transitions, [Transition::Changed, Transition::Unchanged, Transition::Changed]);
}

#[test]
fn the_next_check_depends_on_result_and_traffic() {
    let next = |passed, transition, traffic| {
        next_check(&check().intervals, passed, transition, traffic, &mut SplitMix::new(1)).as_secs()
    };
    use Transition::{Changed, Pending, Unchanged};
    assert_eq!(next(true, Unchanged, true), 1);
    assert_eq!(next(false, Changed, true), 2);
    assert_eq!(next(false, Pending, true), 3);
    assert_eq!(next(true, Pending, true), 4);
    assert_eq!(next(true, Pending, false), 5);
    assert_eq!(next(false, Unchanged, false), 5);
    assert_eq!(next(true, Unchanged, false), 6);
}

#[test]
fn jitter_lengthens_and_stays_within_its_bounds() {
    let intervals =
        CheckIntervals { jitter: Duration::from_millis(500), jitter_percent: 50, ..check().intervals };
    for seed in 0..100 {
        let time = next_check(&intervals, true, Transition::Unchanged, true, &mut SplitMix::new(seed));
        assert!((1000..2000).contains(&time.as_millis()), "{time:?}");
    }
}
