//! Handles of series whose labels come from requests.

use std::collections::HashMap;
use std::hash::Hash;

/// Handles remembered by default.
pub const DEFAULT_CACHE_LIMIT: usize = 4096;

/// One worker's handles by what makes their labels (for `istio_requests_total` and its kin: workloads,
/// status, flags …), so that the registry and its lock are asked once a combination, not once a request.
#[derive(Debug)]
pub struct SeriesCache<K, H> {
    known: HashMap<K, H>,
    limit: usize,
}

impl<K: Hash + Eq, H: Copy> Default for SeriesCache<K, H> {
    fn default() -> Self {
        Self::with_limit(DEFAULT_CACHE_LIMIT)
    }
}

impl<K: Hash + Eq, H: Copy> SeriesCache<K, H> {
    /// A cache of that many handles.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { known: HashMap::new(), limit }
    }

    /// The handle for a key, made when it is not known. A full cache is emptied: the registry, which
    /// has its own limit, gives the same handles again.
    pub fn get(&mut self, key: K, make: impl FnOnce(&K) -> H) -> H {
        if let Some(handle) = self.known.get(&key) {
            return *handle;
        }
        if self.known.len() >= self.limit {
            self.known.clear();
        }
        let handle = make(&key);
        self.known.insert(key, handle);
        handle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Registry;

    #[test]
    fn asks_the_registry_once_a_combination_and_stays_within_its_limit() {
        let registry = Registry::new();
        let shard = registry.shard();
        let mut cache = SeriesCache::with_limit(2);
        let mut asked = 0;
        for code in [200, 503, 200, 503, 404, 200] {
            let counter = cache.get(code, |code: &u16| {
                asked += 1;
                registry.labelled_counter("istio_requests_total", &[("response_code", &code.to_string())])
            });
            shard.inc(counter);
        }
        assert_eq!(asked, 4);
        let ok = registry.labelled_counter("istio_requests_total", &[("response_code", "200")]);
        assert_eq!(registry.counter_value(ok), 3);
    }
}
