//! CORS policies.

use std::sync::Arc;

use weft_types::{FractionalPercent, Name};

use super::reader::{Read, Reader};
use super::unset::ignore_set;
use super::{matcher, share};
use crate::filter::{CorsPolicy, HttpFilterConfig, PerRoute};
use crate::pb::envoy::config::route::v3::{self as route, cors_policy::EnabledSpecifier};
use crate::pb::envoy::extensions::filters::http::cors::v3 as proto;

/// Name of the filter that the old field `cors` of routes and hosts refers to.
const FILTER: &str = "envoy.filters.http.cors";

/// Reads the policy of a route's settings.
pub(crate) fn policy(r: &mut Reader<'_>, proto: &proto::CorsPolicy) -> Read<CorsPolicy> {
    let proto::CorsPolicy {
        allow_origin_string_match,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
        allow_credentials,
        filter_enabled,
        shadow_enabled,
        allow_private_network_access,
        forward_not_matching_preflights,
    } = proto;
    ignore_set!(r, "policies are not evaluated for counters alone", shadow_enabled);
    let enabled = r.maybe("filter_enabled", filter_enabled.as_ref(), |r, p| {
        share::runtime_fraction(r, p, FractionalPercent::ALWAYS)
    })?;
    Ok(CorsPolicy {
        allow_origin: r.each("allow_origin_string_match", allow_origin_string_match, matcher::string)?,
        allow_methods: allow_methods.as_str().into(),
        allow_headers: allow_headers.as_str().into(),
        expose_headers: expose_headers.as_str().into(),
        max_age: max_age.as_str().into(),
        allow_credentials: allow_credentials.as_ref().map(|v| v.value),
        enabled,
        allow_private_network: allow_private_network_access.as_ref().map(|v| v.value),
        forward_unmatched_preflights: forward_not_matching_preflights.as_ref().map(|v| v.value),
    })
}

/// Reads the old field `cors`; settings of the new form win over it.
pub(crate) fn legacy(
    r: &mut Reader<'_>,
    proto: Option<&route::CorsPolicy>,
    per_filter: &mut Vec<(Name, PerRoute)>,
) -> Read<()> {
    let Some(proto) = proto else { return Ok(()) };
    let policy = r.within("cors", |r| {
        let route::CorsPolicy {
            allow_origin_string_match,
            allow_methods,
            allow_headers,
            expose_headers,
            max_age,
            allow_credentials,
            shadow_enabled,
            allow_private_network_access,
            forward_not_matching_preflights,
            enabled_specifier,
        } = proto;
        policy(
            r,
            &proto::CorsPolicy {
                allow_origin_string_match: allow_origin_string_match.clone(),
                allow_methods: allow_methods.clone(),
                allow_headers: allow_headers.clone(),
                expose_headers: expose_headers.clone(),
                max_age: max_age.clone(),
                allow_credentials: *allow_credentials,
                filter_enabled: enabled_specifier
                    .as_ref()
                    .map(|EnabledSpecifier::FilterEnabled(fraction)| fraction.clone()),
                shadow_enabled: shadow_enabled.clone(),
                allow_private_network_access: *allow_private_network_access,
                forward_not_matching_preflights: *forward_not_matching_preflights,
            },
        )
    })?;
    if !per_filter.iter().any(|(name, _)| &**name == FILTER) {
        per_filter.push((FILTER.into(), PerRoute::Config(HttpFilterConfig::Cors(Arc::new(policy)))));
    }
    Ok(())
}
