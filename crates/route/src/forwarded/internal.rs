//! What only trusted requests may say.

use weft_tables::hcm::HttpManager;
use weft_tables::route::RouteConfig;
use weft_types::Headers;

use super::client::Client;

/// Fields that only internal requests may bring.
const INTERNAL: &[&str] = &[
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-stream-duration-ms",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
    "x-envoy-hedge-on-per-try-timeout",
];

/// Fields that nobody may bring into the mesh from outside.
const EDGE: &[&str] = &[
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-original-path",
    "x-envoy-original-host",
];

/// Marks internal requests, and removes from others what only internal ones may say. Returns whether
/// the request enters the mesh here.
///
/// A request is internal when its one client has an address of `internal_address_config`; without that
/// configuration none is.
pub(super) fn clean(
    headers: &mut Headers,
    manager: &HttpManager,
    routes: Option<&RouteConfig>,
    client: &Client,
) -> bool {
    let trusted = manager.internal_addresses.as_ref().is_some_and(|internal| match client.address {
        Some(address) => internal.ranges.contains(address),
        None => internal.unix_sockets,
    });
    if client.alone && trusted {
        headers.set("x-envoy-internal", "true");
        return false;
    }
    let edge = manager.use_remote_address;
    headers.remove_all(INTERNAL);
    if edge {
        headers.remove_all(EDGE);
    }
    for name in routes.map(|r| &r.internal_only_headers[..]).unwrap_or_default() {
        headers.remove(&**name);
    }
    edge
}
