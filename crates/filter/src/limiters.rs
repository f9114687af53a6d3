//! Token buckets of local rate limits, shared by all workers.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Instant;

use weft_state::TokenBucket;
use weft_state::bucket::Pace;
use weft_tables::filter::LocalRateLimit;
use weft_types::Name;

/// The buckets in use, one for each configuration (a route's own is another one than the chain's). A
/// configuration that is swapped for a new one starts with a full bucket, as in Envoy.
#[derive(Debug, Default)]
pub struct Limiters(RwLock<HashMap<usize, Entry>>);

/// A bucket and the configuration that it belongs to. The weak reference keeps the allocation, so that
/// no other configuration can get the same address while the entry is there.
#[derive(Debug)]
struct Entry {
    config: Weak<LocalRateLimit>,
    limiter: Arc<Limiter>,
}

/// One local rate limit at work.
#[derive(Debug)]
pub(crate) struct Limiter {
    bucket: TokenBucket,
    pace: Pace,
    /// Counter of requests looked at (`<prefix>.http_local_rate_limit.enabled`).
    pub(crate) enabled: Name,
    /// Counter of requests with a token.
    pub(crate) ok: Name,
    /// Counter of requests without one.
    pub(crate) rate_limited: Name,
    /// Counter of requests that were answered for it.
    pub(crate) enforced: Name,
}

impl Limiter {
    fn new(config: &LocalRateLimit, now: Instant) -> Self {
        let counter = |name: &str| Name::from(format!("{}.http_local_rate_limit.{name}", config.stat_prefix));
        let pace = Pace {
            max_tokens: config.max_tokens,
            tokens_per_fill: config.tokens_per_fill,
            fill_interval: config.fill_interval,
        };
        Self {
            bucket: TokenBucket::new(&pace, now),
            pace,
            enabled: counter("enabled"),
            ok: counter("ok"),
            rate_limited: counter("rate_limited"),
            enforced: counter("enforced"),
        }
    }

    /// Takes a token; false when none is left. Without a bucket there is always one.
    pub(crate) fn try_take(&self, now: Instant) -> bool {
        self.pace.max_tokens == 0 || self.bucket.try_take(&self.pace, now)
    }
}

impl Limiters {
    /// The limiter of a configuration; made, with a full bucket, at its first request.
    pub(crate) fn of(&self, config: &Arc<LocalRateLimit>, now: Instant) -> Arc<Limiter> {
        let key = Arc::as_ptr(config) as usize;
        if let Some(entry) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return entry.limiter.clone();
        }
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Configurations change seldom, so that their number bounds the map.
        entries.retain(|_, entry| entry.config.strong_count() > 0);
        let made = || Entry { config: Arc::downgrade(config), limiter: Arc::new(Limiter::new(config, now)) };
        entries.entry(key).or_insert_with(made).limiter.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weft_types::FractionalPercent;

    use super::*;

    fn config() -> Arc<LocalRateLimit> {
        Arc::new(LocalRateLimit {
            stat_prefix: "p".into(),
            max_tokens: 1,
            tokens_per_fill: 1,
            fill_interval: Duration::from_secs(1),
            enabled: FractionalPercent::ALWAYS,
            enforced: FractionalPercent::ALWAYS,
            status: 429,
            response_headers: Vec::new(),
        })
    }

    #[test]
    fn each_configuration_has_a_bucket_of_its_own() {
        let (limiters, now) = (Limiters::default(), Instant::now());
        let (one, other) = (config(), config());
        assert!(limiters.of(&one, now).try_take(now));
        assert!(!limiters.of(&one, now).try_take(now));
        assert!(limiters.of(&other, now).try_take(now));
        assert!(limiters.of(&one, now).try_take(now + Duration::from_secs(1)));
        assert_eq!(&*limiters.of(&one, now).rate_limited, "p.http_local_rate_limit.rate_limited");
    }

    #[test]
    fn buckets_go_with_their_configurations() {
        let (limiters, now) = (Limiters::default(), Instant::now());
        for _ in 0..100 {
            let short_lived = config();
            assert!(limiters.of(&short_lived, now).try_take(now), "a new configuration has a full bucket");
        }
        assert!(limiters.0.read().unwrap().len() <= 1);
    }
}
