//! VirtualService: where requests and connections for some hosts go (VS rows).

use std::collections::BTreeMap;

use super::http_route::HttpRoute;
use crate::decode::record;
use crate::value::Port;

record! {
    /// Routes for hosts. One without hosts is a part that others delegate to (VS-17).
    strict struct VirtualService {
        /// Host names, with `*.` wildcards, or addresses (VS-01).
        hosts: Vec<String> = optional "hosts",
        /// Gateways whose traffic it routes, as `name` or `namespace/name`; `mesh` is all sidecars, and
        /// so is none (VS-02).
        gateways: Vec<String> = optional "gateways",
        /// Rules for HTTP ports, in order (VS-04).
        http: Vec<HttpRoute> = optional "http",
        /// Rules for TLS that is not terminated (VS-25).
        tls: Vec<TlsRoute> = optional "tls",
        /// Rules for all other ports (VS-26).
        tcp: Vec<TcpRoute> = optional "tcp",
        /// Namespaces that see it: `*` (default), `.`, `~` or names (VS-03).
        export_to: Vec<String> = optional "exportTo",
    }
}

impl VirtualService {
    /// Whether it routes traffic of sidecars.
    #[must_use]
    pub fn is_for_mesh(&self) -> bool {
        self.gateways.is_empty() || self.gateways.iter().any(|gateway| gateway == MESH)
    }
}

/// The gateway name that means all sidecars.
pub const MESH: &str = "mesh";

record! {
    /// A service, and where in it.
    strict struct Destination {
        /// Host in the registry; short names expand in the object's own namespace.
        host: String = required "host",
        /// Subset that a DestinationRule defines.
        subset: Option<String> = optional "subset",
        /// Port; may be left out if the service has but one.
        port: Option<PortSelector> = optional "port",
    }
}

record! {
    /// A port by its number.
    strict struct PortSelector {
        /// Number.
        number: Option<Port> = optional "number",
    }
}

impl Destination {
    /// The port, if one is named.
    #[must_use]
    pub fn port_number(&self) -> Option<Port> {
        self.port.as_ref().and_then(|port| port.number)
    }
}

record! {
    /// A rule for TLS connections by server name.
    strict struct TlsRoute {
        /// Any of these must hold.
        matches: Vec<TlsMatch> = required "match",
        /// Destinations and their weights.
        route: Vec<RouteDestination> = optional "route",
    }
}

record! {
    /// All that is set must hold.
    strict struct TlsMatch {
        /// Server names (SNI), with `*.` wildcards; each must be of the VirtualService's hosts.
        sni_hosts: Vec<String> = required "sniHosts",
        /// Destination addresses or ranges.
        destination_subnets: Vec<String> = optional "destinationSubnets",
        /// Destination port.
        port: Option<Port> = optional "port",
        /// Labels of the calling workload (VS-10).
        source_labels: BTreeMap<String, String> = optional "sourceLabels",
        /// Gateways, instead of the VirtualService's.
        gateways: Vec<String> = optional "gateways",
        /// Namespace of the calling workload.
        source_namespace: Option<String> = optional "sourceNamespace",
    }
}

record! {
    /// A rule for opaque TCP connections.
    strict struct TcpRoute {
        /// Any of these must hold; none holds always.
        matches: Vec<TcpMatch> = optional "match",
        /// Destinations and their weights.
        route: Vec<RouteDestination> = optional "route",
    }
}

record! {
    /// All that is set must hold.
    strict struct TcpMatch {
        /// Destination addresses or ranges.
        destination_subnets: Vec<String> = optional "destinationSubnets",
        /// Destination port.
        port: Option<Port> = optional "port",
        /// Source range; Istio ignores it.
        source_subnet: Option<String> = without_effect "sourceSubnet" ("Istio has removed it"),
        /// Labels of the calling workload (VS-10).
        source_labels: BTreeMap<String, String> = optional "sourceLabels",
        /// Gateways, instead of the VirtualService's.
        gateways: Vec<String> = optional "gateways",
        /// Namespace of the calling workload.
        source_namespace: Option<String> = optional "sourceNamespace",
    }
}

record! {
    /// A destination and its share of connections.
    strict struct RouteDestination {
        /// Destination.
        destination: Destination = required_record "destination",
        /// Share, relative to the sum of all.
        weight: i32 = optional "weight",
    }
}
