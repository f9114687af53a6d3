//! Which endpoints are left out for a while (DR-12).

use weft_api::istio::traffic_policy::OutlierDetection as Rule;
use weft_proto::envoy::config::cluster::v3::OutlierDetection;

use crate::message::{duration, u32_value};

/// All errors of a kind count.
const ENFORCED: u32 = 100;

/// Outlier detection as Istio sets it: success rates never count.
pub(crate) fn detection(rule: &Rule) -> OutlierDetection {
    let mut out = OutlierDetection {
        interval: rule.interval.map(duration),
        base_ejection_time: rule.base_ejection_time.map(duration),
        max_ejection_percent: rule.max_ejection_percent.filter(|n| *n > 0).map(u32_value),
        enforcing_success_rate: Some(u32_value(0)),
        split_external_local_origin_errors: rule.split_external_local_origin_errors,
        ..Default::default()
    };
    if let Some(errors) = rule.consecutive_5xx_errors.or(rule.consecutive_errors) {
        // 0 turns the detector off.
        out.consecutive_5xx = Some(u32_value(errors)).filter(|_| errors > 0);
        out.enforcing_consecutive_5xx = Some(u32_value(if errors > 0 { ENFORCED } else { 0 }));
    }
    if let Some(errors) = rule.consecutive_gateway_errors {
        out.consecutive_gateway_failure = Some(u32_value(errors)).filter(|_| errors > 0);
        out.enforcing_consecutive_gateway_failure = Some(u32_value(if errors > 0 { ENFORCED } else { 0 }));
    }
    if rule.split_external_local_origin_errors {
        if let Some(errors) = rule.consecutive_local_origin_failures.filter(|n| *n > 0) {
            out.consecutive_local_origin_failure = Some(u32_value(errors));
            out.enforcing_consecutive_local_origin_failure = Some(u32_value(ENFORCED));
        }
        out.enforcing_local_origin_success_rate = Some(u32_value(0));
    }
    out
}
