//! Local rate limits.

use std::time::Duration;

use weft_types::{FractionalPercent, Name};

use super::headers;
use super::reader::{Read, Reader, u32_or};
use super::share;
use super::unset::{ignore_set, refuse_set};
use crate::filter::LocalRateLimit;
use crate::pb::envoy::extensions::filters::http::local_ratelimit::v3 as proto;
use crate::pb::envoy::r#type::v3::{HttpStatus, TokenBucket};

/// Shortest time between fills that Envoy takes.
const MIN_FILL: Duration = Duration::from_millis(50);

/// Reads the filter's configuration.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::LocalRateLimit) -> Read<LocalRateLimit> {
    let proto::LocalRateLimit {
        stat_prefix,
        status,
        token_bucket,
        filter_enabled,
        filter_enforced,
        request_headers_to_add_when_not_enforced,
        response_headers_to_add,
        descriptors,
        stage,
        local_rate_limit_per_downstream_connection,
        local_cluster_rate_limit,
        enable_x_ratelimit_headers,
        vh_rate_limits,
        always_consume_default_token_bucket,
        rate_limited_as_resource_exhausted,
        rate_limits,
        max_dynamic_descriptors,
        enable_retry_after_header,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        request_headers_to_add_when_not_enforced,
        descriptors,
        local_rate_limit_per_downstream_connection,
        local_cluster_rate_limit,
        rate_limited_as_resource_exhausted,
        rate_limits,
    );
    ignore_set!(r, "the header is not added", enable_x_ratelimit_headers, enable_retry_after_header);
    ignore_set!(
        r,
        "it has a meaning only with descriptors",
        stage,
        vh_rate_limits,
        always_consume_default_token_bucket,
        max_dynamic_descriptors,
    );
    let share = |r: &mut Reader<'_>, p: &_| share::runtime_fraction(r, p, FractionalPercent::NEVER);
    let (max_tokens, tokens_per_fill, fill_interval) =
        r.maybe("token_bucket", token_bucket.as_ref(), bucket)?.unwrap_or((0, 0, Duration::ZERO));
    Ok(LocalRateLimit {
        stat_prefix: Name::from(r.text("stat_prefix", stat_prefix)?),
        max_tokens,
        tokens_per_fill,
        fill_interval,
        enabled: r
            .maybe("filter_enabled", filter_enabled.as_ref(), share)?
            .unwrap_or(FractionalPercent::NEVER),
        enforced: r
            .maybe("filter_enforced", filter_enforced.as_ref(), share)?
            .unwrap_or(FractionalPercent::NEVER),
        status: status
            .as_ref()
            .and_then(|HttpStatus { code }| u16::try_from(*code).ok())
            // Envoy: a status below 400 would not be an error, and becomes 429.
            .filter(|code| (400..600).contains(code))
            .unwrap_or(429),
        response_headers: r
            .each("response_headers_to_add", response_headers_to_add, |r, p| headers::mutation(r, p))?,
    })
}

fn bucket(r: &mut Reader<'_>, proto: &TokenBucket) -> Read<(u32, u32, Duration)> {
    let TokenBucket { max_tokens, tokens_per_fill, fill_interval } = proto;
    if *max_tokens == 0 {
        return Err(r.refuse("max_tokens must be at least 1"));
    }
    let fill = r.duration("fill_interval", fill_interval.as_ref())?.unwrap_or_default();
    if fill < MIN_FILL {
        return Err(r.refuse("fill_interval must be at least 50 ms"));
    }
    Ok((*max_tokens, u32_or(tokens_per_fill.as_ref(), 1), fill))
}
