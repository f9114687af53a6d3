//! Virtual hosts.

use std::sync::Arc;

use super::headers::{self, Lists};
use super::reader::{Read, Reader};
use super::unset::{ignore_set, refuse_set};
use super::{cors, metadata, mirror, per_route, retry, route};
use crate::pb::envoy::config::route::v3::{self as proto, virtual_host::TlsRequirementType};
use crate::pb::google::protobuf::{UInt32Value, UInt64Value};
use crate::route::{TlsRequirement, VirtualHost};

/// Why rate limits have no effect.
pub(crate) const NO_RATE_LIMIT_FILTER: &str =
    "only the rate limit filters look at it, and they are refused where they would";

/// Reads a virtual host.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::VirtualHost, max_direct: u32) -> Read<VirtualHost> {
    let proto::VirtualHost {
        name,
        domains,
        routes,
        matcher,
        require_tls,
        virtual_clusters,
        rate_limits,
        request_headers_to_add,
        request_headers_to_remove,
        response_headers_to_add,
        response_headers_to_remove,
        cors,
        typed_per_filter_config,
        include_request_attempt_count,
        include_attempt_count_in_response,
        retry_policy,
        retry_policy_typed_config,
        hedge_policy,
        include_is_timeout_retry_header,
        per_request_buffer_limit_bytes,
        request_body_buffer_limit,
        request_mirror_policies,
        metadata,
        route_specifiers,
    } = proto;
    refuse_set!(r, "not implemented", matcher, retry_policy_typed_config, route_specifiers);
    ignore_set!(r, "it only names counters", virtual_clusters);
    ignore_set!(r, NO_RATE_LIMIT_FILTER, rate_limits);
    ignore_set!(r, "the header is not added", include_is_timeout_retry_header);
    r.maybe("hedge_policy", hedge_policy.as_ref(), retry::hedge)?;
    let read_routes = r.each("routes", routes, |r, p| route::read(r, p, max_direct).map(Arc::new));
    if domains.is_empty() {
        return Err(r.refuse("a virtual host needs at least one domain"));
    }
    r.each("domains", domains, |r, domain| headers::check_value(r, "", domain))?;
    let mut per_filter = per_route::read(r, typed_per_filter_config)?;
    cors::legacy(r, cors.as_ref(), &mut per_filter)?;
    Ok(VirtualHost {
        name: r.text("name", name)?.into(),
        routes: read_routes?.into(),
        require_tls: match r.choice("require_tls", *require_tls)? {
            TlsRequirementType::None => TlsRequirement::None,
            TlsRequirementType::ExternalOnly => TlsRequirement::ExternalOnly,
            TlsRequirementType::All => TlsRequirement::All,
        },
        headers: headers::rules(
            r,
            &Lists {
                request_headers_to_add,
                request_headers_to_remove,
                response_headers_to_add,
                response_headers_to_remove,
            },
        )?,
        retry: r.maybe("retry_policy", retry_policy.as_ref(), retry::read)?.map(Arc::new),
        per_filter,
        mirrors: r.each("request_mirror_policies", request_mirror_policies, mirror::read)?,
        attempt_count_in_request: *include_request_attempt_count,
        attempt_count_in_response: *include_attempt_count_in_response,
        request_body_buffer_limit: buffer_limit(
            r,
            per_request_buffer_limit_bytes.as_ref(),
            request_body_buffer_limit.as_ref(),
        )?,
        provenance: metadata::provenance_of(r, metadata.as_ref()),
    })
}

/// Reads the body limit from its old and new field, of which one may be set.
pub(crate) fn buffer_limit(
    r: &mut Reader<'_>,
    old: Option<&UInt32Value>,
    new: Option<&UInt64Value>,
) -> Read<Option<u64>> {
    match (old, new) {
        (Some(_), Some(_)) => {
            Err(r.refuse_at("per_request_buffer_limit_bytes", "not together with request_body_buffer_limit"))
        }
        (old, new) => Ok(new.map(|v| v.value).or(old.map(|v| u64::from(v.value)))),
    }
}
