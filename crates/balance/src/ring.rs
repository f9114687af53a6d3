//! The ketama ring.

use crate::hash;
use crate::host_set::HostHandle;
use crate::table::Shares;

/// A ring of hashes. A host has as many places as its share asks for, so that the least gets a whole
/// number; a key belongs to the next place at or after it.
#[derive(Debug)]
pub(crate) struct Ring {
    hosts: Vec<HostHandle>,
    /// Hash and index of the host, sorted.
    places: Vec<(u64, u32)>,
}

impl Ring {
    pub(crate) fn new(shares: &Shares, min_size: u64, max_size: u64, murmur: bool) -> Self {
        let hosts: Vec<HostHandle> = shares.iter().map(|(host, _)| HostHandle::clone(host)).collect();
        let least = shares.iter().map(|(_, share)| *share).fold(1.0, f64::min);
        let scale = ((least * min_size as f64).ceil() / least).min(max_size as f64);
        let mut places = Vec::new();
        // Running sums keep the ring stable when shares are no whole numbers.
        let (mut placed, mut target) = (0.0, 0.0);
        for (index, (host, share)) in (0..).zip(shares) {
            target += scale * share;
            let mut key = host.hash_key();
            key.push('_');
            let stem = key.len();
            let mut number = 0u64;
            while placed < target {
                key.truncate(stem);
                key.push_str(&number.to_string());
                let bytes = key.as_bytes();
                places.push((if murmur { hash::murmur(bytes) } else { hash::xx(bytes, 0) }, index));
                number += 1;
                placed += 1.0;
            }
        }
        places.sort_unstable();
        Self { hosts, places }
    }

    pub(crate) fn host(&self, hash: u64, attempt: u32) -> Option<&HostHandle> {
        let after = self.places.partition_point(|(place, _)| *place < hash);
        // Past the last place the ring begins again; attempts go on from where the key belongs.
        let start = if after == self.places.len() { 0 } else { after };
        let place = (start + attempt as usize).checked_rem(self.places.len())?;
        self.hosts.get(self.places.get(place)?.1 as usize)
    }
}
