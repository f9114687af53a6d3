//! Route configurations.

use std::sync::Arc;

use super::headers::{self, Lists};
use super::reader::{Read, Reader, bool_or, u32_or};
use super::unset::refuse_set;
use super::{domains, metadata, mirror, per_route, virtual_host};
use crate::pb::envoy::config::route::v3::RouteConfiguration;
use crate::route::RouteConfig;

/// Default of `max_direct_response_body_size_bytes`.
const MAX_DIRECT_RESPONSE_BODY: u32 = 4096;

/// Reads a route configuration. `validate_default`: whether clusters must exist when the
/// configuration does not say (Envoy: those inline in a connection manager, not those of RDS).
pub(crate) fn read(
    r: &mut Reader<'_>,
    proto: &RouteConfiguration,
    validate_default: bool,
) -> Read<RouteConfig> {
    let RouteConfiguration {
        name,
        virtual_hosts,
        vhds,
        internal_only_headers,
        response_headers_to_add,
        response_headers_to_remove,
        request_headers_to_add,
        request_headers_to_remove,
        most_specific_header_mutations_wins,
        validate_clusters,
        max_direct_response_body_size_bytes,
        cluster_specifier_plugins,
        request_mirror_policies,
        ignore_port_in_host_matching,
        vhost_header,
        ignore_path_parameters_in_path_matching,
        typed_per_filter_config,
        metadata,
        route_specifiers,
    } = proto;
    refuse_set!(r, "not implemented", vhds, cluster_specifier_plugins, vhost_header, route_specifiers);
    r.validate_clusters = bool_or(validate_clusters.as_ref(), validate_default);
    let max_direct_response_body =
        u32_or(max_direct_response_body_size_bytes.as_ref(), MAX_DIRECT_RESPONSE_BODY);
    let hosts = r.each("virtual_hosts", virtual_hosts, |r, host| {
        virtual_host::read(r, host, max_direct_response_body).map(Arc::new)
    });
    let domains = domains::index(r, virtual_hosts);
    let mirrors = r.each("request_mirror_policies", request_mirror_policies, mirror::read);
    r.validate_clusters = false;
    Ok(RouteConfig {
        name: name.as_str().into(),
        virtual_hosts: hosts?,
        domains: domains?,
        headers: headers::rules(
            r,
            &Lists {
                request_headers_to_add,
                request_headers_to_remove,
                response_headers_to_add,
                response_headers_to_remove,
            },
        )?,
        most_specific_headers_win: *most_specific_header_mutations_wins,
        internal_only_headers: r
            .each("internal_only_headers", internal_only_headers, |r, name| headers::removal(r, name))?,
        ignore_port: *ignore_port_in_host_matching,
        ignore_path_parameters: *ignore_path_parameters_in_path_matching,
        per_filter: per_route::read(r, typed_per_filter_config)?,
        mirrors: mirrors?,
        provenance: metadata::provenance_of(r, metadata.as_ref()),
    })
}
