//! Where a route forwards.

use super::headers::{self, Lists};
use super::reader::{Read, Reader};
use super::unset::ignore_set;
use super::{metadata, per_route};
use crate::pb::envoy::config::route::v3::weighted_cluster as weighted;
use crate::pb::envoy::config::route::v3::{self as proto, route_action::ClusterSpecifier};
use crate::route::{Target, WeightedCluster};
use weighted::cluster_weight::HostRewriteSpecifier;

/// Reads the cluster specifier.
pub(crate) fn read(r: &mut Reader<'_>, proto: Option<&ClusterSpecifier>) -> Read<Target> {
    match proto {
        Some(ClusterSpecifier::Cluster(name)) => {
            let name = r.text("cluster", name)?;
            known_cluster(r, "cluster", name)?;
            Ok(Target::Cluster(name.into()))
        }
        Some(ClusterSpecifier::ClusterHeader(header)) => {
            Ok(Target::Header(headers::field_name(r, "cluster_header", header)?))
        }
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            r.within("weighted_clusters", |r| weighted_clusters(r, weighted))
        }
        Some(ClusterSpecifier::ClusterSpecifierPlugin(_)) => {
            Err(r.refuse_at("cluster_specifier_plugin", "not implemented"))
        }
        Some(ClusterSpecifier::InlineClusterSpecifierPlugin(_)) => {
            Err(r.refuse_at("inline_cluster_specifier_plugin", "not implemented"))
        }
        None => Err(r.refuse("a route action needs a cluster specifier")),
    }
}

/// Refuses a cluster that does not exist, where the route configuration asks for that check. In all
/// other cases it is the verdict of the request (503, flag NC).
pub(crate) fn known_cluster(r: &mut Reader<'_>, field: &'static str, name: &str) -> Read<()> {
    if r.validate_clusters && !r.context.clusters.contains(name) {
        return Err(r.refuse_at(field, format!("there is no cluster {name:?}")));
    }
    Ok(())
}

fn weighted_clusters(r: &mut Reader<'_>, proto: &proto::WeightedCluster) -> Read<Target> {
    let proto::WeightedCluster { clusters, total_weight, runtime_key_prefix, random_value_specifier } = proto;
    ignore_set!(r, "there is no runtime: the weights of the configuration hold", runtime_key_prefix);
    let random_header = match random_value_specifier {
        None => None,
        Some(weighted::RandomValueSpecifier::HeaderName(name)) => {
            Some(headers::field_name(r, "header_name", name)?)
        }
        Some(weighted::RandomValueSpecifier::UseHashPolicy(flag)) if !flag.value => None,
        Some(weighted::RandomValueSpecifier::UseHashPolicy(_)) => {
            return Err(r.refuse_at("use_hash_policy", "not implemented"));
        }
    };
    if clusters.is_empty() {
        return Err(r.refuse("at least one cluster is required"));
    }
    let read = r.each("clusters", clusters, cluster_weight)?;
    let total = read.iter().map(|c| u64::from(c.weight)).sum::<u64>();
    if total == 0 || total > u64::from(u32::MAX) {
        return Err(r.refuse(format!("the sum of the weights is {total}: it must be in 1..={}", u32::MAX)));
    }
    if total_weight.as_ref().is_some_and(|want| u64::from(want.value) != total) {
        r.ignore_at("total_weight", format!("the sum of the weights holds: {total}"));
    }
    Ok(Target::Weighted { clusters: read, total, random_header })
}

fn cluster_weight(r: &mut Reader<'_>, proto: &weighted::ClusterWeight) -> Read<WeightedCluster> {
    let weighted::ClusterWeight {
        name,
        cluster_header,
        weight,
        metadata_match,
        request_headers_to_add,
        request_headers_to_remove,
        response_headers_to_add,
        response_headers_to_remove,
        typed_per_filter_config,
        host_rewrite_specifier,
    } = proto;
    let header = match (name.is_empty(), cluster_header.is_empty()) {
        (false, true) => {
            known_cluster(r, "name", name)?;
            None
        }
        (true, false) => Some(headers::field_name(r, "cluster_header", cluster_header)?),
        _ => return Err(r.refuse("exactly one of name and cluster_header is required")),
    };
    let Some(weight) = weight else { return Err(r.refuse("weight is required")) };
    Ok(WeightedCluster {
        cluster: name.as_str().into(),
        header,
        weight: weight.value,
        subset: metadata::subset(r, metadata_match.as_ref()),
        headers: headers::rules(
            r,
            &Lists {
                request_headers_to_add,
                request_headers_to_remove,
                response_headers_to_add,
                response_headers_to_remove,
            },
        )?,
        host_rewrite: match host_rewrite_specifier {
            Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => {
                headers::check_value(r, "host_rewrite_literal", host)?;
                Some(host.as_str().into())
            }
            None => None,
        },
        per_filter: per_route::read(r, typed_per_filter_config)?,
    })
}
