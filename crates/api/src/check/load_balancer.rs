//! Load balancing (DR-05 to DR-09).

use std::collections::BTreeSet;

use super::{bounds, exclusive, header, set};
use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::istio::load_balancer::{
    ConsistentHash, Distribute, Failover, HashCookie, LoadBalancer, LocalitySetting, SimpleLoadBalancer,
    Warmup, ZoneAwareSetting,
};
use crate::report::Report;

/// Largest Maglev table (Envoy's bound).
const LARGEST_TABLE: u64 = 5_000_011;
/// Largest ring (Envoy's bound).
const LARGEST_RING: u64 = 8_388_608;

pub(super) fn check(r: &mut Report, balancer: &LoadBalancer) {
    let LoadBalancer { simple, consistent_hash, locality, zone_aware, warmup, warmup_duration } = balancer;
    exclusive(r, &[("simple", simple.is_some()), ("consistentHash", consistent_hash.is_some())]);
    exclusive(r, &[("localityLbSetting", locality.is_some()), ("zoneAwareLbSetting", zone_aware.is_some())]);
    exclusive(r, &[("warmup", warmup.is_some()), ("warmupDurationSecs", warmup_duration.is_some())]);
    r.maybe("consistentHash", consistent_hash.as_ref(), check_hash);
    r.maybe("localityLbSetting", locality.as_ref(), check_locality);
    r.maybe("zoneAwareLbSetting", zone_aware.as_ref(), |r, zones| {
        let ZoneAwareSetting { enabled: _, failover, failover_priority, min_cluster_size } = zones;
        check_failover(r, failover);
        exclusive_failover(r, failover, failover_priority);
        r.maybe("minClusterSize", min_cluster_size.as_ref(), |r, size| bounds(r, *size, 1, u64::MAX));
    });
    r.maybe("warmup", warmup.as_ref(), |r, warmup| {
        let Warmup { duration: _, minimum_percent, aggression } = warmup;
        r.maybe("minimumPercent", minimum_percent.as_ref(), |r, percent| bounds(r, *percent, 0.0, 100.0));
        r.maybe("aggression", aggression.as_ref(), |r, aggression| {
            if *aggression < 1.0 {
                r.error(Code::OutOfBounds, format!("{aggression} is less than 1"));
            }
        });
    });
    let cannot_warm_up = consistent_hash.is_some()
        || matches!(simple, Some(SimpleLoadBalancer::Random | SimpleLoadBalancer::Passthrough));
    if (warmup.is_some() || warmup_duration.is_some()) && cannot_warm_up {
        r.error(Code::LoadBalancer, "only ROUND_ROBIN and LEAST_REQUEST can warm endpoints up");
    }
}

fn check_hash(r: &mut Report, hash: &ConsistentHash) {
    let ConsistentHash {
        http_header_name,
        http_cookie,
        use_source_ip,
        http_query_parameter_name,
        ring_hash,
        maglev,
        minimum_ring_size,
    } = hash;
    let keys = [
        ("httpHeaderName", http_header_name.is_some()),
        ("httpCookie", http_cookie.is_some()),
        ("useSourceIp", use_source_ip.is_some()),
        ("httpQueryParameterName", http_query_parameter_name.is_some()),
    ];
    exclusive(r, &keys);
    if set(&keys).is_empty() {
        let message =
            "hashes nothing: needs httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName";
        r.error(Code::LoadBalancer, message);
    }
    exclusive(
        r,
        &[
            ("ringHash", ring_hash.is_some()),
            ("maglev", maglev.is_some()),
            ("minimumRingSize", minimum_ring_size.is_some()),
        ],
    );
    r.maybe("httpHeaderName", http_header_name.as_ref(), |r, name| header::name(r, name, true));
    r.maybe("httpCookie", http_cookie.as_ref(), |r, cookie| {
        let HashCookie { name, path: _, ttl, attributes } = cookie;
        r.within("name", |r| header::name(r, name, false));
        if ttl.is_none() && !attributes.is_empty() {
            r.warn_at("attributes", Code::WithoutEffect, "without ttl, no cookie is made");
        }
    });
    r.maybe("minimumRingSize", minimum_ring_size.as_ref(), |r, size| bounds(r, *size, 0, LARGEST_RING));
    r.maybe("ringHash", ring_hash.as_ref(), |r, ring| {
        r.maybe("minimumRingSize", ring.minimum_ring_size.as_ref(), |r, size| {
            bounds(r, *size, 0, LARGEST_RING);
        });
    });
    r.maybe("maglev", maglev.as_ref(), |r, maglev| {
        r.maybe("tableSize", maglev.table_size.as_ref(), |r, size| {
            bounds(r, *size, 0, LARGEST_TABLE);
            // 0 is the default.
            if *size != 0 && *size <= LARGEST_TABLE && !is_prime(*size) {
                r.error(Code::LoadBalancer, format!("{size} is not a prime number"));
            }
        });
    });
}

/// Trial division: at most 2,236 steps for the largest table.
fn is_prime(number: u64) -> bool {
    number > 1
        && (2..)
            .take_while(|divisor| divisor * divisor <= number)
            .all(|divisor: u64| !number.is_multiple_of(divisor))
}

fn check_locality(r: &mut Report, setting: &LocalitySetting) {
    let LocalitySetting { enabled: _, distribute, failover, failover_priority } = setting;
    let fails_over = !failover.is_empty() || !failover_priority.is_empty();
    exclusive(r, &[("distribute", !distribute.is_empty()), ("failover or failoverPriority", fails_over)]);
    exclusive_failover(r, failover, failover_priority);
    check_failover(r, failover);
    let mut sources = BTreeSet::new();
    r.each("distribute", distribute, |r, distribute| {
        let Distribute { from, to } = distribute;
        let from = from.as_deref().unwrap_or_default();
        r.within("from", |r| {
            locality(r, from);
            if !sources.insert(from.to_owned()) {
                r.error(Code::Locality, format!("{from} has its shares twice"));
            }
        });
        r.within("to", |r| {
            for (to, share) in to {
                r.key(to, |r| {
                    locality(r, to);
                    if *share == 0 {
                        r.error(Code::Locality, "a share of 0 says nothing; leave it out");
                    }
                });
            }
            let sum = to.values().fold(0u64, |sum, share| sum + u64::from(*share));
            if sum != 100 {
                r.error(Code::Locality, format!("the shares sum to {sum}, not to 100"));
            }
        });
    });
}

/// A region that both are given for would fail over in two ways.
fn exclusive_failover(r: &mut Report, failover: &[Failover], priority: &[String]) {
    let regions = priority.iter().any(|key| key.starts_with("topology.kubernetes.io/region"));
    if !failover.is_empty() && regions {
        r.error_at("failoverPriority", Code::Exclusive, "failover already says which regions come first");
    }
}

fn check_failover(r: &mut Report, failover: &[Failover]) {
    r.each("failover", failover, |r, failover| {
        let (from, to) = (failover.from.as_deref(), failover.to.as_deref());
        let (Some(from), Some(to)) = (from, to) else {
            return r.error(Code::Locality, "needs both from and to");
        };
        if from == to {
            r.error(Code::Locality, format!("{from} cannot stand in for itself"));
        }
        for (field, region) in [("from", from), ("to", to)] {
            if region.contains(['/', '*']) {
                let message = format!("{:?} is not a region, without zone and wildcard", shorten(region));
                r.error_at(field, Code::Locality, message);
            }
        }
    });
}

/// Checks `region/zone/subzone`, of which the last may be `*`.
fn locality(r: &mut Report, text: &str) {
    let parts: Vec<&str> = text.split('/').collect();
    let wildcard = text.find('*').is_none_or(|at| at + 1 == text.len() && (at == 0 || text.ends_with("/*")));
    if parts.len() > 3 || parts.iter().any(|part| part.is_empty()) || !wildcard {
        let message = format!("{:?} is not a locality", shorten(text));
        r.error_with_hint(Code::Locality, message, "write REGION/ZONE/SUBZONE, REGION/* or *");
    }
}
