//! ProxyConfig: how proxies are started.

use crate::definition::Definition;
use crate::parts::workload;
use crate::scalar::{int32, text};
use crate::schema::{Schema, map, object};

/// The definition (row CRD-09).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "ProxyConfig",
        plural: "proxyconfigs",
        short: &[],
        group: "networking.istio.io",
        versions: &["v1beta1"],
        storage: "v1beta1",
        columns: vec![],
        spec_required: false,
        spec: spec(),
    }
}

/// How proxies are started.
fn spec() -> Schema {
    object()
        .field(
            "concurrency",
            "Worker threads of the proxy; 0 is one for each core.",
            int32().minimum(0).nullable(),
        )
        .field(
            "environmentVariables",
            "Environment variables of the proxy, besides its own.",
            map(text().max_length(2048)),
        )
        .field(
            "image",
            "The proxy's image.",
            object().field("imageType", "Variant of the image: default, debug or distroless.", text()),
        )
        .field(
            "selector",
            "Workloads whose proxies are configured; all of the namespace if unset.",
            workload::selector(),
        )
}
