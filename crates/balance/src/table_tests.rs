use std::time::Instant;

use proptest::prelude::*;
use weft_tables::address::SocketAddress;
use weft_tables::cluster::{Endpoint, Health};

use super::*;
use crate::hash;
use crate::testing::{endpoint, host_set, locality, port};

const RING: LbPolicy = LbPolicy::RingHash { min_size: 1024, max_size: 8 << 20, murmur: false };

/// Hosts 127.0.0.1:18201 and up, with these weights.
fn table(policy: &LbPolicy, weights: &[u32]) -> HashTable {
    let endpoints = (18_201..).zip(weights).map(|(port, weight)| Endpoint {
        address: SocketAddress::Ip(([127, 0, 0, 1], port).into()),
        ..endpoint(port, *weight, Health::Healthy)
    });
    let hosts = host_set(vec![locality(0, None, endpoints.collect())], Instant::now());
    HashTable::new(policy, &shares(&hosts.priorities[0], false, false)).unwrap()
}

fn chosen(table: &HashTable, keys: impl Iterator<Item = String>) -> String {
    keys.map(|key| {
        let host = table.host(hash::xx(key.as_bytes(), 0), 0).unwrap();
        (port(host) - 18_200).to_string()
    })
    .collect()
}

fn users(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("user-{n}"))
}

/// What Envoy 1.40 chose for requests hashed by a header `user-0`, `user-1` …
#[test]
fn chooses_what_envoy_chooses() {
    for (policy, weights, expect) in [
        (RING, [1; 5], "112333545431123131253122355445324135541333413442525245452323"),
        (
            LbPolicy::RingHash { min_size: 64, max_size: 8 << 20, murmur: false },
            [1, 2, 3, 4, 5],
            "445555255445525554555435555545455555545452135242525455552553",
        ),
        (
            LbPolicy::RingHash { min_size: 1024, max_size: 8 << 20, murmur: true },
            [1; 5],
            "242121533222125214542223244353353232325451252552254532222544",
        ),
        (LbPolicy::Maglev(65_537), [1; 5], "153324134141113553322343144513334431413412213412234225535545"),
        (
            LbPolicy::Maglev(251),
            [1, 2, 3, 4, 5],
            "554352434552425415244545543434542455542354243542143535522314",
        ),
    ] {
        assert_eq!(chosen(&table(&policy, &weights), users(60)), expect, "{policy:?}");
    }
}

#[test]
fn keys_spread_by_weight() {
    for policy in [RING, LbPolicy::Maglev(65_537)] {
        let table = table(&policy, &[1, 2, 4]);
        let all = chosen(&table, users(70_000));
        for (digit, share) in [('1', 1.0 / 7.0), ('2', 2.0 / 7.0), ('3', 4.0 / 7.0)] {
            let count = all.chars().filter(|c| *c == digit).count() as f64;
            // A ring of 1,024 places is itself uneven by some 10 %; Maglev is exact.
            assert!((count / 70_000.0 / share - 1.0).abs() < 0.2, "{policy:?} {digit} {count}");
        }
    }
}

#[test]
fn losing_a_host_moves_few_other_keys() {
    // A ring gives each of four hosts more places than each of five, so some keys move among them.
    for (policy, most) in [(RING, 0.2), (LbPolicy::Maglev(65_537), 0.06)] {
        let before = chosen(&table(&policy, &[1; 5]), users(5_000));
        let after = chosen(&table(&policy, &[1; 4]), users(5_000));
        let kept = before.chars().zip(after.chars()).filter(|(b, _)| *b != '5');
        let moved = kept.clone().filter(|(b, a)| b != a).count() as f64 / kept.count() as f64;
        assert!(moved <= most, "{policy:?}: {moved}");
    }
}

#[test]
fn further_attempts_reach_other_hosts() {
    for policy in [RING, LbPolicy::Maglev(65_537)] {
        let table = table(&policy, &[1; 5]);
        for key in 0..50u64 {
            let hash = hash::xx(&key.to_le_bytes(), 0);
            let first = port(table.host(hash, 0).unwrap());
            assert!((1..20).any(|attempt| port(table.host(hash, attempt).unwrap()) != first));
        }
    }
}

#[test]
fn a_table_of_no_hosts_has_none() {
    for policy in [RING, LbPolicy::Maglev(7)] {
        assert!(HashTable::new(&policy, &Vec::new()).unwrap().host(1, 0).is_none());
    }
    assert!(HashTable::new(&LbPolicy::Random, &Vec::new()).is_none());
}

#[test]
fn locality_weights_share_the_table() {
    let group = |weight, ports: &[u16]| {
        locality(0, weight, ports.iter().map(|p| endpoint(*p, 1, Health::Healthy)).collect())
    };
    let groups = vec![group(Some(3), &[1, 2]), group(Some(1), &[3]), group(None, &[4])];
    let hosts = host_set(groups, Instant::now());
    let by_port: Vec<_> =
        shares(&hosts.priorities[0], false, true).iter().map(|(host, share)| (port(host), *share)).collect();
    assert_eq!(by_port, [(1, 0.375), (2, 0.375), (3, 0.25)]);
    assert_eq!(shares(&hosts.priorities[0], false, false).len(), 4);
}

proptest! {
    #[test]
    fn any_size_is_filled_and_even(size in 0u64..2_000, hosts in 1usize..20) {
        let table = Maglev::new(&shares_of(hosts), size);
        let all: Vec<u16> = (0..size.max(2)).map(|n| port(table.host(n, 0).unwrap())).collect();
        let counts: Vec<usize> =
            (18_201..18_201 + hosts as u16).map(|p| all.iter().filter(|a| **a == p).count()).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{counts:?}");
    }
}

fn shares_of(count: usize) -> Shares {
    let endpoints = (18_201..).take(count).map(|port| endpoint(port, 1, Health::Healthy)).collect();
    shares(&host_set(vec![locality(0, None, endpoints)], Instant::now()).priorities[0], false, false)
}
