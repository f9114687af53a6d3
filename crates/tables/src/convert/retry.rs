//! Retry policies.

use std::time::Duration;

use super::headers;
use super::matcher;
use super::reader::{Read, Reader, holds, u32_or};
use super::unset::{ignore_set, refuse_set};
use crate::pb::envoy::config::route::v3::{self as proto, retry_policy as retry};
use crate::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use crate::pb::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
use crate::route::{ResetHeader, RetryHeader, RetryOn, RetryPolicy};

/// Default base of the back-off.
const BACK_OFF_BASE: Duration = Duration::from_millis(25);
/// Default longest wait that a reset header may cause.
const RESET_MAX: Duration = Duration::from_secs(300);

/// Reads a retry policy.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::RetryPolicy) -> Read<RetryPolicy> {
    let proto::RetryPolicy {
        retry_on,
        num_retries,
        per_try_timeout,
        per_try_idle_timeout,
        retry_priority,
        retry_host_predicate,
        retry_options_predicates,
        host_selection_retry_max_attempts,
        retriable_status_codes,
        retry_back_off,
        rate_limited_retry_back_off,
        retriable_headers,
        retriable_request_headers,
        refresh_cluster_on_retry,
    } = proto;
    refuse_set!(r, "not implemented", retry_options_predicates, refresh_cluster_on_retry);
    let header = |r: &mut Reader<'_>, p: &proto::HeaderMatcher| matcher::header(r, p).map(RetryHeader);
    let statuses = r.each("retriable_status_codes", retriable_status_codes, |r, code| {
        u16::try_from(*code).map_err(|_| r.refuse(format!("{code} is not a status")))
    })?;
    let (back_off_base, back_off_max) = r
        .maybe("retry_back_off", retry_back_off.as_ref(), back_off)?
        .unwrap_or((BACK_OFF_BASE, BACK_OFF_BASE * 10));
    let (reset_headers, reset_max) = r
        .maybe("rate_limited_retry_back_off", rate_limited_retry_back_off.as_ref(), rate_limited)?
        .unwrap_or((Vec::new(), RESET_MAX));
    let avoid_previous_hosts =
        !r.each("retry_host_predicate", retry_host_predicate, host_predicate)?.is_empty();
    Ok(RetryPolicy {
        on: conditions(r, retry_on),
        attempts: u32_or(num_retries.as_ref(), 1),
        per_try_timeout: r.limit("per_try_timeout", per_try_timeout.as_ref(), None)?,
        per_try_idle_timeout: r.limit("per_try_idle_timeout", per_try_idle_timeout.as_ref(), None)?,
        back_off_base,
        back_off_max,
        statuses,
        headers: r.each("retriable_headers", retriable_headers, header)?,
        request_headers: r.each("retriable_request_headers", retriable_request_headers, header)?,
        avoid_previous_hosts,
        avoid_previous_priorities: r.maybe("retry_priority", retry_priority.as_ref(), priority)?,
        host_selection_attempts: match *host_selection_retry_max_attempts {
            0 => 1,
            n => u32::try_from(n).map_err(|_| {
                r.refuse_at("host_selection_retry_max_attempts", format!("{n} is not a number of attempts"))
            })?,
        },
        reset_headers,
        reset_max,
    })
}

/// Refuses hedging where it would do something.
pub(crate) fn hedge(r: &mut Reader<'_>, proto: &proto::HedgePolicy) -> Read<()> {
    let proto::HedgePolicy { initial_requests, additional_request_chance, hedge_on_per_try_timeout } = proto;
    refuse_set!(r, "hedging is not implemented", hedge_on_per_try_timeout);
    ignore_set!(r, "Envoy does not implement it either", initial_requests, additional_request_chance);
    Ok(())
}

fn back_off(r: &mut Reader<'_>, proto: &retry::RetryBackOff) -> Read<(Duration, Duration)> {
    let retry::RetryBackOff { base_interval, max_interval } = proto;
    if base_interval.is_none() {
        return Err(r.refuse("base_interval is required"));
    }
    let base = r.positive("base_interval", base_interval.as_ref(), BACK_OFF_BASE)?;
    let max = r.positive("max_interval", max_interval.as_ref(), base.saturating_mul(10))?;
    if max < base {
        return Err(r.refuse_at("max_interval", "must not be below base_interval"));
    }
    Ok((base, max))
}

type ResetHeaders = Vec<(Box<str>, ResetHeader)>;

fn rate_limited(
    r: &mut Reader<'_>,
    proto: &retry::RateLimitedRetryBackOff,
) -> Read<(ResetHeaders, Duration)> {
    let retry::RateLimitedRetryBackOff { reset_headers, max_interval } = proto;
    if reset_headers.is_empty() {
        return Err(r.refuse("at least one of reset_headers is required"));
    }
    let read = r.each("reset_headers", reset_headers, |r, header| {
        let retry::ResetHeader { name, format } = header;
        let form = match r.choice("format", *format)? {
            retry::ResetHeaderFormat::Seconds => ResetHeader::Seconds,
            retry::ResetHeaderFormat::UnixTimestamp => ResetHeader::UnixTimestamp,
        };
        Ok((headers::field_name(r, "name", name)?, form))
    })?;
    Ok((read, r.positive("max_interval", max_interval.as_ref(), RESET_MAX)?))
}

fn host_predicate(r: &mut Reader<'_>, proto: &retry::RetryHostPredicate) -> Read<()> {
    let retry::RetryHostPredicate { name: _, config_type } = proto;
    match config_type {
        Some(retry::retry_host_predicate::ConfigType::TypedConfig(any))
            if holds::<PreviousHostsPredicate>(any) =>
        {
            Ok(())
        }
        _ => Err(r.refuse("only the predicate of previous hosts is implemented")),
    }
}

fn priority(r: &mut Reader<'_>, proto: &retry::RetryPriority) -> Read<u32> {
    let retry::RetryPriority { name: _, config_type } = proto;
    match config_type {
        Some(retry::retry_priority::ConfigType::TypedConfig(any))
            if holds::<PreviousPrioritiesConfig>(any) =>
        {
            r.within("typed_config", |r| {
                r.unpack(any, |r, PreviousPrioritiesConfig { update_frequency }| {
                    match u32::try_from(*update_frequency) {
                        Ok(n) if n > 0 => Ok(n),
                        _ => Err(r.refuse_at("update_frequency", "must be above 0")),
                    }
                })
            })
        }
        _ => Err(r.refuse("only previous priorities are implemented")),
    }
}

/// Reads the conditions. Envoy passes over words that it does not know.
fn conditions(r: &mut Reader<'_>, words: &str) -> RetryOn {
    let mut on = RetryOn::default();
    for word in words.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        let flag = match word {
            "5xx" => &mut on.any_5xx,
            "gateway-error" => &mut on.gateway_error,
            "reset" => &mut on.reset,
            "reset-before-request" => &mut on.reset_before_request,
            "connect-failure" => &mut on.connect_failure,
            "envoy-ratelimited" => &mut on.envoy_ratelimited,
            "retriable-4xx" => &mut on.retriable_4xx,
            "refused-stream" => &mut on.refused_stream,
            "retriable-status-codes" => &mut on.status_codes,
            "retriable-headers" => &mut on.headers,
            "http3-post-connect-failure" => &mut on.http3_post_connect_failure,
            "cancelled" => &mut on.grpc_cancelled,
            "deadline-exceeded" => &mut on.grpc_deadline_exceeded,
            "internal" => &mut on.grpc_internal,
            "resource-exhausted" => &mut on.grpc_resource_exhausted,
            "unavailable" => &mut on.grpc_unavailable,
            _ => {
                r.ignore_at("retry_on", format!("{word:?} is not a condition"));
                continue;
            }
        };
        *flag = true;
    }
    on
}
