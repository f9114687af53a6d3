use proptest::prelude::*;

use super::*;

/// A priority of 100 hosts of which so many are healthy and degraded.
fn level(healthy: u32, degraded: u32) -> Membership {
    Membership { total: 100, healthy, degraded, excluded: 0 }
}

fn healthy_loads(percent: &[u32]) -> (Vec<u32>, Vec<bool>) {
    let levels: Vec<_> = percent.iter().map(|p| level(*p, 0)).collect();
    let loads = Loads::new(&levels, 140, 50);
    (loads.healthy, loads.panic)
}

/// The table for two priorities of "Priority levels" in Envoy's documentation.
#[test]
fn spills_over_as_documented_for_two_priorities() {
    for (p0, p1, load0, load1) in [
        (100, 100, 100, 0),
        (72, 100, 100, 0),
        (71, 100, 99, 1),
        (50, 100, 70, 30),
        (25, 100, 35, 65),
        (0, 100, 0, 100),
    ] {
        assert_eq!(healthy_loads(&[p0, p1]).0, [load0, load1], "{p0} {p1}");
    }
}

/// The table with panic of "Priority levels" in Envoy's documentation: healthy percent of each
/// priority → load, and panic per priority. In the last row the documentation says 7 and 93 %;
/// Envoy's code gives the percent lost to rounding to the first available priority.
#[test]
fn panics_as_documented() {
    type Row = ([u32; 2], [u32; 2], [bool; 2]);
    let rows: [Row; 7] = [
        ([72, 72], [100, 0], [false, false]),
        ([71, 71], [99, 1], [false, false]),
        ([50, 60], [70, 30], [false, false]),
        ([25, 100], [35, 65], [false, false]),
        ([25, 25], [50, 50], [true, true]),
        ([0, 0], [50, 50], [true, true]),
        ([5, 65], [8, 92], [true, false]),
    ];
    for (percent, load, panic) in rows {
        assert_eq!(healthy_loads(&percent), (load.to_vec(), panic.to_vec()), "{percent:?}");
    }
}

#[test]
fn degraded_hosts_take_what_healthy_ones_leave() {
    // Envoy's example: 10/20/10 % healthy and 20/10/0 % degraded availability, here without
    // overprovisioning.
    let levels = [level(10, 20), level(20, 10), level(10, 0)];
    let loads = Loads::new(&levels, 100, 0);
    assert_eq!(loads.healthy, [16, 28, 14]);
    assert_eq!(loads.degraded, [28, 14, 0]);
}

#[test]
fn without_panic_nothing_available_goes_to_the_first_priority() {
    let loads = Loads::new(&[level(0, 0), level(0, 0)], 140, 0);
    assert_eq!((loads.healthy, loads.panic), (vec![100, 0], vec![false, false]));
}

#[test]
fn excluded_hosts_do_not_count() {
    let level = Membership { total: 10, healthy: 5, degraded: 0, excluded: 5 };
    assert_eq!(Loads::new(&[level], 140, 50).panic, [false]);
    let level = Membership { excluded: 0, healthy: 4, ..level };
    assert_eq!(Loads::new(&[level], 140, 50).panic, [true]);
}

#[test]
fn avoided_priorities_get_nothing_unless_all_are_avoided() {
    let loads = Loads::new(&[level(100, 0), level(100, 0), level(100, 0)], 140, 50);
    assert_eq!(loads.healthy, [100, 0, 0]);
    assert_eq!(loads.without(&[0]).healthy, [0, 100, 0]);
    assert_eq!(loads.without(&[0, 1]).healthy, [0, 0, 100]);
    assert_eq!(loads.without(&[0, 1, 2]).healthy, [100, 0, 0]);
}

proptest! {
    #[test]
    fn shares_sum_to_100_and_every_draw_hits_a_priority_with_load(
        counts in proptest::collection::vec((0u32..20, 0u32..20, 0u32..20), 1..6),
        overprovisioning in 1u32..300,
        threshold in 0u32..=100,
        draw in any::<u64>(),
    ) {
        let levels: Vec<_> = counts
            .iter()
            .map(|(h, d, u)| Membership { total: h + d + u, healthy: *h, degraded: *d, excluded: 0 })
            .collect();
        let loads = Loads::new(&levels, overprovisioning, threshold);
        prop_assert_eq!(loads.healthy.iter().chain(&loads.degraded).sum::<u32>(), 100);
        let (index, degraded) = loads.choose(draw);
        let load = if degraded { loads.degraded[index] } else { loads.healthy[index] };
        prop_assert!(load > 0);
    }
}
