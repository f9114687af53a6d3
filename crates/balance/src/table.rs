//! Tables of consistent hashing.

use weft_tables::cluster::LbPolicy;

use crate::host_set::{HostHandle, HostHealth, LocalityHosts};
use crate::maglev::Maglev;
use crate::ring::Ring;

/// A table over the hosts of one priority.
#[derive(Debug)]
pub(crate) enum HashTable {
    Ring(Ring),
    Maglev(Maglev),
}

/// A host with its share; shares sum to 1.
pub(crate) type Shares = Vec<(HostHandle, f64)>;

impl HashTable {
    /// The table for a policy; `None`: the policy has no table.
    pub(crate) fn new(policy: &LbPolicy, shares: &Shares) -> Option<Self> {
        match policy {
            LbPolicy::RingHash { min_size, max_size, murmur } => {
                Some(Self::Ring(Ring::new(shares, *min_size, *max_size, *murmur)))
            }
            LbPolicy::Maglev(size) => Some(Self::Maglev(Maglev::new(shares, *size))),
            _ => None,
        }
    }

    /// The host for a hash; a further attempt gives another place.
    pub(crate) fn host(&self, hash: u64, attempt: u32) -> Option<&HostHandle> {
        match self {
            Self::Ring(ring) => ring.host(hash, attempt),
            Self::Maglev(maglev) => maglev.host(hash, attempt),
        }
    }
}

/// Shares of the healthy hosts of a priority (of all in panic): by their weights, within localities by
/// those of the localities if they are weighted.
pub(crate) fn shares(groups: &[LocalityHosts], panic: bool, locality_weighted: bool) -> Shares {
    let usable = |host: &&HostHandle| panic || host.health() == HostHealth::Healthy;
    let mut shares = Vec::new();
    let mut add = |hosts: Vec<&HostHandle>, share: f64| {
        let sum: f64 = hosts.iter().map(|host| weight(host)).sum();
        shares.extend(hosts.into_iter().map(|host| (HostHandle::clone(host), weight(host) * share / sum)));
    };
    let total: u64 = groups.iter().filter_map(|group| group.weight).map(u64::from).sum();
    if locality_weighted && total > 0 {
        for group in groups {
            let share = f64::from(group.weight.unwrap_or(0)) / total as f64;
            if share > 0.0 {
                add(group.hosts.iter().filter(usable).collect(), share);
            }
        }
    } else {
        add(groups.iter().flat_map(|group| &group.hosts).filter(usable).collect(), 1.0);
    }
    shares
}

fn weight(host: &HostHandle) -> f64 {
    f64::from(host.endpoint.weight.max(1))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
