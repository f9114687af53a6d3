//! How a host is chosen.

use super::reader::{Read, Reader};
use super::unset::{ignore_set, refuse_set};
use super::{lb_extension, lb_policy, share, subsets};
use crate::cluster::{Balancing, LbPolicy, SlowStart};
use crate::pb::envoy::config::cluster::v3::LoadBalancingPolicy;
use crate::pb::envoy::config::cluster::v3::cluster::{
    self, LbConfig, LbPolicy as ProtoPolicy, common_lb_config, ring_hash_lb_config,
};
use crate::pb::envoy::r#type::v3::Percent;
use crate::pb::google::protobuf::UInt64Value;

/// Default of `healthy_panic_threshold`, percent.
const PANIC_THRESHOLD: f64 = 50.0;

/// The fields of a cluster that say how a host is chosen.
pub(crate) struct Fields<'p> {
    pub(crate) policy: i32,
    pub(crate) config: Option<&'p LbConfig>,
    pub(crate) extensions: Option<&'p LoadBalancingPolicy>,
    pub(crate) subsets: Option<&'p cluster::LbSubsetConfig>,
    pub(crate) common: &'p Common,
}

/// What all policies share (`CommonLbConfig`).
pub(crate) struct Common {
    pub(crate) panic_threshold: f64,
    pub(crate) fail_on_panic: bool,
    locality_weighted: bool,
}

/// A policy with what belongs to it.
pub(crate) struct Chosen {
    pub(crate) policy: LbPolicy,
    pub(crate) slow_start: Option<SlowStart>,
    pub(crate) locality_weighted: bool,
}

impl Default for Common {
    fn default() -> Self {
        Self { panic_threshold: PANIC_THRESHOLD, fail_on_panic: false, locality_weighted: false }
    }
}

/// Reads the policy.
pub(crate) fn read(r: &mut Reader<'_>, fields: &Fields<'_>) -> Read<Balancing> {
    let chosen = match fields.extensions {
        Some(extensions) => r.within("load_balancing_policy", |r| lb_extension::read(r, extensions))?,
        None => built_in(r, fields)?,
    };
    Ok(Balancing {
        policy: chosen.policy,
        locality_weighted: chosen.locality_weighted,
        subsets: r.maybe("lb_subset_config", fields.subsets, subsets::read)?.flatten(),
        slow_start: chosen.slow_start,
    })
}

fn built_in(r: &mut Reader<'_>, fields: &Fields<'_>) -> Read<Chosen> {
    let policy = r.choice("lb_policy", fields.policy)?;
    let mut slow_start = None;
    let policy = match (policy, fields.config) {
        (ProtoPolicy::RoundRobin, Some(LbConfig::RoundRobinLbConfig(config))) => {
            let cluster::RoundRobinLbConfig { slow_start_config } = config;
            slow_start = r.within("round_robin_lb_config", |r| {
                r.maybe("slow_start_config", slow_start_config.as_ref(), read_slow_start)
            })?;
            LbPolicy::RoundRobin
        }
        (ProtoPolicy::RoundRobin, _) => LbPolicy::RoundRobin,
        (ProtoPolicy::LeastRequest, config) => {
            let config = match config {
                Some(LbConfig::LeastRequestLbConfig(config)) => config.clone(),
                _ => cluster::LeastRequestLbConfig::default(),
            };
            r.within("least_request_lb_config", |r| {
                let cluster::LeastRequestLbConfig { choice_count, active_request_bias, slow_start_config } =
                    &config;
                slow_start = r.maybe("slow_start_config", slow_start_config.as_ref(), read_slow_start)?;
                lb_policy::least_request(r, choice_count.as_ref(), active_request_bias.as_ref())
            })?
        }
        (ProtoPolicy::Random, _) => LbPolicy::Random,
        (ProtoPolicy::RingHash, Some(LbConfig::RingHashLbConfig(config))) => {
            r.within("ring_hash_lb_config", |r| {
                let cluster::RingHashLbConfig { minimum_ring_size, hash_function, maximum_ring_size } =
                    config;
                let murmur = r
                    .choice::<ring_hash_lb_config::HashFunction>("hash_function", *hash_function)?
                    == ring_hash_lb_config::HashFunction::MurmurHash2;
                lb_policy::ring_hash(r, minimum_ring_size.as_ref(), maximum_ring_size.as_ref(), murmur)
            })?
        }
        (ProtoPolicy::RingHash, _) => {
            LbPolicy::RingHash { min_size: lb_policy::MIN_RING, max_size: lb_policy::MAX_RING, murmur: false }
        }
        (ProtoPolicy::Maglev, Some(LbConfig::MaglevLbConfig(config))) => {
            let cluster::MaglevLbConfig { table_size } = config;
            r.within("maglev_lb_config", |r| lb_policy::maglev(r, table_size.as_ref()))?
        }
        (ProtoPolicy::Maglev, _) => LbPolicy::Maglev(lb_policy::MAGLEV_TABLE),
        (ProtoPolicy::ClusterProvided, _) => LbPolicy::ClusterProvided,
        (ProtoPolicy::LoadBalancingPolicyConfig, _) => {
            return Err(r.refuse("load_balancing_policy is required by this lb_policy"));
        }
    };
    Ok(Chosen { policy, slow_start, locality_weighted: fields.common.locality_weighted })
}

/// Reads `common_lb_config`.
pub(crate) fn common(r: &mut Reader<'_>, proto: &cluster::CommonLbConfig) -> Read<Common> {
    let cluster::CommonLbConfig {
        healthy_panic_threshold,
        update_merge_window,
        ignore_new_hosts_until_first_hc,
        close_connections_on_host_set_change,
        consistent_hashing_lb_config,
        override_host_status,
        locality_config_specifier,
    } = proto;
    ignore_set!(r, "changes of hosts take effect at once", update_merge_window);
    ignore_set!(r, "nothing overrides the chosen host", override_host_status);
    refuse_set!(r, "not implemented", ignore_new_hosts_until_first_hc, close_connections_on_host_set_change);
    r.maybe("consistent_hashing_lb_config", consistent_hashing_lb_config.as_ref(), |r, p| {
        let common_lb_config::ConsistentHashingLbConfig { use_hostname_for_hashing, hash_balance_factor } = p;
        refuse_set!(r, "not implemented", use_hostname_for_hashing, hash_balance_factor);
        Ok(())
    })?;
    let mut common = Common::default();
    match locality_config_specifier {
        Some(common_lb_config::LocalityConfigSpecifier::LocalityWeightedLbConfig(
            common_lb_config::LocalityWeightedLbConfig {},
        )) => common.locality_weighted = true,
        Some(common_lb_config::LocalityConfigSpecifier::ZoneAwareLbConfig(zone)) => {
            r.within("zone_aware_lb_config", |r| {
                let common_lb_config::ZoneAwareLbConfig {
                    routing_enabled,
                    min_cluster_size,
                    fail_traffic_on_panic,
                } = zone;
                zone_routing(r, routing_enabled.as_ref(), min_cluster_size.as_ref())?;
                common.fail_on_panic = *fail_traffic_on_panic;
                Ok(())
            })?;
        }
        None => {}
    }
    if let Some(threshold) =
        r.maybe("healthy_panic_threshold", healthy_panic_threshold.as_ref(), share::percent)?
    {
        common.panic_threshold = threshold;
    }
    Ok(common)
}

/// Reads how the own zone is preferred: not at all, as in Envoy where no local cluster is named, which
/// is refused.
pub(crate) fn zone_routing(
    r: &mut Reader<'_>,
    enabled: Option<&Percent>,
    min_cluster_size: Option<&UInt64Value>,
) -> Read<()> {
    const NO_LOCAL_CLUSTER: &str = "without a local cluster all zones get traffic";
    if min_cluster_size.is_some() {
        r.ignore_at("min_cluster_size", NO_LOCAL_CLUSTER);
    }
    if r.maybe("routing_enabled", enabled, share::percent)?.is_some() {
        r.ignore_at("routing_enabled", NO_LOCAL_CLUSTER);
    }
    Ok(())
}

fn read_slow_start(r: &mut Reader<'_>, proto: &cluster::SlowStartConfig) -> Read<SlowStart> {
    let cluster::SlowStartConfig { slow_start_window, aggression, min_weight_percent } = proto;
    lb_policy::slow_start(r, slow_start_window.as_ref(), aggression.as_ref(), min_weight_percent.as_ref())
}
