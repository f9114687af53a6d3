//! Which endpoint a request goes to (DR rows).

use crate::scalar::{double, duration, flag, integer, text, uint32, uint64, word};
use crate::schema::{Schema, list, map, object};

/// One of a simple rule and a hash, and what holds beside it.
pub(crate) fn load_balancer() -> Schema {
    object()
        .field("consistentHash", "Hash, so that like requests go to one endpoint.", consistent_hash())
        .field("localityLbSetting", "Which localities; replaces the mesh's setting as a whole.", locality())
        .field(
            "simple",
            "Simple rule.",
            word(["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"]),
        )
        .field("warmup", "Slow start of new endpoints.", warmup())
        .field("warmupDurationSecs", "Time of slow start.", duration())
        .field("zoneAwareLbSetting", "Which zones, by the callers' own spread.", zone_aware())
        .at_most_one_of(["simple", "consistentHash"])
}

/// What is hashed, exactly one, and how hashes meet endpoints.
pub(crate) fn consistent_hash() -> Schema {
    object()
        .field(
            "httpCookie",
            "A cookie, made if there is none.",
            object()
                .field(
                    "attributes",
                    "Attributes of one that is made.",
                    list(object().required("name", "Name.", text()).field("value", "Value.", text())),
                )
                .required("name", "Name.", text())
                .field("path", "Path of one that is made.", text())
                .field(
                    "ttl",
                    "Life of one that is made; 0 is until the browser closes, unset makes none.",
                    text(),
                ),
        )
        .field("httpHeaderName", "A header.", text())
        .field("httpQueryParameterName", "A query parameter.", text())
        .field(
            "maglev",
            "Maglev table.",
            object().field("tableSize", "Size, a prime up to 5000011; 65537 by default.", uint64()),
        )
        .field("minimumRingSize", "Size of the ring.", uint64())
        .field(
            "ringHash",
            "Ketama ring.",
            object().field("minimumRingSize", "Least number of points; 1024 by default.", uint64()),
        )
        .field("useSourceIp", "The caller's address.", flag())
        .at_most_one_of(["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"])
        .at_most_one_of(["ringHash", "maglev"])
}

/// Which localities get requests.
pub(crate) fn locality() -> Schema {
    object()
        .field(
            "distribute",
            "Shares of localities.",
            list(object().field("from", "`region/zone/subzone`, with `*` at its end.", text()).field(
                "to",
                "Share of each locality, percent; the sum is 100.",
                map(uint32()),
            )),
        )
        .field("enabled", "Whether localities count; true by default.", flag().nullable())
        .field("failover", "Regions that stand in for others.", list(failover()))
        .field(
            "failoverPriority",
            "Labels, in order, by which endpoints are near: `key` or `key=value`.",
            list(text()),
        )
}

/// Where traffic of a locality goes when its endpoints fail.
pub(crate) fn failover() -> Schema {
    object().field("from", "`region/zone/subzone`, with `*` at its end.", text()).field(
        "to",
        "Share of each locality, percent; the sum is 100.",
        text(),
    )
}

/// Slow start of new endpoints.
pub(crate) fn warmup() -> Schema {
    object()
        .field("aggression", "How fast the load grows; 1 is evenly.", double().minimum(0).nullable())
        .required("duration", "How long.", duration())
        .field(
            "minimumPercent",
            "Share of load at the start, percent; 10 by default.",
            double().minimum(0).maximum(100).nullable(),
        )
}

/// Which zones get requests.
pub(crate) fn zone_aware() -> Schema {
    object()
        .field("enabled", "Whether it is on.", flag().nullable())
        .field("failover", "Regions that stand in for others.", list(failover()))
        .field("failoverPriority", "Labels, in order, by which endpoints are near.", list(text()))
        .field("minClusterSize", "Endpoints below which zones do not count.", integer().minimum(1).nullable())
}
