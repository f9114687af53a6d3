//! Limits of connections and requests (DR rows).

use crate::scalar::{duration, flag, int32, text, uint32, word};
use crate::schema::{Schema, object};

/// Limits and timers of connections (DR-10, DR-11).
pub(crate) fn connection_pool() -> Schema {
    object().field("http", "Of those with HTTP.", http()).field("tcp", "Of all connections.", tcp())
}

/// Limits and timers of HTTP.
pub(crate) fn http() -> Schema {
    object()
        .field(
            "h2UpgradePolicy",
            "Whether HTTP/1.1 becomes HTTP/2.",
            word(["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"]),
        )
        .field("http1MaxPendingRequests", "Requests that wait for a connection; 2³²−1 by default.", int32())
        .field(
            "http2KeepAlive",
            "Pings on HTTP/2 connections; none by default.",
            object().field("interval", "Time between pings.", duration()).field(
                "timeout",
                "Time for an answer.",
                duration(),
            ),
        )
        .field("http2MaxRequests", "Requests at once; 2³²−1 by default.", int32())
        .field("idleTimeout", "Time without requests; 1 h by default.", duration())
        .field("maxConcurrentStreams", "Streams of one HTTP/2 connection; 2³¹−1 by default.", int32())
        .field(
            "maxRequestsPerConnection",
            "Requests of one connection; 0, the default, is any number.",
            int32(),
        )
        .field("maxRetries", "Retries at once; 2³²−1 by default.", int32())
        .field("useClientProtocol", "Whether the caller's protocol is kept.", flag())
}

/// Limits and timers of TCP connections.
pub(crate) fn tcp() -> Schema {
    object()
        .field("connectTimeout", "Time to connect; 10 s by default.", duration())
        .field("idleTimeout", "Time without bytes; 1 h by default, 0 turns it off.", text())
        .field("maxConnectionDuration", "Longest life of a connection; none by default.", duration())
        .field("maxConnections", "Connections at once; 2³²−1 by default.", int32())
        .field(
            "tcpKeepalive",
            "Probes of idle connections; the operating system's by default.",
            object()
                .field("interval", "Time between them.", duration())
                .field("probes", "Probes without an answer until the connection counts as dead.", uint32())
                .field("time", "Idle time until the first.", duration()),
        )
}
