//! Percentages.

use weft_types::FractionalPercent;

use super::reader::{Read, Reader};
use crate::pb::envoy::config::core::v3::RuntimeFractionalPercent;
use crate::pb::envoy::r#type::v3 as kind;

/// Reads a fraction.
pub(crate) fn fraction(r: &mut Reader<'_>, proto: &kind::FractionalPercent) -> Read<FractionalPercent> {
    let kind::FractionalPercent { numerator, denominator } = proto;
    let denominator = match r.choice("denominator", *denominator)? {
        kind::fractional_percent::DenominatorType::Hundred => 100,
        kind::fractional_percent::DenominatorType::TenThousand => 10_000,
        kind::fractional_percent::DenominatorType::Million => 1_000_000,
    };
    Ok(FractionalPercent { numerator: *numerator, denominator })
}

/// Reads a fraction that Envoy's runtime could override. There is no runtime here.
pub(crate) fn runtime_fraction(
    r: &mut Reader<'_>,
    proto: &RuntimeFractionalPercent,
    default: FractionalPercent,
) -> Read<FractionalPercent> {
    let RuntimeFractionalPercent { default_value, runtime_key } = proto;
    runtime_key_unused(r, runtime_key);
    Ok(r.maybe("default_value", default_value.as_ref(), fraction)?.unwrap_or(default))
}

/// Notes a runtime key.
pub(crate) fn runtime_key_unused(r: &mut Reader<'_>, runtime_key: &str) {
    if !runtime_key.is_empty() {
        r.ignore_at("runtime_key", "there is no runtime: the value of the configuration holds");
    }
}

/// Reads a percentage, 0–100.
pub(crate) fn percent(r: &mut Reader<'_>, proto: &kind::Percent) -> Read<f64> {
    let kind::Percent { value } = proto;
    if (0.0..=100.0).contains(value) {
        Ok(*value)
    } else {
        Err(r.refuse_at("value", format!("{value} is not a percentage")))
    }
}
