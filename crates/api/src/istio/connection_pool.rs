//! How many connections and requests an endpoint may get.

use std::time::Duration;

use crate::decode::{record, words};

record! {
    /// Limits and timers of connections (DR-10, DR-11).
    strict struct ConnectionPool {
        /// Of all connections.
        tcp: Option<TcpPool> = optional "tcp",
        /// Of those with HTTP.
        http: Option<HttpPool> = optional "http",
    }
}

record! {
    /// Limits and timers of TCP connections.
    strict struct TcpPool {
        /// Connections at once; 2³²−1 by default.
        max_connections: Option<u32> = count "maxConnections",
        /// Time to connect; 10 s by default.
        connect_timeout: Option<Duration> = optional "connectTimeout",
        /// Probes of idle connections; the operating system's by default.
        tcp_keepalive: Option<TcpKeepalive> = optional "tcpKeepalive",
        /// Longest life of a connection; none by default.
        max_connection_duration: Option<Duration> = optional "maxConnectionDuration",
        /// Time without bytes; 1 h by default, 0 turns it off.
        idle_timeout: Option<Duration> = zero_or_more "idleTimeout",
    }
}

record! {
    /// Probes of idle connections.
    strict struct TcpKeepalive {
        /// Probes without an answer until the connection counts as dead.
        probes: Option<u32> = optional "probes",
        /// Idle time until the first.
        time: Option<Duration> = optional "time",
        /// Time between them.
        interval: Option<Duration> = optional "interval",
    }
}

record! {
    /// Limits and timers of HTTP.
    strict struct HttpPool {
        /// Requests that wait for a connection; 2³²−1 by default.
        http1_max_pending_requests: Option<u32> = count "http1MaxPendingRequests",
        /// Requests at once; 2³²−1 by default.
        http2_max_requests: Option<u32> = count "http2MaxRequests",
        /// Requests of one connection; 0, the default, is any number.
        max_requests_per_connection: Option<u32> = count "maxRequestsPerConnection",
        /// Retries at once; 2³²−1 by default.
        max_retries: Option<u32> = count "maxRetries",
        /// Time without requests; 1 h by default.
        idle_timeout: Option<Duration> = optional "idleTimeout",
        /// Whether HTTP/1.1 becomes HTTP/2.
        h2_upgrade_policy: H2UpgradePolicy = optional "h2UpgradePolicy",
        /// Whether the caller's protocol is kept.
        use_client_protocol: bool = optional "useClientProtocol",
        /// Streams of one HTTP/2 connection; 2³¹−1 by default.
        max_concurrent_streams: Option<u32> = count "maxConcurrentStreams",
        /// Pings on HTTP/2 connections; none by default.
        http2_keep_alive: Option<Http2KeepAlive> = optional "http2KeepAlive",
    }
}

record! {
    /// Pings on HTTP/2 connections.
    strict struct Http2KeepAlive {
        /// Time between pings.
        interval: Option<Duration> = optional "interval",
        /// Time for an answer.
        timeout: Option<Duration> = optional "timeout",
    }
}

words! {
    /// Whether HTTP/1.1 becomes HTTP/2.
    enum H2UpgradePolicy {
        /// As the mesh has it.
        Default = "DEFAULT",
        /// No.
        DoNotUpgrade = "DO_NOT_UPGRADE",
        /// Yes.
        Upgrade = "UPGRADE",
    }
}
