//! Telemetry: logs, metrics and traces.

use crate::definition::{Column, Definition};
use crate::parts::workload;
use crate::scalar::{double, duration, flag, text, word};
use crate::schema::{Schema, list, map, object};

/// The definition (row CRD-13).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "Telemetry",
        plural: "telemetries",
        short: &["telemetry"],
        group: "telemetry.istio.io",
        versions: &["v1", "v1alpha1"],
        storage: "v1alpha1",
        columns: vec![Column::age()],
        spec_required: false,
        spec: spec(),
    }
}

/// Logs, metrics and traces of workloads.
fn spec() -> Schema {
    object()
        .field("accessLogging", "Access logs.", list(access_logging()))
        .field("metrics", "Metrics.", list(metrics()))
        .field(
            "selector",
            "Workloads that it holds for; all of the namespace if unset.",
            workload::selector(),
        )
        .field("targetRef", "Use targetRefs.", workload::target_reference())
        .field(
            "targetRefs",
            "Gateways or services that it holds for, instead of a selector.",
            list(workload::target_reference()).max_items(16),
        )
        .field("tracing", "Traces.", list(tracing()))
        .rule(
            concat!(
                "(has(self.selector) ? 1 : 0) + (has(self.targetRef) ? 1 : 0) + ",
                "(has(self.targetRefs) ? 1 : 0) <= 1"
            ),
            "only one of targetRefs or selector can be set",
        )
}

/// Access logs.
fn access_logging() -> Schema {
    object()
        .field("disabled", "Turns logs off.", flag().nullable())
        .field(
            "filter",
            "Which requests and connections are logged; all if unset.",
            object().field("expression", "Expression (CEL) over Envoy's attributes.", text()),
        )
        .field("match", "Directions that it holds for; both if unset.", direction())
        .field(
            "providers",
            "Where logs go: names of the mesh config's extension providers.",
            list(provider()),
        )
}

/// Directions of traffic.
fn direction() -> Schema {
    object().field(
        "mode",
        "Whether the workload is client, server, or either.",
        word(["CLIENT_AND_SERVER", "CLIENT", "SERVER"]),
    )
}

/// An extension provider of the mesh config.
fn provider() -> Schema {
    object().required("name", "Name of an extension provider of the mesh config.", text().min_length(1))
}

/// Metrics.
fn metrics() -> Schema {
    object()
        .field("overrides", "Changes to metrics and their tags, in order.", list(metric_override()))
        .field(
            "providers",
            "Where metrics go: names of the mesh config's extension providers.",
            list(provider()),
        )
        .field(
            "reportingInterval",
            "Time between reports of long-lived TCP connections; 5s by default.",
            duration(),
        )
}

/// A change to metrics.
fn metric_override() -> Schema {
    object()
        .field("disabled", "Turns the metric off.", flag().nullable())
        .field("match", "Metrics that it holds for; all if unset.", metric_match())
        .field("tagOverrides", "Changes to tags, by their names.", map(tag_override()))
}

/// Metrics, by name and direction.
fn metric_match() -> Schema {
    object()
        .field("customMetric", "A metric by its name.", text().min_length(1))
        .field(
            "metric",
            "A metric of Istio's own.",
            word([
                "ALL_METRICS",
                "REQUEST_COUNT",
                "REQUEST_DURATION",
                "REQUEST_SIZE",
                "RESPONSE_SIZE",
                "TCP_OPENED_CONNECTIONS",
                "TCP_CLOSED_CONNECTIONS",
                "TCP_SENT_BYTES",
                "TCP_RECEIVED_BYTES",
                "GRPC_REQUEST_MESSAGES",
                "GRPC_RESPONSE_MESSAGES",
            ]),
        )
        .field(
            "mode",
            "Whether the workload is client, server, or either.",
            word(["CLIENT_AND_SERVER", "CLIENT", "SERVER"]),
        )
        .at_most_one_of(["metric", "customMetric"])
}

/// A change to a tag.
fn tag_override() -> Schema {
    object()
        .field("operation", "Sets the tag, or removes it.", word(["UPSERT", "REMOVE"]))
        .field("value", "Expression (CEL) for the tag's value.", text())
        .rule(
            r#"((has(self.operation) ? self.operation : "") == "UPSERT") ? (self.value != "") : true"#,
            "value must be set when operation is UPSERT",
        )
        .rule(
            r#"((has(self.operation) ? self.operation : "") == "REMOVE") ? !has(self.value) : true"#,
            "value must not be set when operation is REMOVE",
        )
}

/// Traces.
fn tracing() -> Schema {
    object()
        .field("customTags", "Tags of spans, by their names.", map(custom_tag()))
        .field("disableContextPropagation", "Leaves trace headers as they come.", flag().nullable())
        .field(
            "disableSpanReporting",
            "Reports no spans; trace headers are still passed on.",
            flag().nullable(),
        )
        .field(
            "enableIstioTags",
            "Whether spans carry Istio's own tags; they do by default.",
            flag().nullable(),
        )
        .field("match", "Directions that it holds for; both if unset.", direction())
        .field(
            "providers",
            "Where spans go: the name of one of the mesh config's extension providers.",
            list(provider()),
        )
        .field(
            "randomSamplingPercentage",
            "Share of requests that are traced, 0 to 100 percent, unless their headers \
                 decide.",
            double().minimum(0).maximum(100).nullable(),
        )
        .field(
            "useRequestIdForTraceSampling",
            "Whether the request ID carries the decision to trace; it does by default.",
            flag().nullable(),
        )
}

/// Where a tag's value comes from.
fn custom_tag() -> Schema {
    object()
        .field(
            "environment",
            "Value of an environment variable of the proxy.",
            object().field("defaultValue", "Value where there is none.", text()).required(
                "name",
                "Name of the variable.",
                text().min_length(1),
            ),
        )
        .field(
            "formatter",
            "A text with Envoy's access-log commands.",
            object().required("value", "The text.", text().min_length(1)),
        )
        .field(
            "header",
            "Value of a request header.",
            object().field("defaultValue", "Value where there is none.", text()).required(
                "name",
                "Name of the header.",
                text().min_length(1),
            ),
        )
        .field("literal", "A fixed text.", object().required("value", "The text.", text().min_length(1)))
        .at_most_one_of(["literal", "environment", "header", "formatter"])
}
