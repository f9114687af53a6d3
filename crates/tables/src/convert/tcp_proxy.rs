//! TCP proxies.

use std::time::Duration;

use super::reader::{Read, Reader};
use super::unset::{ignore_set, refuse_set};
use super::{access_log, metadata};
use crate::pb::envoy::extensions::filters::network::tcp_proxy::v3::{self as proto, tcp_proxy};
use crate::pb::envoy::r#type::v3::{self as kind, hash_policy::PolicySpecifier};
use crate::tcp::{TcpProxy, TcpTarget};

/// Default of `idle_timeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Reads a TCP proxy.
pub(crate) fn read(r: &mut Reader<'_>, proto: &proto::TcpProxy) -> Read<TcpProxy> {
    let proto::TcpProxy {
        stat_prefix,
        on_demand,
        metadata_match,
        idle_timeout,
        downstream_idle_timeout,
        upstream_idle_timeout,
        access_log,
        max_connect_attempts,
        backoff_options,
        hash_policy,
        tunneling_config,
        max_downstream_connection_duration,
        max_downstream_connection_duration_jitter_percentage,
        access_log_flush_interval,
        flush_access_log_on_connected,
        access_log_options,
        proxy_protocol_tlvs,
        proxy_protocol_tlv_merge_policy,
        upstream_connect_mode,
        max_early_data_bytes,
        check_drain_close,
        cluster_specifier,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        on_demand,
        downstream_idle_timeout,
        upstream_idle_timeout,
        backoff_options,
        proxy_protocol_tlvs,
        upstream_connect_mode,
        max_early_data_bytes,
    );
    refuse_set!(r, "connections are not carried in HTTP", tunneling_config);
    ignore_set!(
        r,
        "connections end at the limit itself",
        max_downstream_connection_duration_jitter_percentage
    );
    ignore_set!(
        r,
        "a connection is logged when it ends",
        access_log_flush_interval,
        flush_access_log_on_connected,
        access_log_options,
    );
    ignore_set!(r, "no PROXY extensions are added", proxy_protocol_tlv_merge_policy);
    ignore_set!(r, "drained connections run to their end", check_drain_close);
    let subset = metadata::subset(r, metadata_match.as_ref());
    let clusters = match cluster_specifier {
        Some(tcp_proxy::ClusterSpecifier::Cluster(name)) => {
            vec![TcpTarget { cluster: r.text("cluster", name)?.into(), weight: 1, subset: subset.clone() }]
        }
        Some(tcp_proxy::ClusterSpecifier::WeightedClusters(weighted)) => {
            r.within("weighted_clusters", |r| {
                let tcp_proxy::WeightedCluster { clusters } = weighted;
                if clusters.is_empty() {
                    return Err(r.refuse("at least one cluster is required"));
                }
                r.each("clusters", clusters, |r, entry| {
                    let tcp_proxy::weighted_cluster::ClusterWeight { name, weight, metadata_match } = entry;
                    if *weight == 0 {
                        return Err(r.refuse("weight must be at least 1"));
                    }
                    // The entry's own criteria win over those of the proxy.
                    let mut merged = subset.clone();
                    merged.extend(metadata::subset(r, metadata_match.as_ref()));
                    Ok(TcpTarget { cluster: r.text("name", name)?.into(), weight: *weight, subset: merged })
                })
            })?
        }
        None => return Err(r.refuse("a TCP proxy needs a cluster")),
    };
    Ok(TcpProxy {
        stat_prefix: r.text("stat_prefix", stat_prefix)?.into(),
        clusters,
        idle_timeout: r.limit("idle_timeout", idle_timeout.as_ref(), Some(IDLE_TIMEOUT))?,
        max_connection_duration: r.limit(
            "max_downstream_connection_duration",
            max_downstream_connection_duration.as_ref(),
            None,
        )?,
        max_connect_attempts: r.bounded(
            "max_connect_attempts",
            max_connect_attempts.as_ref(),
            1,
            1..=u32::MAX,
        )?,
        access_log: access_log::list(r, "access_log", access_log)?,
        hash_source_ip: !r.each("hash_policy", hash_policy, hash)?.is_empty(),
        provenance: None,
    })
}

fn hash(r: &mut Reader<'_>, proto: &kind::HashPolicy) -> Read<()> {
    let kind::HashPolicy { policy_specifier } = proto;
    match policy_specifier {
        Some(PolicySpecifier::SourceIp(kind::hash_policy::SourceIp {})) => Ok(()),
        Some(PolicySpecifier::FilterState(_)) => Err(r.refuse_at("filter_state", "not implemented")),
        None => Err(r.refuse("a hash policy needs a specifier")),
    }
}
