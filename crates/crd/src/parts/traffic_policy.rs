//! How clients talk to a host (DR rows).

use crate::parts::{connection_pool, load_balancer, port, tls};
use crate::scalar::{double, duration, flag, int32, integer, text, uint32, word};
use crate::schema::{Schema, list, object};

/// How to talk to endpoints; an absent block leaves the mesh's default.
pub(crate) fn traffic_policy() -> Schema {
    object()
        .field("connectionPool", "How many connections and requests.", connection_pool::connection_pool())
        .field("loadBalancer", "Which endpoint.", load_balancer::load_balancer())
        .field("outlierDetection", "Which endpoints are out of service.", outlier_detection())
        .field(
            "portLevelSettings",
            "Policies of single ports; each block replaces the one above as a whole.",
            list(port_policy()).max_items(4096),
        )
        .field(
            "proxyProtocol",
            "PROXY protocol toward endpoints.",
            object().field("version", "Version.", word(["V1", "V2"])),
        )
        .field(
            "retryBudget",
            "Bound on retries in flight.",
            object()
                .field(
                    "budgetInterval",
                    "Time over which requests count; only those in flight by default.",
                    text(),
                )
                .field("minRetryConcurrency", "Retries that are always allowed; 3 by default.", uint32())
                .field(
                    "percent",
                    "Share of requests in flight, percent; 20 by default.",
                    double().minimum(0).maximum(100).nullable(),
                ),
        )
        .field("tls", "TLS toward endpoints; absent leaves it to automatic mutual TLS.", tls::client())
        .field(
            "tunnel",
            "CONNECT tunnel around opaque connections.",
            object()
                .field("protocol", "`CONNECT` (default) or `POST`.", text())
                .required("targetHost", "Where the tunnel leads.", text())
                .required("targetPort", "And to which port.", uint32()),
        )
}

/// When an endpoint is taken out of service.
pub(crate) fn outlier_detection() -> Schema {
    object()
        .field("baseEjectionTime", "Shortest time out of service; 30 s by default.", duration())
        .field(
            "consecutive5xxErrors",
            "Statuses 5xx in a row; 5 by default, 0 turns it off.",
            uint32().nullable(),
        )
        .field("consecutiveErrors", "Gateway errors in a row.", int32())
        .field(
            "consecutiveGatewayErrors",
            "Statuses 502, 503, 504 in a row; off by default.",
            uint32().nullable(),
        )
        .field(
            "consecutiveLocalOriginFailures",
            "Failures to connect in a row; 5 by default, if split.",
            uint32().nullable(),
        )
        .field("interval", "Time between sweeps; 10 s by default.", duration())
        .field(
            "maxEjectionPercent",
            "Largest share of endpoints out of service, percent; 10 by default.",
            int32(),
        )
        .field(
            "minHealthPercent",
            "Share of healthy endpoints below which all are used, percent; 0 by default.",
            int32(),
        )
        .field(
            "outlierDetectionHttpErrorCodes",
            "Statuses that count as errors beside 5xx.",
            list(integer().minimum(100).maximum(599)),
        )
        .field("splitExternalLocalOriginErrors", "Whether failures to connect are counted apart.", flag())
}

/// The policy of one port.
pub(crate) fn port_policy() -> Schema {
    object()
        .field("connectionPool", "How many connections and requests.", connection_pool::connection_pool())
        .field("loadBalancer", "Which endpoint.", load_balancer::load_balancer())
        .field("outlierDetection", "Which endpoints are out of service.", outlier_detection())
        .field("port", "Which port.", port::selector())
        .field("tls", "TLS toward endpoints.", tls::client())
}
