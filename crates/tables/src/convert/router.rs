//! The router's options.

use super::http_filter::{self, Position};
use super::reader::{Read, Reader, bool_or};
use super::unset::{ignore_set, refuse_set};
use crate::hcm::RouterOptions;
use crate::pb::envoy::extensions::filters::http::router::v3::Router;

/// The headers that `strict_check_headers` may name.
const CHECKED: &[&str] = &[
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-max-retries",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
];

/// Reads the options.
pub(crate) fn read(r: &mut Reader<'_>, proto: &Router) -> Read<RouterOptions> {
    let Router {
        dynamic_stats,
        start_child_span,
        upstream_log,
        upstream_log_options,
        suppress_envoy_headers,
        strict_check_headers,
        respect_expected_rq_timeout,
        suppress_grpc_request_failure_code_stats,
        upstream_http_filters,
        reject_connect_request_early_data,
    } = proto;
    ignore_set!(r, "there is no tracer", start_child_span);
    ignore_set!(
        r,
        "the log of requests is the only one: it tells of the last attempt",
        upstream_log,
        upstream_log_options
    );
    ignore_set!(r, "it only changes counters", suppress_grpc_request_failure_code_stats);
    if bool_or(reject_connect_request_early_data.as_ref(), false) {
        r.refuse_at("reject_connect_request_early_data", "not implemented");
    }
    if !upstream_http_filters.is_empty() {
        let (filters, _) =
            http_filter::chain(r, "upstream_http_filters", upstream_http_filters, Position::Upstream)?;
        if !filters.is_empty() {
            refuse_set!(r, "set them in the cluster's http_filters", upstream_http_filters);
        }
    }
    Ok(RouterOptions {
        suppress_envoy_headers: *suppress_envoy_headers,
        dynamic_stats: bool_or(dynamic_stats.as_ref(), true),
        strict_check_headers: r.each(
            "strict_check_headers",
            strict_check_headers,
            |r, name| match CHECKED.iter().find(|known| name.eq_ignore_ascii_case(known)) {
                Some(known) => Ok((*known).into()),
                None => Err(r.refuse(format!("{name:?} is none of {}", CHECKED.join(", ")))),
            },
        )?,
        respect_expected_timeout: *respect_expected_rq_timeout,
    })
}
