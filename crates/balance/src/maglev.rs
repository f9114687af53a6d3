//! Maglev tables.

use crate::hash;
use crate::host_set::HostHandle;
use crate::table::Shares;

/// Sizes above this are taken as this (Envoy refuses them).
const MAX_SIZE: u64 = 5_000_011;
/// An empty place.
const EMPTY: u32 = u32::MAX;

/// A table of hosts, filled by each host's own permutation of places in turn.
#[derive(Debug)]
pub(crate) struct Maglev {
    hosts: Vec<HostHandle>,
    /// Index of the host.
    places: Vec<u32>,
}

/// A host while the table is filled.
struct Entry {
    offset: u64,
    skip: u64,
    next: u64,
    share: f64,
    target: f64,
}

impl Maglev {
    pub(crate) fn new(shares: &Shares, size: u64) -> Self {
        let size = size.clamp(2, MAX_SIZE);
        // The order decides who fills first; so it must not depend on how hosts were discovered.
        let mut sorted: Vec<(String, &HostHandle, f64)> =
            shares.iter().map(|(host, share)| (host.hash_key(), host, *share)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let hosts: Vec<HostHandle> = sorted.iter().map(|(_, host, _)| HostHandle::clone(host)).collect();
        let entry = |(key, _, share): &(String, &HostHandle, f64)| Entry {
            offset: hash::xx(key.as_bytes(), 0) % size,
            skip: hash::xx(key.as_bytes(), 1) % (size - 1) + 1,
            next: 0,
            share: *share,
            target: 0.0,
        };
        let mut entries: Vec<Entry> = sorted.iter().map(entry).collect();
        let places = if entries.is_empty() { Vec::new() } else { fill(&mut entries, size) };
        Self { hosts, places }
    }

    pub(crate) fn host(&self, hash: u64, attempt: u32) -> Option<&HostHandle> {
        // A further attempt turns most bits round, so that retries spread.
        let hash = match attempt.checked_sub(1) {
            Some(attempt) => hash ^ (u64::MAX - u64::from(attempt)),
            None => hash,
        };
        let place = hash.checked_rem(self.places.len() as u64)?;
        self.hosts.get(*self.places.get(usize::try_from(place).ok()?)? as usize)
    }
}

/// Fills the table: in each round an entry of the greatest share takes a place, others as often as
/// their share compares with it.
fn fill(entries: &mut [Entry], size: u64) -> Vec<u32> {
    let greatest = entries.iter().map(|entry| entry.share).fold(0.0, f64::max);
    let mut places = vec![EMPTY; usize::try_from(size).unwrap_or_default()];
    let mut left = places.len();
    let mut round = 0.0;
    while left > 0 {
        round += 1.0;
        for (index, entry) in (0u32..).zip(entries.iter_mut()) {
            if left == 0 {
                break;
            }
            if round * entry.share < entry.target {
                continue;
            }
            entry.target += greatest;
            if let Some(place) = entry.take(&places, size).and_then(|at| places.get_mut(at)) {
                *place = index;
                left -= 1;
            }
        }
    }
    places
}

impl Entry {
    /// The next empty place of the entry's permutation. With a size that is no prime the permutation
    /// may miss places: then the first empty one.
    fn take(&mut self, places: &[u32], size: u64) -> Option<usize> {
        for _ in 0..size {
            let at = usize::try_from((self.offset + self.skip * self.next) % size).ok()?;
            self.next += 1;
            if places.get(at) == Some(&EMPTY) {
                return Some(at);
            }
        }
        places.iter().position(|place| *place == EMPTY)
    }
}
