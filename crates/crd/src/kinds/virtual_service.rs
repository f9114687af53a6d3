//! VirtualService: where requests and connections for some hosts go.

use crate::definition::{Column, Definition};
use crate::parts::{destination, http_route};
use crate::scalar::{int32, text, uint32};
use crate::schema::{Schema, list, map, object};

/// The definition (row CRD-01).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "VirtualService",
        plural: "virtualservices",
        short: &["vs"],
        group: "networking.istio.io",
        versions: &["v1", "v1alpha3", "v1beta1"],
        storage: "v1",
        columns: vec![
            Column::text("Gateways", ".spec.gateways", "Gateways whose traffic it routes."),
            Column::text("Hosts", ".spec.hosts", "Hosts that it is for."),
            Column::age(),
        ],
        spec_required: false,
        spec: spec(),
    }
}

/// Routes for hosts. One without hosts is a part that others delegate to.
fn spec() -> Schema {
    object()
        .field("exportTo", "Namespaces that see it: `*` (default), `.`, `~` or names.", list(text()))
        .field(
            "gateways",
            "Gateways whose traffic it routes, as `name` or `namespace/name`; `mesh` is all \
                 sidecars, and so is none.",
            list(text()),
        )
        .field("hosts", "Host names, with `*.` wildcards, or addresses.", list(text()))
        .field("http", "Rules for HTTP ports, in order.", list(http_route::http_route()))
        .field("tcp", "Rules for all other ports.", list(tcp_route()))
        .field("tls", "Rules for TLS that is not terminated.", list(tls_route()))
}

/// A rule for opaque TCP connections.
fn tcp_route() -> Schema {
    object().field("match", "Any of these must hold.", list(tcp_match())).field(
        "route",
        "Destinations and their weights.",
        list(weighted()),
    )
}

/// All that is set must hold.
fn tcp_match() -> Schema {
    object()
        .field("destinationSubnets", "Destination addresses or ranges.", list(text()))
        .field("gateways", "Gateways, instead of the VirtualService's.", list(text()))
        .field("port", "Destination port.", uint32())
        .field("sourceLabels", "Labels of the calling workload.", map(text()))
        .field("sourceNamespace", "Namespace of the calling workload.", text())
        .field("sourceSubnet", "Source range; Istio ignores it.", text())
}

/// A destination and its share of connections.
fn weighted() -> Schema {
    object().required("destination", "Destination.", destination::destination()).field(
        "weight",
        "Share, relative to the sum of all.",
        int32(),
    )
}

/// A rule for TLS connections by server name.
fn tls_route() -> Schema {
    object().required("match", "Any of these must hold.", list(tls_match())).field(
        "route",
        "Destinations and their weights.",
        list(weighted()),
    )
}

/// All that is set must hold.
fn tls_match() -> Schema {
    object()
        .field("destinationSubnets", "Destination addresses or ranges.", list(text()))
        .field("gateways", "Gateways, instead of the VirtualService's.", list(text()))
        .field("port", "Destination port.", uint32())
        .required(
            "sniHosts",
            "Server names (SNI), with `*.` wildcards; each must be of the VirtualService's \
                 hosts.",
            list(text()),
        )
        .field("sourceLabels", "Labels of the calling workload.", map(text()))
        .field("sourceNamespace", "Namespace of the calling workload.", text())
}
