//! Which localities get calls, and in which order (DR-07).

use std::collections::{BTreeMap, BTreeSet};

use weft_api::istio::load_balancer::{Distribute, Failover, LocalitySetting};
use weft_model::endpoint::{Endpoint, Locality};

use crate::cluster::Policy;
use crate::view::View;

/// Endpoints that are balanced as one.
#[derive(Debug)]
pub(super) struct Group<'e> {
    pub(super) locality: Locality,
    /// 0 goes first; the next only when too few of those before are healthy.
    pub(super) priority: u32,
    pub(super) weight: u32,
    pub(super) endpoints: Vec<&'e Endpoint>,
}

/// Groups endpoints by locality. Failover needs outlier detection, without which no endpoint is ever
/// unhealthy; a distribution does not.
pub(super) fn place<'e>(view: &View<'_>, policy: &Policy<'_>, endpoints: &[&'e Endpoint]) -> Vec<Group<'e>> {
    let setting = policy.load_balancer.and_then(|lb| lb.locality.as_ref());
    let enabled = setting.is_none_or(|setting| setting.enabled.unwrap_or(true));
    let own = &view.locality;
    let rank = |endpoint: &Endpoint| -> u32 {
        if !enabled || policy.outlier_detection.is_none() || setting.is_some_and(|s| !s.distribute.is_empty())
        {
            return 0;
        }
        match setting {
            Some(LocalitySetting { failover_priority, .. }) if !failover_priority.is_empty() => {
                by_labels(view, failover_priority, endpoint)
            }
            _ if *own == Locality::default() => 0,
            setting => by_distance(own, &endpoint.locality, setting.map_or(&[], |s| &s.failover)),
        }
    };
    let mut groups: BTreeMap<(u32, &Locality), Vec<&'e Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        groups.entry((rank(endpoint), &endpoint.locality)).or_default().push(endpoint);
    }
    // Envoy wants priorities without gaps.
    let ranks: BTreeSet<u32> = groups.keys().map(|(rank, _)| *rank).collect();
    let place = |rank: u32| u32::try_from(ranks.range(..rank).count()).unwrap_or(u32::MAX);
    let mut placed: Vec<Group<'e>> = groups
        .into_iter()
        .map(|((rank, locality), endpoints)| Group {
            locality: locality.clone(),
            priority: place(rank),
            weight: endpoints.iter().fold(0, |sum: u32, e| sum.saturating_add(e.weight.max(1))),
            endpoints,
        })
        .collect();
    if enabled && let Some(rule) = setting.and_then(|s| distribution(&s.distribute, own)) {
        distribute(rule, &mut placed);
    }
    placed
}

/// 0 in the same subzone, then zone, then region; then the region that failover names, then all others.
fn by_distance(own: &Locality, other: &Locality, failover: &[Failover]) -> u32 {
    if own.region != other.region {
        let to =
            failover.iter().find(|f| f.from.as_deref() == Some(&*own.region)).and_then(|f| f.to.as_deref());
        return if to == Some(&*other.region) { 3 } else { 4 };
    }
    match (own.zone == other.zone, own.subzone == other.subzone) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    }
}

/// How many of the ordered labels do not match, from the first that does not.
fn by_labels(view: &View<'_>, ordered: &[String], endpoint: &Endpoint) -> u32 {
    let matching = ordered.iter().take_while(|label| match label.split_once('=') {
        Some((key, value)) => label_of(endpoint, key) == Some(value),
        None => {
            let own = own_label(view, label);
            own.is_some() && own == label_of(endpoint, label)
        }
    });
    u32::try_from(ordered.len().saturating_sub(matching.count())).unwrap_or(u32::MAX)
}

fn own_label<'v>(view: &'v View<'_>, key: &str) -> Option<&'v str> {
    topology(key, &view.locality, &view.proxy.network, &view.proxy.cluster)
        .or_else(|| view.proxy.labels.get(key).map(String::as_str))
}

fn label_of<'e>(endpoint: &'e Endpoint, key: &str) -> Option<&'e str> {
    topology(key, &endpoint.locality, &endpoint.network, &endpoint.cluster)
        .or_else(|| endpoint.labels.get(key).map(String::as_str))
}

fn topology<'l>(key: &str, locality: &'l Locality, network: &'l str, cluster: &'l str) -> Option<&'l str> {
    let value = match key {
        "topology.kubernetes.io/region" => &locality.region,
        "topology.kubernetes.io/zone" => &locality.zone,
        "topology.istio.io/subzone" => &locality.subzone,
        "topology.istio.io/network" => network,
        "topology.istio.io/cluster" => cluster,
        _ => return None,
    };
    Some(value).filter(|value| !value.is_empty())
}

fn distribution<'s>(rules: &'s [Distribute], own: &Locality) -> Option<&'s Distribute> {
    rules.iter().find(|rule| covers(rule.from.as_deref().unwrap_or("*"), own))
}

/// Whether `region/zone/subzone`, whose end may be `*` or absent, covers a locality.
fn covers(pattern: &str, locality: &Locality) -> bool {
    let mut parts = [&locality.region, &locality.zone, &locality.subzone].into_iter();
    for wanted in pattern.split('/') {
        if wanted == "*" {
            return true;
        }
        if parts.next().is_none_or(|part| **part != *wanted) {
            return false;
        }
    }
    true
}

/// Gives the localities of each pattern their share, by their own weights; others get nothing.
fn distribute(rule: &Distribute, groups: &mut Vec<Group<'_>>) {
    // The most specific pattern of a locality counts: a longer one sorts behind its prefix.
    let pattern = |locality: &Locality| {
        rule.to
            .iter()
            .filter(|(pattern, _)| covers(pattern, locality))
            .max_by_key(|(pattern, _)| pattern.len())
    };
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for group in groups.iter() {
        if let Some((name, _)) = pattern(&group.locality) {
            *totals.entry(name).or_default() += u64::from(group.weight);
        }
    }
    groups.retain_mut(|group| {
        let Some((name, share)) = pattern(&group.locality) else { return false };
        let total = totals.get(name.as_str()).copied().unwrap_or(1).max(1);
        let weight = (u64::from(*share) * u64::from(group.weight)).div_ceil(total);
        group.weight = u32::try_from(weight).unwrap_or(u32::MAX);
        *share > 0
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearer_localities_go_first() {
        let own = Locality::parse("eu/a/1");
        let failover = [Failover { from: Some("eu".into()), to: Some("us".into()) }];
        let distance = |other: &str| by_distance(&own, &Locality::parse(other), &failover);
        let all = ["eu/a/1", "eu/a/2", "eu/b/1", "us/a/1", "ap/a/1"].map(distance);
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn patterns_cover_what_their_end_leaves_open() {
        let locality = Locality::parse("eu/a/1");
        for (pattern, expected) in [
            ("*", true),
            ("eu", true),
            ("eu/*", true),
            ("eu/a/*", true),
            ("eu/a/1", true),
            ("eu/b/*", false),
            ("us", false),
        ] {
            assert_eq!(covers(pattern, &locality), expected, "{pattern}");
        }
    }
}
