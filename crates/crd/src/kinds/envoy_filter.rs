//! EnvoyFilter: patches of what Envoy is given.

use crate::definition::Definition;
use crate::parts::workload;
use crate::scalar::{int32, port, text, uint32, word};
use crate::schema::{Schema, anything, list, map, object};

/// The definition (row CRD-08).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "EnvoyFilter",
        plural: "envoyfilters",
        short: &[],
        group: "networking.istio.io",
        versions: &["v1alpha3"],
        storage: "v1alpha3",
        columns: vec![],
        spec_required: false,
        spec: spec(),
    }
}

/// Patches of what Envoy is given.
fn spec() -> Schema {
    object()
        .field("configPatches", "Patches, in order.", list(patch()))
        .field(
            "priority",
            "Order among EnvoyFilters of a namespace; the lower comes first, 0 is the \
                 default.",
            int32(),
        )
        .field(
            "targetRefs",
            "Gateways or services that are patched, instead of a selector.",
            list(workload::target_reference()).max_items(16),
        )
        .field(
            "workloadSelector",
            "Workloads that are patched; all of the namespace if unset.",
            workload::label_selector(),
        )
        .rule(
            "(has(self.workloadSelector) ? 1 : 0) + (has(self.targetRefs) ? 1 : 0) <= 1",
            "only one of targetRefs or workloadSelector can be set",
        )
}

/// One patch.
fn patch() -> Schema {
    object()
        .field(
            "applyTo",
            "What is patched.",
            word([
                "INVALID",
                "LISTENER",
                "FILTER_CHAIN",
                "NETWORK_FILTER",
                "HTTP_FILTER",
                "ROUTE_CONFIGURATION",
                "VIRTUAL_HOST",
                "HTTP_ROUTE",
                "CLUSTER",
                "EXTENSION_CONFIG",
                "BOOTSTRAP",
                "LISTENER_FILTER",
            ]),
        )
        .field("match", "Where it is patched; everywhere if unset.", matching())
        .field(
            "patch",
            "The patch.",
            object()
                .field(
                    "filterClass",
                    "Where an inserted filter stands among those for authentication, authorization \
                 and telemetry.",
                    word(["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"]),
                )
                .field(
                    "operation",
                    "What is done with the value.",
                    word([
                        "INVALID",
                        "MERGE",
                        "ADD",
                        "REMOVE",
                        "INSERT_BEFORE",
                        "INSERT_AFTER",
                        "INSERT_FIRST",
                        "REPLACE",
                        "MERGE_AND_REPLACE_LIST",
                    ]),
                )
                .field("value", "Envoy's configuration to merge, add or put in place.", anything()),
        )
}

/// Where a patch holds.
fn matching() -> Schema {
    object()
        .field(
            "cluster",
            "Clusters to patch.",
            object()
                .field("name", "Name of the cluster, exactly; the other fields are then of no use.", text())
                .field("portNumber", "Port of the service.", uint32())
                .field("service", "Full host name of the service.", text())
                .field("subset", "Subset.", text()),
        )
        .field(
            "context",
            "Kind of proxy and direction.",
            word(["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT"]),
        )
        .field("listener", "Listeners to patch.", listener())
        .field(
            "proxy",
            "Proxies whose configuration is patched.",
            object().field("metadata", "Metadata that the proxy's node must have.", map(text())).field(
                "proxyVersion",
                "Regular expression (RE2) over the version in the proxy's metadata.",
                text(),
            ),
        )
        .field("routeConfiguration", "Routes to patch.", routes())
        .field(
            "waypoint",
            "What to patch in waypoints.",
            object()
                .field("filter", "Filter to patch, or to insert next to.", filter())
                .field("portNumber", "Port of the service.", port())
                .field("route", "Route to patch.", object().field("name", "Name.", text())),
        )
        .at_most_one_of(["listener", "routeConfiguration", "cluster", "waypoint"])
        .rule(
            concat!(
                r#"has(self.context) ? ((self.context == "WAYPOINT") ? has(self.waypoint) : "#,
                "!has(self.waypoint)) : !has(self.waypoint)"
            ),
            "only support waypointMatch when context is WAYPOINT",
        )
}

/// Listeners, a chain of theirs, a filter of that.
fn listener() -> Schema {
    object()
        .field(
            "filterChain",
            "Chain to patch, and a filter in it.",
            object()
                .field(
                    "applicationProtocols",
                    "Application protocols (ALPN) of the chain, joined by commas.",
                    text(),
                )
                .field("destinationPort", "Destination port of the chain.", uint32())
                .field("filter", "Network filter of the chain.", filter())
                .field("name", "Name of the chain.", text())
                .field("sni", "Server name of the chain.", text())
                .field("transportProtocol", "Transport protocol of the chain: raw_buffer or tls.", text()),
        )
        .field("listenerFilter", "Name of a listener filter.", text())
        .field("name", "Name of the listener.", text())
        .field("portName", "Has no effect.", text())
        .field("portNumber", "Port that the listener is for: the service's port, or the gateway's.", uint32())
}

/// A network filter, and one within it.
fn filter() -> Schema {
    object().field("name", "Name of the filter.", text()).field(
        "subFilter",
        "Filter within it, such as an HTTP filter of the connection manager.",
        object().field("name", "Name of the filter.", text()),
    )
}

/// Route configurations, a virtual host of theirs, a route of that.
fn routes() -> Schema {
    object()
        .field("gateway", "Gateway object that the routes come from, as `namespace/name`.", text())
        .field("name", "Name of the route configuration.", text())
        .field("portName", "Name of the gateway's port.", text())
        .field("portNumber", "Port that the routes are for.", uint32())
        .field(
            "vhost",
            "Virtual host, and a route in it.",
            object()
                .field("domainName", "A domain of the virtual host.", text())
                .field("name", "Name of the virtual host, `host:port`.", text())
                .field(
                    "route",
                    "Route of the virtual host.",
                    object()
                        .field(
                            "action",
                            "What the route does.",
                            word(["ANY", "ROUTE", "REDIRECT", "DIRECT_RESPONSE"]),
                        )
                        .field("name", "Name of the route, as its VirtualService gives it.", text()),
                ),
        )
}
