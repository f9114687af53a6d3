//! What filters do on a route: faults (VS-22) and answers to browsers (VS-24).

use weft_api::istio::http_route::{
    CorsPolicy as Rule, FaultAbort as Abort, HttpFault as Fault, UnmatchedPreflights,
};
use weft_api::value::StringMatch;
use weft_proto::envoy::extensions::filters::common::fault::v3::FaultDelay;
use weft_proto::envoy::extensions::filters::common::fault::v3::fault_delay::FaultDelaySecifier;
use weft_proto::envoy::extensions::filters::http::cors::v3::CorsPolicy;
use weft_proto::envoy::extensions::filters::http::fault::v3::fault_abort::ErrorType;
use weft_proto::envoy::extensions::filters::http::fault::v3::{FaultAbort, HttpFault};

use super::matches;
use crate::message::{bool_value, duration, millionths, runtime_millionths};

/// All requests, in millionths.
const ALL: u32 = 1_000_000;

/// The fault of a route; `None`: no request is concerned.
pub(super) fn fault(rule: &Fault) -> Option<HttpFault> {
    let delay = rule.delay.as_ref().and_then(|delay| {
        let fixed = delay.fixed_delay?;
        let share = delay.share().per_million();
        (share > 0).then(|| FaultDelay {
            percentage: Some(millionths(share)),
            fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(duration(fixed))),
        })
    });
    let abort = rule.abort.as_ref().and_then(abort);
    (delay.is_some() || abort.is_some()).then(|| HttpFault { delay, abort, ..Default::default() })
}

fn abort(rule: &Abort) -> Option<FaultAbort> {
    let share = rule.percentage.map_or(0, weft_api::value::Percent::per_million);
    let grpc = rule.grpc_status.as_deref().and_then(weft_types::grpc::code);
    let error = match (rule.http_status, grpc) {
        (Some(status), _) => ErrorType::HttpStatus(status),
        (None, Some(status)) => ErrorType::GrpcStatus(status),
        (None, None) => return None,
    };
    (share > 0).then(|| FaultAbort {
        percentage: Some(millionths(share)),
        error_type: Some(error),
        ..Default::default()
    })
}

/// The answers to browsers.
pub(super) fn cors(rule: &Rule) -> CorsPolicy {
    let old = rule.allow_origin.iter().map(|origin| match origin.as_str() {
        "*" => StringMatch::Regex(".*".to_owned()),
        origin => StringMatch::Exact(origin.to_owned()),
    });
    let origins: Vec<StringMatch> = match rule.allow_origins.as_slice() {
        [] => old.collect(),
        new => new.to_vec(),
    };
    let any = || matches::text(&StringMatch::Regex(".*".to_owned()));
    CorsPolicy {
        allow_origin_string_match: origins.iter().filter_map(|o| matches::text(o).or_else(any)).collect(),
        allow_methods: rule.allow_methods.join(","),
        allow_headers: rule.allow_headers.join(","),
        expose_headers: rule.expose_headers.join(","),
        max_age: rule.max_age.map(|age| age.as_secs().to_string()).unwrap_or_default(),
        allow_credentials: rule.allow_credentials.map(bool_value),
        filter_enabled: Some(runtime_millionths(ALL)),
        forward_not_matching_preflights: Some(bool_value(
            rule.unmatched_preflights != UnmatchedPreflights::Ignore,
        )),
        ..Default::default()
    }
}
