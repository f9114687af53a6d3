use std::collections::HashMap;
use std::time::Duration;

use weft_state::{ClusterState, HealthFlag};
use weft_tables::cluster::{Health, LbPolicy, SlowStart};
use weft_types::random::SplitMix;

use super::*;
use crate::testing::{endpoint, host_set, host_set_in, locality, plausible, port, settings, weighted};

const LEAST_REQUEST: LbPolicy = LbPolicy::LeastRequest { choices: 2, active_request_bias: 1.0 };

/// Picks so many times; how often each port came.
fn tally(
    balancer: &mut Balancer,
    hosts: &Arc<HostSet>,
    context: &PickContext<'_>,
    draws: u64,
) -> HashMap<u16, u64> {
    let mut rng = SplitMix::new(7);
    let mut counts = HashMap::new();
    for _ in 0..draws {
        *counts.entry(port(&balancer.pick(hosts, context, &mut rng).unwrap().host)).or_default() += 1;
    }
    counts
}

fn balancer(settings: Settings, seed: u64) -> Balancer {
    Balancer::new(settings, &mut SplitMix::new(seed))
}

#[test]
fn round_robin_rotates_from_a_seeded_start() {
    let now = Instant::now();
    let hosts = host_set(vec![locality(0, None, weighted(&[1, 1, 1]))], now);
    let mut starts = std::collections::HashSet::new();
    for seed in 0..20 {
        let mut balancer = balancer(settings(LbPolicy::RoundRobin), seed);
        let mut rng = SplitMix::new(1);
        let ports: Vec<u16> = (0..6)
            .map(|_| port(&balancer.pick(&hosts, &PickContext::new(now), &mut rng).unwrap().host))
            .collect();
        starts.insert(ports[0]);
        assert_eq!(ports[..3], ports[3..]);
        let mut sorted = ports[..3].to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, [1, 2, 3]);
    }
    assert_eq!(starts.len(), 3);
}

#[test]
fn weights_are_kept_exactly_by_round_robin_and_least_request() {
    let now = Instant::now();
    let hosts = host_set(vec![locality(0, None, weighted(&[1, 2, 5]))], now);
    for policy in [LbPolicy::RoundRobin, LEAST_REQUEST] {
        let counts = tally(&mut balancer(settings(policy), 3), &hosts, &PickContext::new(now), 800);
        for (port, share) in [(1, 100), (2, 200), (3, 500)] {
            assert!(counts[&port].abs_diff(share) <= 1, "{counts:?}");
        }
    }
}

#[test]
fn random_and_idle_least_request_are_even() {
    let now = Instant::now();
    let hosts = host_set(vec![locality(0, None, weighted(&[1, 1, 1, 1]))], now);
    for policy in [LbPolicy::Random, LEAST_REQUEST] {
        let counts = tally(&mut balancer(settings(policy), 3), &hosts, &PickContext::new(now), 20_000);
        assert!(counts.values().all(|c| plausible(*c, 20_000, 0.25)), "{counts:?}");
    }
}

#[test]
fn least_request_prefers_the_less_busy_of_two() {
    let now = Instant::now();
    let hosts = host_set(vec![locality(0, None, weighted(&[1, 1, 1, 1]))], now);
    let busy = hosts.hosts().next().unwrap();
    let _requests: Vec<_> = (0..5).map(|_| busy.state.begin_request()).collect();
    let counts = tally(&mut balancer(settings(LEAST_REQUEST), 3), &hosts, &PickContext::new(now), 16_000);
    // The busy one is taken only when both draws hit it.
    assert!(plausible(counts[&1], 16_000, 1.0 / 16.0), "{counts:?}");
    for port in 2..=4 {
        assert!(plausible(counts[&port], 16_000, 15.0 / 48.0), "{counts:?}");
    }
}

#[test]
fn weighted_least_request_divides_weight_by_load() {
    let now = Instant::now();
    let hosts = host_set(vec![locality(0, None, weighted(&[1, 4]))], now);
    let busy = hosts.hosts().nth(1).unwrap();
    let _requests: Vec<_> = (0..3).map(|_| busy.state.begin_request()).collect();
    // 4 / (3 + 1) = 1: as much as the other.
    let counts = tally(&mut balancer(settings(LEAST_REQUEST), 3), &hosts, &PickContext::new(now), 1_000);
    assert!(counts[&1].abs_diff(500) <= 1, "{counts:?}");
}

#[test]
fn unhealthy_hosts_get_nothing_until_panic_and_the_change_is_noticed() {
    let now = Instant::now();
    let hosts = host_set(vec![locality(0, None, weighted(&[1; 4]))], now);
    let mut balancer = balancer(settings(LbPolicy::RoundRobin), 1);
    let context = PickContext::new(now);
    assert_eq!(tally(&mut balancer, &hosts, &context, 8).len(), 4);
    let states: Vec<_> = hosts.hosts().map(|host| Arc::clone(&host.state)).collect();
    states[0].set(HealthFlag::FailedActiveCheck);
    states[1].set(HealthFlag::FailedOutlierCheck);
    let counts = tally(&mut balancer, &hosts, &context, 8);
    assert_eq!(counts, HashMap::from([(3, 4), (4, 4)]));
    // 1 of 4 is below 50 %: panic.
    states[2].set(HealthFlag::FailedActiveCheck);
    assert_eq!(tally(&mut balancer, &hosts, &context, 8).len(), 4);
    assert!(balancer.pick(&hosts, &context, &mut SplitMix::new(0)).unwrap().panic);
    states[0].clear(HealthFlag::FailedActiveCheck);
    assert_eq!(tally(&mut balancer, &hosts, &context, 8), HashMap::from([(1, 4), (4, 4)]));
}

#[test]
fn says_why_there_is_no_host() {
    let now = Instant::now();
    let context = PickContext::new(now);
    let mut rng = SplitMix::new(0);
    let empty = host_set(vec![], now);
    let mut plain = balancer(settings(LbPolicy::Random), 1);
    assert_eq!(plain.pick(&empty, &context, &mut rng).unwrap_err(), NoHost::Empty);
    let down = host_set(vec![locality(0, None, vec![endpoint(1, 1, Health::Unhealthy)])], now);
    let no_panic = Settings { panic_threshold: 0, ..settings(LbPolicy::Random) };
    assert_eq!(balancer(no_panic, 1).pick(&down, &context, &mut rng).unwrap_err(), NoHost::NoHealthy);
    let failing = Settings { fail_on_panic: true, ..settings(LbPolicy::Random) };
    assert_eq!(balancer(failing, 1).pick(&down, &context, &mut rng).unwrap_err(), NoHost::Panic);
    assert!(plain.pick(&down, &context, &mut rng).unwrap().panic);
}

#[test]
fn load_spills_to_the_next_priority_and_degraded_hosts_help() {
    let now = Instant::now();
    let mut first = weighted(&[1; 4]);
    first[0].health = Health::Draining;
    first[1].health = Health::Timeout;
    let second = (11..=14).map(|p| endpoint(p, 1, Health::Unknown)).collect();
    let hosts = host_set(vec![locality(0, None, first), locality(1, None, second)], now);
    let counts = tally(&mut balancer(settings(LbPolicy::Random), 1), &hosts, &PickContext::new(now), 10_000);
    // 50 % healthy times 1.4: 70 % stay.
    assert!(plausible(counts[&3] + counts[&4], 10_000, 0.7), "{counts:?}");
    assert!(!counts.contains_key(&1) && !counts.contains_key(&2));

    let mut one = weighted(&[1; 4]);
    one[0].health = Health::Unhealthy;
    one[1].health = Health::Unhealthy;
    one[2].health = Health::Degraded;
    let hosts = host_set(vec![locality(0, None, one)], now);
    let counts = tally(&mut balancer(settings(LbPolicy::Random), 1), &hosts, &PickContext::new(now), 10_000);
    // 35 % healthy and 35 % degraded availability, scaled to 100.
    assert!(plausible(counts[&4], 10_000, 0.5), "{counts:?}");
    assert!(plausible(counts[&3], 10_000, 0.5), "{counts:?}");
}

#[test]
fn locality_weights_scale_with_availability() {
    let now = Instant::now();
    let near = (1..=4).map(|p| endpoint(p, 1, Health::Healthy)).collect::<Vec<_>>();
    let far = (11..=14).map(|p| endpoint(p, 1, Health::Healthy)).collect::<Vec<_>>();
    let none = vec![endpoint(21, 1, Health::Healthy)];
    let weighted = Settings { locality_weighted: true, ..settings(LbPolicy::RoundRobin) };
    let near_share = |hosts: &Arc<HostSet>| {
        let counts = tally(&mut balancer(weighted.clone(), 5), hosts, &PickContext::new(now), 1_000);
        assert!(!counts.contains_key(&21));
        counts.iter().filter(|(port, _)| **port < 10).map(|(_, count)| *count).sum::<u64>()
    };
    let groups = |near: Vec<_>| {
        vec![locality(0, Some(3), near), locality(0, Some(1), far.clone()), locality(0, None, none.clone())]
    };
    let hosts = host_set(groups(near.clone()), now);
    assert!(near_share(&hosts).abs_diff(750) <= 1);
    // Half of the near ones down: 3 × 0.7 = 2.1 against 1.
    let mut half = near;
    half[0].health = Health::Unhealthy;
    half[1].health = Health::Unhealthy;
    let share = near_share(&host_set(groups(half), now));
    assert!(share.abs_diff(677) <= 2, "{share}");
}

#[test]
fn avoids_hosts_that_were_tried_as_far_as_the_draws_go() {
    let now = Instant::now();
    let hosts = host_set(vec![locality(0, None, weighted(&[1, 1]))], now);
    let tried: Vec<_> = hosts.hosts().take(1).cloned().collect();
    let context = PickContext { tried: &tried, selection_attempts: 5, ..PickContext::new(now) };
    let counts = tally(&mut balancer(settings(LbPolicy::RoundRobin), 1), &hosts, &context, 50);
    assert_eq!(counts, HashMap::from([(2, 50)]));
    let all: Vec<_> = hosts.hosts().cloned().collect();
    // All were tried: the fifth draw is taken as it is.
    let context = PickContext { tried: &all, selection_attempts: 4, ..context };
    assert_eq!(tally(&mut balancer(settings(LbPolicy::RoundRobin), 1), &hosts, &context, 50).len(), 2);
}

#[test]
fn positions_outlive_a_change_of_health() {
    let now = Instant::now();
    let hosts = host_set(vec![locality(0, None, weighted(&[1; 5]))], now);
    let mut balancer = balancer(settings(LbPolicy::RoundRobin), 1);
    let context = PickContext::new(now);
    let mut rng = SplitMix::new(1);
    let first = port(&balancer.pick(&hosts, &context, &mut rng).unwrap().host);
    let flapping = Arc::clone(&hosts.hosts().next().unwrap().state);
    flapping.set(HealthFlag::DegradedActiveCheck);
    flapping.clear(HealthFlag::DegradedActiveCheck);
    let second = port(&balancer.pick(&hosts, &context, &mut rng).unwrap().host);
    assert_eq!(second, first % 5 + 1);
}

#[test]
fn slow_start_ramps_a_new_host_up() {
    let cluster = Arc::new(ClusterState::new("c".into()));
    let start = Instant::now();
    let old = host_set_in(&cluster, vec![locality(0, None, weighted(&[1, 1]))], start);
    let later = start + Duration::from_secs(100);
    let hosts = host_set_in(&cluster, vec![locality(0, None, weighted(&[1, 1, 1]))], later);
    drop(old);
    let slow = SlowStart { window: Duration::from_secs(10), aggression: 1.0, min_weight_percent: 10.0 };
    let with_slow_start = Settings { slow_start: Some(slow), ..settings(LbPolicy::RoundRobin) };
    let share = |after: u64, expect: u64| {
        let now = later + Duration::from_secs(after);
        let mut balancer = balancer(with_slow_start.clone(), 9);
        let counts = tally(&mut balancer, &hosts, &PickContext::new(now), 2_100);
        assert!(counts[&3].abs_diff(expect) <= 2, "after {after} s: {counts:?}");
    };
    share(0, 100);
    share(5, 420);
    share(11, 700);
}

mod subsets {
    use std::collections::BTreeMap;

    use weft_tables::cluster::{Endpoint, MetadataValue, SubsetConfig, SubsetFallback};

    use super::*;

    fn text(text: &str) -> MetadataValue {
        MetadataValue::String(text.into())
    }

    fn versioned(port: u16, version: &str) -> Endpoint {
        let pairs = BTreeMap::from([("version".into(), text(version)), ("stage".into(), text("prod"))]);
        let mut endpoint = endpoint(port, 1, Health::Healthy);
        endpoint.metadata.insert("envoy.lb".into(), Arc::new(MetadataValue::Struct(pairs)));
        endpoint
    }

    fn wish(pairs: &[(&str, &str)]) -> Metadata {
        pairs.iter().map(|(key, value)| ((*key).into(), Arc::new(text(value)))).collect()
    }

    fn ports(fallback: SubsetFallback, wanted: &[(&str, &str)]) -> Result<Vec<u16>, NoHost> {
        let now = Instant::now();
        let endpoints = vec![versioned(1, "v1"), versioned(2, "v2"), versioned(3, "v2")];
        let hosts = host_set(vec![locality(0, None, endpoints)], now);
        let config = SubsetConfig { selectors: vec![vec!["version".into()]], fallback };
        let settings = Settings { subsets: Some(config), ..settings(LbPolicy::RoundRobin) };
        let mut balancer = balancer(settings, 1);
        let wanted = wish(wanted);
        let context = PickContext { subset: Some(&wanted), ..PickContext::new(now) };
        let mut ports = Vec::new();
        for _ in 0..6 {
            ports.push(port(&balancer.pick(&hosts, &context, &mut SplitMix::new(1))?.host));
        }
        ports.sort_unstable();
        ports.dedup();
        Ok(ports)
    }

    #[test]
    fn a_subset_needs_a_selector_with_its_keys_and_a_host_with_its_pairs() {
        assert_eq!(ports(SubsetFallback::None, &[("version", "v2")]), Ok(vec![2, 3]));
        assert_eq!(ports(SubsetFallback::None, &[("version", "v1")]), Ok(vec![1]));
        let missed: [&[(&str, &str)]; 4] =
            [&[("version", "v3")], &[("stage", "prod")], &[("version", "v1"), ("stage", "prod")], &[]];
        for wanted in missed {
            assert_eq!(ports(SubsetFallback::None, wanted), Err(NoHost::Subset), "{wanted:?}");
            assert_eq!(ports(SubsetFallback::Any, wanted), Ok(vec![1, 2, 3]), "{wanted:?}");
            let default = SubsetFallback::Default(BTreeMap::from([("version".into(), text("v1"))]));
            assert_eq!(ports(default, wanted), Ok(vec![1]), "{wanted:?}");
        }
        let unknown = SubsetFallback::Default(BTreeMap::from([("version".into(), text("v9"))]));
        assert_eq!(ports(unknown, &[]), Err(NoHost::Subset));
    }
}

#[test]
fn consistent_hashing_keeps_a_key_and_avoids_unhealthy_hosts() {
    let now = Instant::now();
    let hosts = host_set(vec![locality(0, None, weighted(&[1; 5]))], now);
    for policy in [LbPolicy::Maglev(251), LbPolicy::RingHash { min_size: 64, max_size: 1024, murmur: false }]
    {
        let mut one = balancer(settings(policy.clone()), 1);
        let mut two = balancer(settings(policy), 2);
        for key in 0..40u64 {
            let context =
                PickContext { hash: Some(crate::hash::xx(&key.to_le_bytes(), 0)), ..PickContext::new(now) };
            let mut rng = SplitMix::new(key);
            let first = one.pick(&hosts, &context, &mut rng).unwrap().host;
            assert!(Arc::ptr_eq(&first, &two.pick(&hosts, &context, &mut rng).unwrap().host));
            let tried = [Arc::clone(&first)];
            let again = PickContext { tried: &tried, selection_attempts: 50, ..context };
            assert!(!Arc::ptr_eq(&first, &one.pick(&hosts, &again, &mut rng).unwrap().host));
            first.state.set(HealthFlag::FailedActiveCheck);
            assert!(!Arc::ptr_eq(&first, &one.pick(&hosts, &context, &mut rng).unwrap().host));
            first.state.clear(HealthFlag::FailedActiveCheck);
            assert!(Arc::ptr_eq(&first, &one.pick(&hosts, &context, &mut rng).unwrap().host));
        }
    }
}
