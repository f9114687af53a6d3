//! Which endpoint of a host gets a request.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decode::{record, words};

record! {
    /// One of a simple rule and a hash, and what holds beside it.
    strict struct LoadBalancer {
        /// Simple rule (DR-05).
        simple: Option<SimpleLoadBalancer> = optional "simple",
        /// Hash, so that like requests go to one endpoint (DR-06).
        consistent_hash: Option<ConsistentHash> = optional "consistentHash",
        /// Which localities; replaces the mesh's setting as a whole (DR-07).
        locality: Option<LocalitySetting> = optional "localityLbSetting",
        /// Which zones, by the callers' own spread (DR-08).
        zone_aware: Option<ZoneAwareSetting> = optional "zoneAwareLbSetting",
        /// Slow start of new endpoints (DR-09).
        warmup: Option<Warmup> = optional "warmup",
        /// Time of slow start.
        warmup_duration: Option<Duration> = deprecated "warmupDurationSecs" ("use warmup.duration"),
    }
}

words! {
    /// Simple rules.
    enum SimpleLoadBalancer {
        /// The mesh's default, least request.
        Unspecified = "UNSPECIFIED",
        /// Least request, by its old name.
        LeastConn = "LEAST_CONN",
        /// By dice.
        Random = "RANDOM",
        /// The address that the caller asked for.
        Passthrough = "PASSTHROUGH",
        /// In turns.
        RoundRobin = "ROUND_ROBIN",
        /// The one of two with fewer requests.
        LeastRequest = "LEAST_REQUEST",
    }
}

record! {
    /// What is hashed, exactly one, and how hashes meet endpoints.
    strict struct ConsistentHash {
        /// A header.
        http_header_name: Option<String> = optional "httpHeaderName",
        /// A cookie, made if there is none.
        http_cookie: Option<HashCookie> = optional "httpCookie",
        /// The caller's address.
        use_source_ip: Option<bool> = optional "useSourceIp",
        /// A query parameter.
        http_query_parameter_name: Option<String> = optional "httpQueryParameterName",
        /// Ketama ring.
        ring_hash: Option<RingHash> = optional "ringHash",
        /// Maglev table.
        maglev: Option<Maglev> = optional "maglev",
        /// Size of the ring.
        minimum_ring_size: Option<u64> = deprecated "minimumRingSize" ("use ringHash.minimumRingSize"),
    }
}

record! {
    /// A cookie that is hashed.
    strict struct HashCookie {
        /// Name.
        name: String = required "name",
        /// Path of one that is made.
        path: Option<String> = optional "path",
        /// Life of one that is made; 0 is until the browser closes, unset makes none.
        ttl: Option<Duration> = zero_or_more "ttl",
        /// Attributes of one that is made.
        attributes: Vec<CookieAttribute> = optional "attributes",
    }
}

record! {
    /// `name=value` of a cookie that is made.
    strict struct CookieAttribute {
        /// Name.
        name: String = required "name",
        /// Value.
        value: Option<String> = optional "value",
    }
}

record! {
    /// Ketama ring.
    strict struct RingHash {
        /// Least number of points; 1024 by default.
        minimum_ring_size: Option<u64> = optional "minimumRingSize",
    }
}

record! {
    /// Maglev table.
    strict struct Maglev {
        /// Size, a prime up to 5000011; 65537 by default.
        table_size: Option<u64> = optional "tableSize",
    }
}

record! {
    /// Which localities get requests.
    strict struct LocalitySetting {
        /// Whether localities count; true by default.
        enabled: Option<bool> = optional "enabled",
        /// Shares of localities.
        distribute: Vec<Distribute> = optional "distribute",
        /// Regions that stand in for others.
        failover: Vec<Failover> = optional "failover",
        /// Labels, in order, by which endpoints are near: `key` or `key=value`.
        failover_priority: Vec<String> = optional "failoverPriority",
    }
}

record! {
    /// Shares for calls from one locality.
    strict struct Distribute {
        /// `region/zone/subzone`, with `*` at its end.
        from: Option<String> = optional "from",
        /// Share of each locality, percent; the sum is 100.
        to: BTreeMap<String, u32> = optional "to",
    }
}

record! {
    /// A region that stands in for another.
    strict struct Failover {
        /// Region that fails.
        from: Option<String> = optional "from",
        /// Region that stands in.
        to: Option<String> = optional "to",
    }
}

record! {
    /// Which zones get requests.
    strict struct ZoneAwareSetting {
        /// Whether it is on.
        enabled: Option<bool> = optional "enabled",
        /// Regions that stand in for others.
        failover: Vec<Failover> = optional "failover",
        /// Labels, in order, by which endpoints are near.
        failover_priority: Vec<String> = optional "failoverPriority",
        /// Endpoints below which zones do not count.
        min_cluster_size: Option<u64> = optional "minClusterSize",
    }
}

record! {
    /// Slow start of new endpoints.
    strict struct Warmup {
        /// How long.
        duration: Option<Duration> = required "duration",
        /// Share of load at the start, percent; 10 by default.
        minimum_percent: Option<f64> = optional "minimumPercent",
        /// How fast the load grows; 1 is evenly.
        aggression: Option<f64> = optional "aggression",
    }
}
