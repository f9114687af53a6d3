//! `dynamic_resources`: where resources come from that are not in the bootstrap.

use super::reader::{Read, Reader};
use super::route_source::version;
use super::unset::{ignore_set, refuse_set};
use crate::pb::envoy::config::bootstrap::v3::bootstrap::DynamicResources;
use crate::pb::envoy::config::core::v3::{
    self as core, ApiConfigSource, ConfigSource, GrpcService, HeaderValue, api_config_source::ApiType,
    config_source::ConfigSourceSpecifier, grpc_service,
};
use crate::tables::DiscoveryServer;

/// Reads it; `None`: nothing is asked for.
pub(crate) fn read(r: &mut Reader<'_>, proto: &DynamicResources) -> Read<Option<DiscoveryServer>> {
    let DynamicResources { lds_config, lds_resources_locator, cds_config, cds_resources_locator, ads_config } =
        proto;
    refuse_set!(r, "not implemented", lds_resources_locator, cds_resources_locator);
    let clusters = r.maybe("cds_config", cds_config.as_ref(), aggregated)?.is_some();
    let listeners = r.maybe("lds_config", lds_config.as_ref(), aggregated)?.is_some();
    let server = r.maybe("ads_config", ads_config.as_ref(), server)?;
    match server {
        Some(server) => Ok(Some(DiscoveryServer { clusters, listeners, ..server })),
        None if clusters || listeners => {
            Err(r.refuse("ads_config is required: all resources come over one stream"))
        }
        None => Ok(None),
    }
}

/// Resources come over the aggregated stream, or not at all.
fn aggregated(r: &mut Reader<'_>, proto: &ConfigSource) -> Read<()> {
    let ConfigSource { authorities, initial_fetch_timeout, resource_api_version, config_source_specifier } =
        proto;
    ignore_set!(
        r,
        "all resources come over one stream, and are waited for 15 s",
        authorities,
        initial_fetch_timeout,
    );
    version(r, "resource_api_version", *resource_api_version)?;
    match config_source_specifier {
        Some(ConfigSourceSpecifier::Ads(core::AggregatedConfigSource {})) => Ok(()),
        _ => Err(r.refuse("only `ads: {}` is implemented: all resources come over one stream")),
    }
}

fn server(r: &mut Reader<'_>, proto: &ApiConfigSource) -> Read<DiscoveryServer> {
    let ApiConfigSource {
        api_type,
        transport_api_version,
        cluster_names,
        grpc_services,
        refresh_delay,
        request_timeout,
        rate_limit_settings,
        set_node_on_first_message_only,
        config_validators,
    } = proto;
    ignore_set!(
        r,
        "it changes no outcome",
        refresh_delay,
        request_timeout,
        rate_limit_settings,
        set_node_on_first_message_only
    );
    version(r, "transport_api_version", *transport_api_version)?;
    refuse_set!(r, "not implemented", cluster_names, config_validators);
    let delta = match r.choice("api_type", *api_type)? {
        ApiType::Grpc | ApiType::AggregatedGrpc => false,
        ApiType::DeltaGrpc | ApiType::AggregatedDeltaGrpc => true,
        ApiType::DeprecatedAndUnavailableDoNotUse | ApiType::Rest => {
            return Err(r.refuse_at("api_type", "GRPC and DELTA_GRPC are implemented"));
        }
    };
    let services = r.each("grpc_services", grpc_services, service)?;
    if services.len() > 1 {
        r.ignore_at("grpc_services", "the first one is asked");
    }
    let Some((cluster, metadata)) = services.into_iter().next() else {
        return Err(r.refuse("grpc_services is required"));
    };
    Ok(DiscoveryServer { cluster: cluster.into(), delta, clusters: false, listeners: false, metadata })
}

type Metadata = Vec<(Box<str>, Box<str>)>;

fn service(r: &mut Reader<'_>, proto: &GrpcService) -> Read<(String, Metadata)> {
    let GrpcService { timeout, initial_metadata, retry_policy, target_specifier } = proto;
    ignore_set!(r, "a lost stream is opened anew after a random wait", timeout, retry_policy);
    let metadata = r.each("initial_metadata", initial_metadata, |r, p| {
        let HeaderValue { key, value, raw_value } = p;
        refuse_set!(r, "not implemented", raw_value);
        Ok((r.text("key", key)?.to_ascii_lowercase().into(), value.as_str().into()))
    })?;
    let cluster = match target_specifier {
        Some(grpc_service::TargetSpecifier::EnvoyGrpc(envoy)) => r.within("envoy_grpc", |r| {
            let grpc_service::EnvoyGrpc {
                cluster_name,
                authority,
                retry_policy,
                max_receive_message_length,
                skip_envoy_headers,
            } = envoy;
            ignore_set!(
                r,
                "it changes no outcome",
                retry_policy,
                max_receive_message_length,
                skip_envoy_headers
            );
            ignore_set!(r, "the authority is the cluster's name", authority);
            r.text("cluster_name", cluster_name).map(str::to_owned)
        })?,
        Some(grpc_service::TargetSpecifier::GoogleGrpc(_)) => {
            return Err(r.refuse_at("google_grpc", "envoy_grpc is implemented"));
        }
        None => return Err(r.refuse("envoy_grpc is required")),
    };
    Ok((cluster, metadata))
}
