//! Forwarding.

use std::sync::Arc;
use std::time::Duration;

use weft_types::Name;

use super::reader::{Read, Reader, bool_or, holds};
use super::unset::{ignore_set, refuse_set};
use super::virtual_host::NO_RATE_LIMIT_FILTER;
use super::{cors, hash_policy, headers, matcher, metadata, mirror, retry, target};
use crate::filter::PerRoute;
use crate::pb::envoy::config::core::v3::RoutingPriority;
use crate::pb::envoy::config::route::v3::{self as proto, route_action as action};
use crate::pb::envoy::extensions::early_data::v3::DefaultEarlyDataPolicy;
use crate::route::{
    Forward, HostRewrite, InternalRedirects, MaxStreamDuration, PathRewrite, RouteUpgrade, Template,
};
use action::{ClusterNotFoundResponseCode, HostRewriteSpecifier};

/// Default of `timeout`.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Reads a route action. A policy of the old field `cors` joins `per_filter`.
pub(crate) fn read(
    r: &mut Reader<'_>,
    proto: &proto::RouteAction,
    per_filter: &mut Vec<(Name, PerRoute)>,
) -> Read<Box<Forward>> {
    let proto::RouteAction {
        cluster_not_found_response_code,
        metadata_match,
        prefix_rewrite,
        regex_rewrite,
        path_rewrite_policy,
        path_rewrite,
        append_x_forwarded_host,
        timeout,
        idle_timeout,
        flush_timeout,
        early_data_policy,
        retry_policy,
        retry_policy_typed_config,
        request_mirror_policies,
        priority,
        rate_limits,
        include_vh_rate_limits,
        hash_policy,
        cors,
        max_grpc_timeout,
        grpc_timeout_offset,
        upgrade_configs,
        internal_redirect_policy,
        internal_redirect_action,
        max_internal_redirects,
        hedge_policy,
        max_stream_duration,
        cluster_specifier,
        host_rewrite_specifier,
    } = proto;
    refuse_set!(r, "not implemented", path_rewrite_policy, flush_timeout, retry_policy_typed_config);
    refuse_set!(r, "use internal_redirect_policy", internal_redirect_action, max_internal_redirects);
    ignore_set!(r, NO_RATE_LIMIT_FILTER, rate_limits, include_vh_rate_limits);
    if let Some(policy) = early_data_policy
        && !policy.typed_config.as_ref().is_some_and(holds::<DefaultEarlyDataPolicy>)
    {
        r.refuse_at("early_data_policy", "not implemented");
    }
    r.maybe("hedge_policy", hedge_policy.as_ref(), retry::hedge)?;
    let target = target::read(r, cluster_specifier.as_ref());
    let mirrors = r.each("request_mirror_policies", request_mirror_policies, mirror::read);
    let hash_policies = r.each("hash_policy", hash_policy, hash_policy::read);
    let upgrades = r.each("upgrade_configs", upgrade_configs, upgrade);
    cors::legacy(r, cors.as_ref(), per_filter)?;
    Ok(Box::new(Forward {
        target: target?,
        cluster_not_found: match r
            .choice("cluster_not_found_response_code", *cluster_not_found_response_code)?
        {
            ClusterNotFoundResponseCode::ServiceUnavailable => 503,
            ClusterNotFoundResponseCode::NotFound => 404,
            ClusterNotFoundResponseCode::InternalServerError => 500,
        },
        subset: metadata::subset(r, metadata_match.as_ref()),
        path_rewrite: path_change(r, prefix_rewrite, regex_rewrite.as_ref(), path_rewrite)?,
        host_rewrite: host_change(r, host_rewrite_specifier.as_ref())?,
        append_x_forwarded_host: *append_x_forwarded_host,
        timeout: r.limit("timeout", timeout.as_ref(), Some(TIMEOUT))?,
        idle_timeout: r.duration("idle_timeout", idle_timeout.as_ref())?,
        max_stream_duration: r
            .maybe("max_stream_duration", max_stream_duration.as_ref(), stream_duration)?
            .unwrap_or_default(),
        max_grpc_timeout: r.duration("max_grpc_timeout", max_grpc_timeout.as_ref())?,
        grpc_timeout_offset: r.duration("grpc_timeout_offset", grpc_timeout_offset.as_ref())?,
        retry: r.maybe("retry_policy", retry_policy.as_ref(), retry::read)?.map(Arc::new),
        mirrors: mirrors?,
        high_priority: r.choice::<RoutingPriority>("priority", *priority)? == RoutingPriority::High,
        hash_policies: hash_policies?.into_iter().flatten().collect(),
        upgrades: upgrades?,
        internal_redirects: r.maybe(
            "internal_redirect_policy",
            internal_redirect_policy.as_ref(),
            internal_redirects,
        )?,
    }))
}

fn path_change(
    r: &mut Reader<'_>,
    prefix: &str,
    regex: Option<&crate::pb::envoy::r#type::matcher::v3::RegexMatchAndSubstitute>,
    path: &str,
) -> Read<Option<PathRewrite>> {
    if usize::from(!prefix.is_empty()) + usize::from(regex.is_some()) + usize::from(!path.is_empty()) > 1 {
        return Err(r.refuse("only one of prefix_rewrite, regex_rewrite and path_rewrite may be set"));
    }
    if let Some((regex, to)) = r.maybe("regex_rewrite", regex, matcher::rewrite)? {
        return Ok(Some(PathRewrite::Regex(regex, to)));
    }
    headers::check_value(r, "prefix_rewrite", prefix)?;
    headers::check_value(r, "path_rewrite", path)?;
    match (prefix, path) {
        ("", "") => Ok(None),
        ("", path) => Ok(Some(PathRewrite::Path(literal(r, "path_rewrite", path)?))),
        (prefix, _) => Ok(Some(PathRewrite::Prefix(prefix.into()))),
    }
}

fn host_change(r: &mut Reader<'_>, proto: Option<&HostRewriteSpecifier>) -> Read<Option<HostRewrite>> {
    Ok(match proto {
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => {
            headers::check_value(r, "host_rewrite_literal", host)?;
            Some(HostRewrite::Literal(host.as_str().into())).filter(|_| !host.is_empty())
        }
        Some(HostRewriteSpecifier::AutoHostRewrite(flag)) => flag.value.then_some(HostRewrite::Endpoint),
        Some(HostRewriteSpecifier::HostRewriteHeader(name)) => {
            Some(HostRewrite::Header(headers::field_name(r, "host_rewrite_header", name)?))
        }
        Some(HostRewriteSpecifier::HostRewritePathRegex(rewrite)) => {
            let (regex, to) = r.within("host_rewrite_path_regex", |r| matcher::rewrite(r, rewrite))?;
            Some(HostRewrite::PathRegex(regex, to))
        }
        Some(HostRewriteSpecifier::HostRewrite(host)) => {
            headers::check_value(r, "host_rewrite", host)?;
            Some(HostRewrite::Literal(literal(r, "host_rewrite", host)?)).filter(|_| !host.is_empty())
        }
        None => None,
    })
}

/// Reads a text that may hold operators by its definition, but not here.
fn literal(r: &mut Reader<'_>, field: &'static str, text: &str) -> Read<Box<str>> {
    let template = Template::parse(text).map_err(|error| r.refuse_at(field, error.to_string()))?;
    match template.as_literal() {
        Some(text) => Ok(text.into()),
        None => Err(r.refuse_at(field, "command operators are not implemented here")),
    }
}

fn stream_duration(r: &mut Reader<'_>, proto: &action::MaxStreamDuration) -> Read<MaxStreamDuration> {
    let action::MaxStreamDuration {
        max_stream_duration,
        grpc_timeout_header_max,
        grpc_timeout_header_offset,
    } = proto;
    Ok(MaxStreamDuration {
        limit: r.duration("max_stream_duration", max_stream_duration.as_ref())?,
        grpc_timeout_max: r.duration("grpc_timeout_header_max", grpc_timeout_header_max.as_ref())?,
        grpc_timeout_offset: r.duration("grpc_timeout_header_offset", grpc_timeout_header_offset.as_ref())?,
    })
}

fn upgrade(r: &mut Reader<'_>, proto: &action::UpgradeConfig) -> Read<RouteUpgrade> {
    let action::UpgradeConfig { upgrade_type, enabled, connect_config } = proto;
    let token = r.text("upgrade_type", upgrade_type)?.to_ascii_lowercase();
    let config = r.maybe("connect_config", connect_config.as_ref(), |r, config| {
        let action::upgrade_config::ConnectConfig { proxy_protocol_config, allow_post } = config;
        refuse_set!(r, "not implemented", proxy_protocol_config, allow_post);
        if token != "connect" {
            return Err(r.refuse("only upgrades of type CONNECT can be ended here"));
        }
        Ok(())
    })?;
    Ok(RouteUpgrade {
        token: token.into(),
        enabled: bool_or(enabled.as_ref(), true),
        terminate_connect: config.is_some(),
    })
}

fn internal_redirects(r: &mut Reader<'_>, proto: &proto::InternalRedirectPolicy) -> Read<InternalRedirects> {
    let proto::InternalRedirectPolicy {
        max_internal_redirects,
        redirect_response_codes,
        predicates,
        allow_cross_scheme_redirect,
        response_headers_to_copy,
    } = proto;
    refuse_set!(r, "not implemented", predicates, response_headers_to_copy);
    // Envoy: codes that are no redirects are left out; without any, 302.
    let mut statuses: Vec<u16> = redirect_response_codes
        .iter()
        .filter_map(|code| u16::try_from(*code).ok())
        .filter(|code| matches!(code, 301 | 302 | 303 | 307 | 308))
        .collect();
    if redirect_response_codes.is_empty() {
        statuses.push(302);
    }
    Ok(InternalRedirects {
        max: super::reader::u32_or(max_internal_redirects.as_ref(), 1),
        statuses,
        cross_scheme: *allow_cross_scheme_redirect,
    })
}
