//! Limits of connections (DR-10, DR-11).

use crate::diagnostic::Code;
use crate::istio::connection_pool::{ConnectionPool, H2UpgradePolicy};
use crate::report::Report;

pub(super) fn check(r: &mut Report, pool: &ConnectionPool) {
    let ConnectionPool { tcp, http } = pool;
    if tcp.is_none() && http.is_none() {
        r.error(Code::Route, "an empty pool says nothing: needs tcp or http");
    }
    r.maybe("tcp", tcp.as_ref(), |r, tcp| {
        // Envoy would refuse a breaker of 0 in name and admit nothing in fact.
        if tcp.max_connections == Some(0) {
            r.warn_at("maxConnections", Code::OutOfBounds, "0 lets no connection through");
        }
    });
    r.maybe("http", http.as_ref(), |r, http| {
        if http.use_client_protocol && http.h2_upgrade_policy == H2UpgradePolicy::Upgrade {
            r.error(Code::Exclusive, "useClientProtocol and h2UpgradePolicy UPGRADE contradict each other");
        }
        r.maybe("http2KeepAlive", http.http2_keep_alive.as_ref(), |r, keep_alive| {
            if let (Some(interval), Some(timeout)) = (keep_alive.interval, keep_alive.timeout)
                && timeout > interval
            {
                r.warn_at("timeout", Code::Duration, "longer than the time between pings");
            }
        });
    });
}
