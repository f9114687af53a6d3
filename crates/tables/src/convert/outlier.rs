//! Outlier detection.

use std::time::Duration;

use super::reader::{Read, Reader, bool_or, u32_or};
use super::unset::refuse_set;
use crate::cluster::{FailurePercentage, OutlierDetection, SuccessRate};
use crate::pb::envoy::config::cluster::v3 as proto;
use crate::pb::google::protobuf::UInt32Value;

/// Default of `interval`.
const INTERVAL: Duration = Duration::from_secs(10);
/// Default of `base_ejection_time`.
const BASE_EJECTION_TIME: Duration = Duration::from_secs(30);
/// Default of `max_ejection_time`.
const MAX_EJECTION_TIME: Duration = Duration::from_secs(300);

/// Reads outlier detection.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::OutlierDetection) -> Read<OutlierDetection> {
    let proto::OutlierDetection {
        consecutive_5xx,
        interval,
        base_ejection_time,
        max_ejection_percent,
        enforcing_consecutive_5xx,
        enforcing_success_rate,
        success_rate_minimum_hosts,
        success_rate_request_volume,
        success_rate_stdev_factor,
        consecutive_gateway_failure,
        enforcing_consecutive_gateway_failure,
        split_external_local_origin_errors,
        consecutive_local_origin_failure,
        enforcing_consecutive_local_origin_failure,
        enforcing_local_origin_success_rate,
        failure_percentage_threshold,
        enforcing_failure_percentage,
        enforcing_failure_percentage_local_origin,
        failure_percentage_minimum_hosts,
        failure_percentage_request_volume,
        max_ejection_time,
        max_ejection_time_jitter,
        successful_active_health_check_uneject_host,
        monitors,
        always_eject_one_host,
        detect_degraded_hosts,
    } = proto;
    refuse_set!(r, "not implemented", monitors);
    if bool_or(detect_degraded_hosts.as_ref(), false) {
        r.refuse_at("detect_degraded_hosts", "not implemented");
    }
    let base = r.positive("base_ejection_time", base_ejection_time.as_ref(), BASE_EJECTION_TIME)?;
    let max = r.positive("max_ejection_time", max_ejection_time.as_ref(), MAX_EJECTION_TIME.max(base))?;
    if max < base {
        return Err(r.refuse_at("max_ejection_time", "must not be below base_ejection_time"));
    }
    Ok(OutlierDetection {
        consecutive_5xx: u32_or(consecutive_5xx.as_ref(), 5),
        enforcing_consecutive_5xx: percent(r, "enforcing_consecutive_5xx", enforcing_consecutive_5xx, 100)?,
        consecutive_gateway_failure: u32_or(consecutive_gateway_failure.as_ref(), 5),
        enforcing_consecutive_gateway_failure: percent(
            r,
            "enforcing_consecutive_gateway_failure",
            enforcing_consecutive_gateway_failure,
            0,
        )?,
        consecutive_local_origin_failure: u32_or(consecutive_local_origin_failure.as_ref(), 5),
        enforcing_consecutive_local_origin_failure: percent(
            r,
            "enforcing_consecutive_local_origin_failure",
            enforcing_consecutive_local_origin_failure,
            100,
        )?,
        split_external_local_origin_errors: *split_external_local_origin_errors,
        interval: r.positive("interval", interval.as_ref(), INTERVAL)?,
        base_ejection_time: base,
        max_ejection_time: max,
        max_ejection_time_jitter: r
            .duration("max_ejection_time_jitter", max_ejection_time_jitter.as_ref())?
            .unwrap_or_default(),
        max_ejection_percent: percent(r, "max_ejection_percent", max_ejection_percent, 10)?,
        always_eject_one: bool_or(always_eject_one_host.as_ref(), false),
        success_rate: SuccessRate {
            enforcing: percent(r, "enforcing_success_rate", enforcing_success_rate, 100)?,
            enforcing_local_origin: percent(
                r,
                "enforcing_local_origin_success_rate",
                enforcing_local_origin_success_rate,
                100,
            )?,
            minimum_hosts: u32_or(success_rate_minimum_hosts.as_ref(), 5),
            request_volume: u32_or(success_rate_request_volume.as_ref(), 100),
            stdev_factor: u32_or(success_rate_stdev_factor.as_ref(), 1900),
        },
        failure_percentage: FailurePercentage {
            threshold: percent(r, "failure_percentage_threshold", failure_percentage_threshold, 85)?,
            enforcing: percent(r, "enforcing_failure_percentage", enforcing_failure_percentage, 0)?,
            enforcing_local_origin: percent(
                r,
                "enforcing_failure_percentage_local_origin",
                enforcing_failure_percentage_local_origin,
                0,
            )?,
            minimum_hosts: u32_or(failure_percentage_minimum_hosts.as_ref(), 5),
            request_volume: u32_or(failure_percentage_request_volume.as_ref(), 50),
        },
        successful_check_uneject: bool_or(successful_active_health_check_uneject_host.as_ref(), true),
    })
}

fn percent(r: &mut Reader<'_>, field: &'static str, value: &Option<UInt32Value>, default: u32) -> Read<u32> {
    r.bounded(field, value.as_ref(), default, 0..=100)
}
