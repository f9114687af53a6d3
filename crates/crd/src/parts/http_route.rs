//! What becomes of an HTTP request (VS rows).

use crate::parts::{destination, http_match, text_match};
use crate::scalar::{bytes, double, duration, flag, int32, text, uint32, word};
use crate::schema::{Schema, list, map, object};

/// A rule: which requests, and what becomes of them.
pub(crate) fn http_route() -> Schema {
    object()
        .field("corsPolicy", "Cross-origin policy.", cors())
        .field(
            "delegate",
            "Leave the rest to another VirtualService.",
            object().field("name", "Name.", text()).field(
                "namespace",
                "Namespace; the root's own by default.",
                text(),
            ),
        )
        .field(
            "directResponse",
            "Answer with a fixed response instead.",
            object()
                .field(
                    "body",
                    "Body; empty by default.",
                    object()
                        .field("bytes", "As bytes.", bytes())
                        .field("string", "As text.", text())
                        .at_most_one_of(["string", "bytes"]),
                )
                .required("status", "Status.", uint32()),
        )
        .field("fault", "Faults to inject.", fault())
        .field("headers", "Header changes, before those of the destination.", headers())
        .field("match", "Any of these must hold; none holds always.", list(http_match::http_match()))
        .field("mirror", "A destination that gets copies.", destination::destination())
        .field(
            "mirrorPercent",
            "Share in whole percent; see [`HttpRoute::mirror_share`].",
            uint32().nullable(),
        )
        .field(
            "mirrorPercentage",
            "Share of requests that are copied to `mirror`; all by default.",
            percent(),
        )
        .field("mirror_percent", "Use mirrorPercentage.", uint32().nullable())
        .field(
            "mirrors",
            "Destinations that get copies, each with its share; instead of `mirror`.",
            list(object().required("destination", "Destination.", destination::destination()).field(
                "percentage",
                "Share of requests; all by default.",
                percent(),
            )),
        )
        .field("name", "Name, for access logs and metrics.", text())
        .field("redirect", "Answer with a redirect instead.", redirect())
        .field("retries", "Tries after the first; the mesh's default if unset.", retries())
        .field("rewrite", "Change path or authority on the way.", rewrite())
        .field(
            "route",
            "Destinations and their weights.",
            list(
                object()
                    .required("destination", "Destination.", destination::destination())
                    .field("headers", "Header changes, after those of the rule.", headers())
                    .field("weight", "Share, relative to the sum of all; of no meaning when alone.", int32()),
            ),
        )
        .field("timeout", "Time for the whole exchange, retries included; none by default.", duration())
}

/// Cross-origin policy.
pub(crate) fn cors() -> Schema {
    object()
        .field("allowCredentials", "`Access-Control-Allow-Credentials`.", flag().nullable())
        .field("allowHeaders", "`Access-Control-Allow-Headers`.", list(text()))
        .field("allowMethods", "`Access-Control-Allow-Methods`.", list(text()))
        .field("allowOrigin", "Exact origins, or `*`.", list(text()))
        .field("allowOrigins", "Origins that may call.", list(text_match::text_match()))
        .field("exposeHeaders", "`Access-Control-Expose-Headers`.", list(text()))
        .field("maxAge", "`Access-Control-Max-Age`.", duration())
        .field(
            "unmatchedPreflights",
            "What becomes of preflights from other origins.",
            word(["UNSPECIFIED", "FORWARD", "IGNORE"]),
        )
}

/// Faults, independent of each other.
pub(crate) fn fault() -> Schema {
    object()
        .field(
            "abort",
            "Answer instead of the destination.",
            object()
                .field("grpcStatus", "gRPC status by name, such as `UNAVAILABLE`.", text())
                .field("http2Error", "HTTP/2 error; Istio does not implement it.", text())
                .field("httpStatus", "HTTP status.", int32())
                .field("percentage", "Share of requests; 0 by default.", percent())
                .at_most_one_of(["httpStatus", "grpcStatus", "http2Error"]),
        )
        .field(
            "delay",
            "Wait before the request goes on.",
            object()
                .field("exponentialDelay", "Mean of a distribution; Istio does not implement it.", duration())
                .field("fixedDelay", "How long.", duration())
                .field("percent", "Share in whole percent; see [`FaultDelay::share`].", int32())
                .field("percentage", "Share of requests; 0 by default.", percent())
                .at_most_one_of(["fixedDelay", "exponentialDelay"]),
        )
}

/// A share in percent.
pub(crate) fn percent() -> Schema {
    object().field("value", "Percent, 0 to 100, with fractions.", double())
}

/// Header changes of both directions.
pub(crate) fn headers() -> Schema {
    object().field("request", "On the way to the destination.", header_edits()).field(
        "response",
        "On the way back.",
        header_edits(),
    )
}

/// Header changes; values may hold Envoy's command operators.
pub(crate) fn header_edits() -> Schema {
    object().field("add", "Appends.", map(text())).field("remove", "Removes.", list(text())).field(
        "set",
        "Replaces.",
        map(text()),
    )
}

/// A redirect; what is not set stays as the request had it.
pub(crate) fn redirect() -> Schema {
    object()
        .field("authority", "New authority.", text())
        .field(
            "derivePort",
            "Where to take the port from instead.",
            word(["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]),
        )
        .field("port", "New port.", uint32())
        .field("prefixRewrite", "What replaces the matched prefix.", text())
        .field("redirectCode", "Status; 301 by default.", uint32())
        .field("scheme", "New scheme.", text())
        .field(
            "uri",
            "The whole new path; or, with `%PREFIX()%`, one that keeps what follows the \
                 matched prefix.",
            text(),
        )
        .at_most_one_of(["port", "derivePort"])
}

/// How a request is tried again.
pub(crate) fn retries() -> Schema {
    object()
        .field("attempts", "Tries after the first; 0 turns retries off, 2 by default.", int32())
        .field("backoff", "Base of the growing wait between tries; 25 ms by default.", duration())
        .field("perTryTimeout", "Time for each try; the rule's timeout by default.", duration())
        .field(
            "retryIgnorePreviousHosts",
            "Whether tries avoid endpoints that have failed; true by default.",
            flag().nullable(),
        )
        .field("retryOn", "Conditions, with commas between; numbers are statuses.", text())
        .field("retryRemoteLocalities", "Whether tries may go to other localities.", flag().nullable())
}

/// Changes of the request's path and authority.
pub(crate) fn rewrite() -> Schema {
    object()
        .field("authority", "New authority.", text())
        .field(
            "uri",
            "What replaces the matched prefix, or the whole path if the match was of \
                 another kind.",
            text(),
        )
        .field(
            "uriRegexRewrite",
            "Search and replacement on the path, instead of `uri`.",
            object().field("match", "RE2 expression.", text()).field(
                "rewrite",
                "What to put instead; `\\1` is the first group.",
                text(),
            ),
        )
}
