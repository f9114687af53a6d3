//! Which HTTP requests a rule of a VirtualService takes.

use std::collections::BTreeMap;

use crate::decode::record;
use crate::value::{Port, StringMatch};

record! {
    /// All that is set must hold (VS-05 to VS-11).
    strict struct HttpMatch {
        /// Name, for access logs: `<route>.<match>`.
        name: Option<String> = optional "name",
        /// Path.
        uri: Option<StringMatch> = optional "uri",
        /// Scheme.
        scheme: Option<StringMatch> = optional "scheme",
        /// Method.
        method: Option<StringMatch> = optional "method",
        /// Authority.
        authority: Option<StringMatch> = optional "authority",
        /// Headers by lower-case name; a value without a test asks for presence.
        headers: BTreeMap<String, StringMatch> = optional "headers",
        /// Headers that must not be so.
        without_headers: BTreeMap<String, StringMatch> = optional "withoutHeaders",
        /// Query parameters.
        query_params: BTreeMap<String, StringMatch> = optional "queryParams",
        /// Letters of exact and prefix paths may be of either case.
        ignore_uri_case: bool = optional "ignoreUriCase",
        /// Port on which the request arrived.
        port: Option<Port> = optional "port",
        /// Labels of the calling workload: which proxies get the rule, not a test of requests (VS-10).
        source_labels: BTreeMap<String, String> = optional "sourceLabels",
        /// Namespace of the calling workload, likewise.
        source_namespace: Option<String> = optional "sourceNamespace",
        /// Gateways, instead of the VirtualService's.
        gateways: Vec<String> = optional "gateways",
        /// Prefix of statistics that the route keeps.
        stat_prefix: Option<String> = optional "statPrefix",
    }
}
