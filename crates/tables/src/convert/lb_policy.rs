//! Options of balancing policies, in whichever message they come.

use std::time::Duration;

use super::reader::{Read, Reader, u64_or};
use super::share;
use crate::cluster::{LbPolicy, SlowStart};
use crate::pb::envoy::config::core::v3::RuntimeDouble;
use crate::pb::envoy::r#type::v3::Percent;
use crate::pb::google::protobuf::{Duration as ProtoDuration, UInt32Value, UInt64Value};

/// Default of `minimum_ring_size`.
pub(crate) const MIN_RING: u64 = 1024;
/// Default and highest value of `maximum_ring_size`.
pub(crate) const MAX_RING: u64 = 8 * 1024 * 1024;
/// Default of `table_size`.
pub(crate) const MAGLEV_TABLE: u64 = 65_537;
/// Highest table size that Envoy takes.
pub(crate) const MAX_MAGLEV_TABLE: u64 = 5_000_011;
/// Default of `min_weight_percent` of slow start.
pub(crate) const SLOW_START_MIN_WEIGHT: f64 = 10.0;

/// Reads the options of least request.
pub(crate) fn least_request(
    r: &mut Reader<'_>,
    choices: Option<&UInt32Value>,
    bias: Option<&RuntimeDouble>,
) -> Read<LbPolicy> {
    Ok(LbPolicy::LeastRequest {
        choices: r.bounded("choice_count", choices, 2, 2..=u32::MAX)?,
        active_request_bias: runtime_double(r, "active_request_bias", bias)?,
    })
}

/// Reads a factor that is 1 by default, and not negative.
fn runtime_double(r: &mut Reader<'_>, field: &'static str, proto: Option<&RuntimeDouble>) -> Read<f64> {
    let value = r.maybe(field, proto, |r, RuntimeDouble { default_value, runtime_key }| {
        share::runtime_key_unused(r, runtime_key);
        if default_value.is_finite() && *default_value >= 0.0 {
            return Ok(*default_value);
        }
        Err(r.refuse_at("default_value", format!("{default_value} is negative")))
    })?;
    Ok(value.unwrap_or(1.0))
}

/// Reads the options of a hash ring.
pub(crate) fn ring_hash(
    r: &mut Reader<'_>,
    min: Option<&UInt64Value>,
    max: Option<&UInt64Value>,
    murmur: bool,
) -> Read<LbPolicy> {
    let min_size = u64_or(min, MIN_RING).max(1);
    let max_size = u64_or(max, MAX_RING);
    if min_size > max_size || max_size > MAX_RING {
        return Err(
            r.refuse(format!("ring sizes {min_size} and {max_size} are not in 1..={MAX_RING}, in order"))
        );
    }
    Ok(LbPolicy::RingHash { min_size, max_size, murmur })
}

/// Reads the options of a Maglev table.
pub(crate) fn maglev(r: &mut Reader<'_>, size: Option<&UInt64Value>) -> Read<LbPolicy> {
    let size = u64_or(size, MAGLEV_TABLE);
    // The bound comes first: it keeps the search for divisors short.
    let prime = |size: u64| (2..).take_while(|d| d * d <= size).all(|d| !size.is_multiple_of(d));
    if !(2..=MAX_MAGLEV_TABLE).contains(&size) || !prime(size) {
        return Err(r.refuse_at("table_size", format!("must be a prime number up to {MAX_MAGLEV_TABLE}")));
    }
    Ok(LbPolicy::Maglev(size))
}

/// Reads the options of slow start.
pub(crate) fn slow_start(
    r: &mut Reader<'_>,
    window: Option<&ProtoDuration>,
    aggression: Option<&RuntimeDouble>,
    min_weight: Option<&Percent>,
) -> Read<SlowStart> {
    Ok(SlowStart {
        window: r.duration("slow_start_window", window)?.unwrap_or(Duration::ZERO),
        aggression: runtime_double(r, "aggression", aggression)?,
        min_weight_percent: r
            .maybe("min_weight_percent", min_weight, share::percent)?
            .unwrap_or(SLOW_START_MIN_WEIGHT),
    })
}
