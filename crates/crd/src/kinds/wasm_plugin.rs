//! WasmPlugin: filters as WebAssembly modules.

use crate::definition::{Column, Definition};
use crate::parts::{wasm, workload};
use crate::scalar::{int32, text, word};
use crate::schema::{Schema, anything, list, object};

/// The definition (row CRD-14).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "WasmPlugin",
        plural: "wasmplugins",
        short: &[],
        group: "extensions.istio.io",
        versions: &["v1alpha1"],
        storage: "v1alpha1",
        columns: vec![Column::age()],
        spec_required: true,
        spec: spec(),
    }
}

/// A filter of the user's own, as a WebAssembly module.
fn spec() -> Schema {
    object()
        .field(
            "failStrategy",
            "What becomes of traffic when the module cannot run: FAIL_CLOSE refuses it, \
                 FAIL_OPEN lets it pass, FAIL_RELOAD starts the module again.",
            word(["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"]),
        )
        .field(
            "imagePullPolicy",
            "When to fetch the module again: IfNotPresent, or Always.",
            word(["UNSPECIFIED_POLICY", "IfNotPresent", "Always"]),
        )
        .field(
            "imagePullSecret",
            "Secret of the same namespace with the registry's credentials.",
            text().min_length(1).max_length(253),
        )
        .field(
            "match",
            "Traffic that the filter sees; all if empty. One entry must hold.",
            list(wasm::traffic_selector()),
        )
        .field(
            "phase",
            "Where in the filter chain it stands: before authentication, before \
                 authorization or before telemetry; UNSPECIFIED_PHASE is at the end, before the \
                 router.",
            word(["UNSPECIFIED_PHASE", "AUTHN", "AUTHZ", "STATS"]),
        )
        .field("pluginConfig", "Configuration that the module is given.", anything())
        .field(
            "pluginName",
            "Name of the plugin within the module (its root ID).",
            text().min_length(1).max_length(256),
        )
        .field("priority", "Order among filters of one phase; the higher comes first.", int32().nullable())
        .field(
            "selector",
            "Workloads that get the filter; all of the namespace if unset.",
            workload::selector(),
        )
        .field(
            "sha256",
            "Checksum that the module must have, SHA-256 in hexadecimal.",
            text().pattern("(^$|^[a-f0-9]{64}$)"),
        )
        .field("targetRef", "Use targetRefs.", workload::target_reference())
        .field(
            "targetRefs",
            "Gateways or services that get the filter, instead of a selector.",
            list(workload::target_reference()).max_items(16),
        )
        .field(
            "type",
            "Kind of filter: for HTTP, or for network connections.",
            word(["UNSPECIFIED_PLUGIN_TYPE", "HTTP", "NETWORK"]),
        )
        .required(
            "url",
            "Where the module is: an OCI image, a file, or http(s). Without a scheme it is \
                 an OCI image.",
            text().min_length(1).rule(
                concat!(
                    r#"isURL(self) ? (url(self).getScheme() in ["", "http", "https", "oci", "file"]) : "#,
                    "(isURL(\"http://\" + self) &&\nurl(\"http://\" + self).getScheme() in [\"\", \"http\", ",
                    r#""https", "oci", "file"])"#
                ),
                "url must have schema one of [http, https, file, oci]",
            ),
        )
        .field("verificationKey", "Public key that must have signed the image; not verified yet.", text())
        .field("vmConfig", "The machine that the module runs in.", wasm::virtual_machine())
        .rule(
            concat!(
                "(has(self.selector) ? 1 : 0) + (has(self.targetRef) ? 1 : 0) + ",
                "(has(self.targetRefs) ? 1 : 0) <= 1"
            ),
            "only one of targetRefs or selector can be set",
        )
}
