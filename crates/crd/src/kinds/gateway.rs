//! Gateway: ports that a gateway opens.

use crate::definition::Definition;
use crate::parts::tls;
use crate::scalar::{text, uint32};
use crate::schema::{Schema, list, map, object};

/// The definition (row CRD-03).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "Gateway",
        plural: "gateways",
        short: &["gw"],
        group: "networking.istio.io",
        versions: &["v1", "v1alpha3", "v1beta1"],
        storage: "v1",
        columns: vec![],
        spec_required: false,
        spec: spec(),
    }
}

/// Servers of the gateways with certain labels.
fn spec() -> Schema {
    object().field("selector", "Labels of the gateway's pods; none selects all.", map(text())).field(
        "servers",
        "Servers.",
        list(server()),
    )
}

/// A port and the hosts that it serves.
fn server() -> Schema {
    object()
        .field("bind", "Address to listen on, or `unix://` and a path.", text())
        .field("defaultEndpoint", "Has no effect.", text())
        .required(
            "hosts",
            "Hosts, as `namespace/name` or `name`; the namespace is whose VirtualServices \
                 count.",
            list(text()),
        )
        .field("name", "Name, for statistics and VirtualServices.", text())
        .required(
            "port",
            "Port.",
            object()
                .required("name", "Name.", text())
                .required("number", "Number.", uint32())
                .required("protocol", "Protocol; found out by looking if unset.", text())
                .field("targetPort", "Port of the pod, where it differs.", uint32()),
        )
        .field("tls", "TLS.", tls::server())
}
