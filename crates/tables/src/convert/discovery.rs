//! How the endpoints of a cluster become known.

use std::sync::Arc;
use std::time::Duration;

use super::address::Names;
use super::reader::{Read, Reader, holds};
use super::unset::{ignore_set, refuse_set};
use super::{endpoints, headers, route_source};
use crate::cluster::{Discovery, Dns, DnsFamily, Endpoints};
use crate::pb::envoy::config::cluster::v3::cluster::{
    self, ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, LbConfig,
};
use crate::pb::envoy::config::core::v3::{Address, DnsResolutionConfig, TypedExtensionConfig};
use crate::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use crate::pb::envoy::extensions::clusters::common::dns::v3::DnsLookupFamily as ExtensionFamily;
use crate::pb::envoy::extensions::clusters::dns::v3::DnsCluster;
use crate::pb::envoy::extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig;
use crate::pb::envoy::extensions::network::dns_resolver::getaddrinfo::v3::GetAddrInfoDnsResolverConfig;
use crate::pb::google::protobuf::{Any, Duration as ProtoDuration};

/// Default of `dns_refresh_rate`.
const DNS_REFRESH: Duration = Duration::from_secs(5);
/// Header that names the original destination by default.
const ORIGINAL_DST_HEADER: &str = "x-envoy-original-dst-host";

/// The fields of a cluster that say where endpoints come from.
pub(crate) struct Fields<'p> {
    pub(crate) name: &'p str,
    pub(crate) kind: Option<&'p ClusterDiscoveryType>,
    pub(crate) assignment: Option<&'p ClusterLoadAssignment>,
    pub(crate) eds: Option<&'p cluster::EdsClusterConfig>,
    pub(crate) lb_config: Option<&'p LbConfig>,
    pub(crate) dns: DnsFields<'p>,
}

/// The fields of a cluster that say how names are resolved.
pub(crate) struct DnsFields<'p> {
    pub(crate) refresh: Option<&'p ProtoDuration>,
    pub(crate) jitter: Option<&'p ProtoDuration>,
    pub(crate) failure: Option<&'p cluster::RefreshRate>,
    pub(crate) respect_ttl: bool,
    pub(crate) family: i32,
    pub(crate) resolvers: &'p [Address],
    pub(crate) tcp: bool,
    pub(crate) config: Option<&'p DnsResolutionConfig>,
    pub(crate) typed: Option<&'p TypedExtensionConfig>,
}

/// Reads them.
pub(crate) fn read(r: &mut Reader<'_>, fields: &Fields<'_>) -> Read<Discovery> {
    let kind = match fields.kind {
        None => DiscoveryType::Static,
        Some(ClusterDiscoveryType::Type(number)) => r.choice("type", *number)?,
        Some(ClusterDiscoveryType::ClusterType(custom)) => {
            let cluster::CustomClusterType { name: _, typed_config } = custom;
            return r.within("cluster_type", |r| match typed_config {
                Some(any) if holds::<DnsCluster>(any) => {
                    r.within("typed_config", |r| dns_cluster(r, any, fields))
                }
                _ => Err(r.refuse("this type of cluster is not implemented")),
            });
        }
    };
    if kind != DiscoveryType::Eds && fields.eds.is_some() {
        return Err(r.refuse_at("eds_cluster_config", "only for clusters of type EDS"));
    }
    match kind {
        DiscoveryType::Static => Ok(Discovery::Static(assignment(r, fields, Names::Forbidden)?)),
        DiscoveryType::StrictDns => Ok(Discovery::StrictDns(dns(r, fields)?)),
        DiscoveryType::LogicalDns => {
            let dns = dns(r, fields)?;
            single(r, &dns.endpoints)?;
            Ok(Discovery::LogicalDns(dns))
        }
        DiscoveryType::Eds => {
            unassigned(r, fields)?;
            r.need("eds_cluster_config", fields.eds, |r, eds| {
                let cluster::EdsClusterConfig { eds_config, service_name } = eds;
                r.need("eds_config", eds_config.as_ref(), route_source::served)?;
                let name = if service_name.is_empty() { fields.name } else { service_name };
                Ok(Discovery::Eds(name.into()))
            })
        }
        DiscoveryType::OriginalDst => {
            unassigned(r, fields)?;
            match fields.lb_config {
                Some(LbConfig::OriginalDstLbConfig(config)) => {
                    r.within("original_dst_lb_config", |r| original_dst(r, config))
                }
                _ => Ok(Discovery::OriginalDst { header: None, port: None }),
            }
        }
    }
}

fn assignment(r: &mut Reader<'_>, fields: &Fields<'_>, names: Names) -> Read<Arc<Endpoints>> {
    let read = r.maybe("load_assignment", fields.assignment, |r, p| {
        r.text("cluster_name", &p.cluster_name)?;
        endpoints::read(r, p, names)
    })?;
    Ok(Arc::new(read.unwrap_or_default()))
}

fn unassigned(r: &mut Reader<'_>, fields: &Fields<'_>) -> Read<()> {
    match fields.assignment {
        Some(_) => Err(r.refuse_at("load_assignment", "not for clusters of this type")),
        None => Ok(()),
    }
}

fn single(r: &mut Reader<'_>, endpoints: &Endpoints) -> Read<()> {
    match endpoints.localities.as_slice() {
        [locality] if locality.endpoints.len() == 1 => Ok(()),
        _ => Err(r.refuse_at("load_assignment", "a cluster of type LOGICAL_DNS has exactly one endpoint")),
    }
}

fn dns(r: &mut Reader<'_>, fields: &Fields<'_>) -> Read<Dns> {
    let DnsFields { refresh, jitter, failure, respect_ttl, family, resolvers, tcp, config, typed } =
        &fields.dns;
    ignore_set!(r, "names are resolved by the system's resolver", tcp);
    if !resolvers.is_empty() {
        r.refuse_at("dns_resolvers", "names are resolved by the system's resolver");
    }
    r.maybe("dns_resolution_config", *config, |r, p| {
        let DnsResolutionConfig { resolvers, dns_resolver_options } = p;
        refuse_set!(r, "names are resolved by the system's resolver", resolvers);
        ignore_set!(r, "names are resolved by the system's resolver", dns_resolver_options);
        Ok(())
    })?;
    r.maybe("typed_dns_resolver_config", *typed, resolver)?;
    if jitter.is_some() {
        r.ignore_at("dns_jitter", "names are resolved at the interval itself");
    }
    if failure.is_some() {
        r.ignore_at("dns_failure_refresh_rate", "failed resolutions are tried again at the normal interval");
    }
    let family = match r.choice("dns_lookup_family", *family)? {
        DnsLookupFamily::Auto => DnsFamily::Auto,
        DnsLookupFamily::V4Only => DnsFamily::V4Only,
        DnsLookupFamily::V6Only => DnsFamily::V6Only,
        DnsLookupFamily::V4Preferred => DnsFamily::V4Preferred,
        DnsLookupFamily::All => DnsFamily::All,
    };
    Ok(Dns {
        endpoints: assignment(r, fields, Names::Allowed)?,
        refresh: refresh_time(r, *refresh, *respect_ttl)?,
        family,
    })
}

/// Reads the type `envoy.cluster.dns`, the newer form of both DNS types.
fn dns_cluster(r: &mut Reader<'_>, any: &Any, fields: &Fields<'_>) -> Read<Discovery> {
    let (refresh, family, logical) = r.unpack(any, |r, p: &DnsCluster| {
        let DnsCluster {
            dns_refresh_rate,
            dns_failure_refresh_rate,
            respect_dns_ttl,
            dns_jitter,
            typed_dns_resolver_config,
            dns_lookup_family,
            all_addresses_in_single_endpoint,
            dns_min_refresh_rate,
        } = p;
        ignore_set!(
            r,
            "names are resolved at the interval itself",
            dns_failure_refresh_rate,
            dns_jitter,
            dns_min_refresh_rate,
        );
        r.maybe("typed_dns_resolver_config", typed_dns_resolver_config.as_ref(), resolver)?;
        let family = match r.choice("dns_lookup_family", *dns_lookup_family)? {
            ExtensionFamily::Unspecified | ExtensionFamily::Auto => DnsFamily::Auto,
            ExtensionFamily::V4Only => DnsFamily::V4Only,
            ExtensionFamily::V6Only => DnsFamily::V6Only,
            ExtensionFamily::V4Preferred => DnsFamily::V4Preferred,
            ExtensionFamily::All => DnsFamily::All,
        };
        let refresh = refresh_time(r, dns_refresh_rate.as_ref(), *respect_dns_ttl)?;
        Ok((refresh, family, *all_addresses_in_single_endpoint))
    })?;
    let endpoints = assignment(r, fields, Names::Allowed)?;
    if logical {
        single(r, &endpoints)?;
    }
    let dns = Dns { endpoints, refresh, family };
    Ok(if logical { Discovery::LogicalDns(dns) } else { Discovery::StrictDns(dns) })
}

fn refresh_time(
    r: &mut Reader<'_>,
    refresh: Option<&ProtoDuration>,
    respect_dns_ttl: bool,
) -> Read<Duration> {
    let refresh = r.positive("dns_refresh_rate", refresh, DNS_REFRESH)?;
    let respect_dns_ttl = &respect_dns_ttl;
    ignore_set!(r, "the resolver does not tell it: names are resolved every 5 s at least", respect_dns_ttl);
    Ok(if *respect_dns_ttl { refresh.min(DNS_REFRESH) } else { refresh })
}

fn refuse_resolvers(r: &mut Reader<'_>, resolvers: &Vec<Address>) {
    refuse_set!(r, "names are resolved by the system's resolver", resolvers);
}

/// Reads a resolver extension: those without servers of their own are the system's resolver.
pub(crate) fn resolver(r: &mut Reader<'_>, proto: &TypedExtensionConfig) -> Read<()> {
    let TypedExtensionConfig { name: _, typed_config } = proto;
    match typed_config {
        Some(any) if holds::<GetAddrInfoDnsResolverConfig>(any) => {
            r.ignore("names are resolved by the system's resolver");
            Ok(())
        }
        Some(any) if holds::<CaresDnsResolverConfig>(any) => r.within("typed_config", |r| {
            r.unpack(any, |r, config: &CaresDnsResolverConfig| {
                refuse_resolvers(r, &config.resolvers);
                if *config != CaresDnsResolverConfig::default() {
                    r.ignore("names are resolved by the system's resolver");
                }
                Ok(())
            })
        }),
        _ => Err(r.refuse("this resolver is not implemented")),
    }
}

fn original_dst(r: &mut Reader<'_>, proto: &cluster::OriginalDstLbConfig) -> Read<Discovery> {
    let cluster::OriginalDstLbConfig {
        use_http_header,
        http_header_name,
        upstream_port_override,
        metadata_key,
    } = proto;
    refuse_set!(r, "not implemented", metadata_key);
    let header = match (*use_http_header, http_header_name.as_str()) {
        (false, "") => None,
        (false, _) => {
            return Err(r.refuse_at("http_header_name", "only together with use_http_header"));
        }
        (true, "") => Some(ORIGINAL_DST_HEADER.into()),
        (true, name) => Some(headers::field_name(r, "http_header_name", name)?),
    };
    let port = match upstream_port_override {
        Some(port) => Some(r.port("upstream_port_override", port.value)?),
        None => None,
    };
    Ok(Discovery::OriginalDst { header, port })
}
