//! Which HTTP requests a rule is for (VS rows).

use crate::parts::text_match;
use crate::scalar::{flag, text, uint32};
use crate::schema::{Schema, list, map, object};

/// All that is set must hold (VS-05 to VS-11).
pub(crate) fn http_match() -> Schema {
    object()
        .field("authority", "Authority.", text_match::text_match())
        .field("gateways", "Gateways, instead of the VirtualService's.", list(text()))
        .field(
            "headers",
            "Headers by lower-case name; a value without a test asks for presence.",
            map(text_match::text_match()),
        )
        .field("ignoreUriCase", "Letters of exact and prefix paths may be of either case.", flag())
        .field("method", "Method.", text_match::text_match())
        .field("name", "Name, for access logs: `<route>.<match>`.", text())
        .field("port", "Port on which the request arrived.", uint32())
        .field("queryParams", "Query parameters.", map(text_match::text_match()))
        .field("scheme", "Scheme.", text_match::text_match())
        .field(
            "sourceLabels",
            "Labels of the calling workload: which proxies get the rule, not a test of \
                 requests.",
            map(text()),
        )
        .field("sourceNamespace", "Namespace of the calling workload, likewise.", text())
        .field("statPrefix", "Prefix of statistics that the route keeps.", text())
        .field("uri", "Path.", text_match::text_match())
        .field("withoutHeaders", "Headers that must not be so.", map(text_match::text_match()))
}
