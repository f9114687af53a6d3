//! How a host is chosen.

use std::time::Duration;

use super::reader::{Read, Reader, bool_or, holds, type_name, u64_or};
use super::unset::{ignore_set, refuse_set};
use super::{metadata, share};
use crate::cluster::{Balancing, LbPolicy, SlowStart, SubsetConfig, SubsetFallback};
use crate::pb::envoy::config::cluster::v3::cluster::{
    self, LbConfig, LbPolicy as ProtoPolicy, common_lb_config, lb_subset_config as subset,
    ring_hash_lb_config,
};
use crate::pb::envoy::config::cluster::v3::{LoadBalancingPolicy, load_balancing_policy};
use crate::pb::envoy::config::core::v3::{RuntimeDouble, TypedExtensionConfig};
use crate::pb::envoy::extensions::load_balancing_policies as policies;
use crate::pb::envoy::r#type::v3::Percent;
use crate::pb::google::protobuf::{Any, Duration as ProtoDuration, UInt32Value, UInt64Value};
use policies::common::v3::locality_lb_config::{self, LocalityConfigSpecifier};

/// Default of `minimum_ring_size`.
const MIN_RING: u64 = 1024;
/// Default and highest value of `maximum_ring_size`.
const MAX_RING: u64 = 8 * 1024 * 1024;
/// Default of `table_size`.
const MAGLEV_TABLE: u64 = 65_537;
/// Highest table size that Envoy takes.
const MAX_MAGLEV_TABLE: u64 = 5_000_011;
/// Default of `healthy_panic_threshold`, percent.
const PANIC_THRESHOLD: f64 = 50.0;
/// Default of `min_weight_percent` of slow start.
const SLOW_START_MIN_WEIGHT: f64 = 10.0;

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
    locality: Locality,
}

/// How localities are weighed.
#[derive(Clone, Copy, Default)]
struct Locality {
    weighted: bool,
    zone_aware: bool,
}

/// A policy with what belongs to it.
struct Chosen {
    policy: LbPolicy,
    slow_start: Option<SlowStart>,
    locality: Locality,
}

impl Default for Common {
    fn default() -> Self {
        // Envoy is zone aware by default, once a local cluster is named.
        Self {
            panic_threshold: PANIC_THRESHOLD,
            fail_on_panic: false,
            locality: Locality { weighted: false, zone_aware: true },
        }
    }
}

/// Reads the policy.
pub(crate) fn read(r: &mut Reader<'_>, fields: &Fields<'_>) -> Read<Balancing> {
    let chosen = match fields.extensions {
        Some(extensions) => r.within("load_balancing_policy", |r| extension(r, extensions))?,
        None => built_in(r, fields)?,
    };
    Ok(Balancing {
        policy: chosen.policy,
        locality_weighted: chosen.locality.weighted,
        zone_aware: chosen.locality.zone_aware,
        subsets: r.maybe("lb_subset_config", fields.subsets, subsets)?.flatten(),
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
                r.maybe("slow_start_config", slow_start_config.as_ref(), cluster_slow_start)
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
                slow_start = r.maybe("slow_start_config", slow_start_config.as_ref(), cluster_slow_start)?;
                least_request(r, choice_count.as_ref(), active_request_bias.as_ref())
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
                ring_hash(r, minimum_ring_size.as_ref(), maximum_ring_size.as_ref(), murmur)
            })?
        }
        (ProtoPolicy::RingHash, _) => {
            LbPolicy::RingHash { min_size: MIN_RING, max_size: MAX_RING, murmur: false }
        }
        (ProtoPolicy::Maglev, Some(LbConfig::MaglevLbConfig(config))) => {
            let cluster::MaglevLbConfig { table_size } = config;
            r.within("maglev_lb_config", |r| maglev(r, table_size.as_ref()))?
        }
        (ProtoPolicy::Maglev, _) => LbPolicy::Maglev(MAGLEV_TABLE),
        (ProtoPolicy::ClusterProvided, _) => LbPolicy::ClusterProvided,
        (ProtoPolicy::LoadBalancingPolicyConfig, _) => {
            return Err(r.refuse("load_balancing_policy is required by this lb_policy"));
        }
    };
    Ok(Chosen { policy, slow_start, locality: fields.common.locality })
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
        )) => common.locality = Locality { weighted: true, zone_aware: false },
        Some(common_lb_config::LocalityConfigSpecifier::ZoneAwareLbConfig(zone)) => {
            r.within("zone_aware_lb_config", |r| {
                let common_lb_config::ZoneAwareLbConfig {
                    routing_enabled,
                    min_cluster_size,
                    fail_traffic_on_panic,
                } = zone;
                common.locality.zone_aware =
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

/// Reads the share of zone-aware routing, which is all or nothing here.
fn zone_routing(
    r: &mut Reader<'_>,
    enabled: Option<&Percent>,
    min_cluster_size: Option<&UInt64Value>,
) -> Read<bool> {
    if min_cluster_size.is_some() {
        r.ignore_at("min_cluster_size", "zones are used from the first host on");
    }
    match r.maybe("routing_enabled", enabled, share::percent)? {
        None => Ok(true),
        Some(share) if share <= 0.0 => Ok(false),
        Some(share) if share >= 100.0 => Ok(true),
        Some(_) => Err(r.refuse_at("routing_enabled", "only 0 and 100 are implemented")),
    }
}

/// Reads the list of policies, of which the first known one counts.
fn extension(r: &mut Reader<'_>, proto: &LoadBalancingPolicy) -> Read<Chosen> {
    let LoadBalancingPolicy { policies } = proto;
    for (index, policy) in policies.iter().enumerate() {
        let load_balancing_policy::Policy { typed_extension_config } = policy;
        let Some(TypedExtensionConfig { name: _, typed_config: Some(any) }) = typed_extension_config else {
            return Err(r.item("policies", index, |r| r.refuse("typed_extension_config is required")));
        };
        let chosen = r.item("policies", index, |r| {
            r.within("typed_extension_config", |r| r.within("typed_config", |r| one_extension(r, any)))
        })?;
        if let Some(chosen) = chosen {
            return Ok(chosen);
        }
    }
    Err(r.refuse("none of the policies is implemented"))
}

/// Reads one policy; `None`: it is not known.
fn one_extension(r: &mut Reader<'_>, any: &Any) -> Read<Option<Chosen>> {
    if holds::<policies::round_robin::v3::RoundRobin>(any) {
        return r.unpack(any, |r, p| {
            let policies::round_robin::v3::RoundRobin { slow_start_config, locality_lb_config } = p;
            Ok(Some(Chosen {
                policy: LbPolicy::RoundRobin,
                slow_start: r.maybe("slow_start_config", slow_start_config.as_ref(), extension_slow_start)?,
                locality: locality(r, locality_lb_config.as_ref())?,
            }))
        });
    }
    if holds::<policies::least_request::v3::LeastRequest>(any) {
        return r.unpack(any, |r, p| {
            let policies::least_request::v3::LeastRequest {
                choice_count,
                active_request_bias,
                slow_start_config,
                locality_lb_config,
                enable_full_scan,
                selection_method,
            } = p;
            refuse_set!(r, "not implemented", selection_method);
            if bool_or(enable_full_scan.as_ref(), false) {
                r.refuse_at("enable_full_scan", "not implemented");
            }
            Ok(Some(Chosen {
                policy: least_request(r, choice_count.as_ref(), active_request_bias.as_ref())?,
                slow_start: r.maybe("slow_start_config", slow_start_config.as_ref(), extension_slow_start)?,
                locality: locality(r, locality_lb_config.as_ref())?,
            }))
        });
    }
    if holds::<policies::random::v3::Random>(any) {
        return r.unpack(any, |r, p| {
            let policies::random::v3::Random { locality_lb_config } = p;
            let locality = locality(r, locality_lb_config.as_ref())?;
            Ok(Some(Chosen { policy: LbPolicy::Random, slow_start: None, locality }))
        });
    }
    if holds::<policies::ring_hash::v3::RingHash>(any) {
        return r.unpack(any, |r, p| {
            let policies::ring_hash::v3::RingHash {
                hash_function,
                minimum_ring_size,
                maximum_ring_size,
                use_hostname_for_hashing,
                hash_balance_factor,
                consistent_hashing_lb_config,
                locality_weighted_lb_config,
            } = p;
            refuse_set!(r, "not implemented", use_hostname_for_hashing, hash_balance_factor);
            r.maybe("consistent_hashing_lb_config", consistent_hashing_lb_config.as_ref(), consistent)?;
            let function: policies::ring_hash::v3::ring_hash::HashFunction =
                r.choice("hash_function", *hash_function)?;
            let murmur = function == policies::ring_hash::v3::ring_hash::HashFunction::MurmurHash2;
            Ok(Some(Chosen {
                policy: ring_hash(r, minimum_ring_size.as_ref(), maximum_ring_size.as_ref(), murmur)?,
                slow_start: None,
                locality: Locality { weighted: locality_weighted_lb_config.is_some(), zone_aware: false },
            }))
        });
    }
    if holds::<policies::maglev::v3::Maglev>(any) {
        return r.unpack(any, |r, p| {
            let policies::maglev::v3::Maglev {
                table_size,
                consistent_hashing_lb_config,
                locality_weighted_lb_config,
            } = p;
            r.maybe("consistent_hashing_lb_config", consistent_hashing_lb_config.as_ref(), consistent)?;
            Ok(Some(Chosen {
                policy: maglev(r, table_size.as_ref())?,
                slow_start: None,
                locality: Locality { weighted: locality_weighted_lb_config.is_some(), zone_aware: false },
            }))
        });
    }
    if holds::<policies::cluster_provided::v3::ClusterProvided>(any) {
        return r.unpack(any, |_, policies::cluster_provided::v3::ClusterProvided {}| {
            let locality = Locality::default();
            Ok(Some(Chosen { policy: LbPolicy::ClusterProvided, slow_start: None, locality }))
        });
    }
    if holds::<policies::wrr_locality::v3::WrrLocality>(any) {
        return r.unpack(any, |r, p| {
            let policies::wrr_locality::v3::WrrLocality { endpoint_picking_policy } = p;
            let inner = r.need("endpoint_picking_policy", endpoint_picking_policy.as_ref(), extension)?;
            Ok(Some(Chosen { locality: Locality { weighted: true, zone_aware: false }, ..inner }))
        });
    }
    r.ignore(format!("the policy {:?} is not implemented: the next one counts", type_name(any)));
    Ok(None)
}

fn consistent(r: &mut Reader<'_>, proto: &policies::common::v3::ConsistentHashingLbConfig) -> Read<()> {
    let policies::common::v3::ConsistentHashingLbConfig {
        use_hostname_for_hashing,
        hash_balance_factor,
        hash_policy,
    } = proto;
    refuse_set!(r, "not implemented", use_hostname_for_hashing, hash_balance_factor, hash_policy);
    Ok(())
}

fn locality(r: &mut Reader<'_>, proto: Option<&policies::common::v3::LocalityLbConfig>) -> Read<Locality> {
    let read = r.maybe("locality_lb_config", proto, |r, p| {
        let policies::common::v3::LocalityLbConfig { locality_config_specifier } = p;
        match locality_config_specifier {
            Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(
                locality_lb_config::LocalityWeightedLbConfig {},
            )) => Ok(Locality { weighted: true, zone_aware: false }),
            Some(LocalityConfigSpecifier::ZoneAwareLbConfig(zone)) => r.within("zone_aware_lb_config", |r| {
                let locality_lb_config::ZoneAwareLbConfig {
                    routing_enabled,
                    min_cluster_size,
                    fail_traffic_on_panic,
                    force_locality_direct_routing,
                    force_local_zone,
                    locality_basis,
                } = zone;
                refuse_set!(
                    r,
                    "not implemented",
                    fail_traffic_on_panic,
                    force_locality_direct_routing,
                    force_local_zone,
                    locality_basis,
                );
                let zone_aware = zone_routing(r, routing_enabled.as_ref(), min_cluster_size.as_ref())?;
                Ok(Locality { weighted: false, zone_aware })
            }),
            None => Ok(Locality::default()),
        }
    })?;
    Ok(read.unwrap_or_default())
}

fn least_request(
    r: &mut Reader<'_>,
    choices: Option<&UInt32Value>,
    bias: Option<&RuntimeDouble>,
) -> Read<LbPolicy> {
    Ok(LbPolicy::LeastRequest {
        choices: r.bounded("choice_count", choices, 2, 2..=u32::MAX)?,
        active_request_bias: runtime_double(r, "active_request_bias", bias)?,
    })
}

/// Reads a factor that is 1 by default, and not negative.
fn runtime_double(r: &mut Reader<'_>, field: &'static str, proto: Option<&RuntimeDouble>) -> Read<f64> {
    let value = r.maybe(field, proto, |r, RuntimeDouble { default_value, runtime_key }| {
        share::runtime_key_unused(r, runtime_key);
        if default_value.is_finite() && *default_value >= 0.0 {
            return Ok(*default_value);
        }
        Err(r.refuse_at("default_value", format!("{default_value} is negative")))
    })?;
    Ok(value.unwrap_or(1.0))
}

fn ring_hash(
    r: &mut Reader<'_>,
    min: Option<&UInt64Value>,
    max: Option<&UInt64Value>,
    murmur: bool,
) -> Read<LbPolicy> {
    let min_size = u64_or(min, MIN_RING).max(1);
    let max_size = u64_or(max, MAX_RING);
    if min_size > max_size || max_size > MAX_RING {
        return Err(
            r.refuse(format!("ring sizes {min_size} and {max_size} are not in 1..={MAX_RING}, in order"))
        );
    }
    Ok(LbPolicy::RingHash { min_size, max_size, murmur })
}

fn maglev(r: &mut Reader<'_>, size: Option<&UInt64Value>) -> Read<LbPolicy> {
    let size = u64_or(size, MAGLEV_TABLE);
    let prime = size >= 2 && (2..).take_while(|d| d * d <= size).all(|d| !size.is_multiple_of(d));
    if size > MAX_MAGLEV_TABLE || !prime {
        return Err(r.refuse_at("table_size", format!("must be a prime number up to {MAX_MAGLEV_TABLE}")));
    }
    Ok(LbPolicy::Maglev(size))
}

fn cluster_slow_start(r: &mut Reader<'_>, proto: &cluster::SlowStartConfig) -> Read<SlowStart> {
    let cluster::SlowStartConfig { slow_start_window, aggression, min_weight_percent } = proto;
    slow_start(r, slow_start_window.as_ref(), aggression.as_ref(), min_weight_percent.as_ref())
}

fn extension_slow_start(
    r: &mut Reader<'_>,
    proto: &policies::common::v3::SlowStartConfig,
) -> Read<SlowStart> {
    let policies::common::v3::SlowStartConfig { slow_start_window, aggression, min_weight_percent } = proto;
    slow_start(r, slow_start_window.as_ref(), aggression.as_ref(), min_weight_percent.as_ref())
}

fn slow_start(
    r: &mut Reader<'_>,
    window: Option<&ProtoDuration>,
    aggression: Option<&RuntimeDouble>,
    min_weight: Option<&Percent>,
) -> Read<SlowStart> {
    Ok(SlowStart {
        window: r.duration("slow_start_window", window)?.unwrap_or(Duration::ZERO),
        aggression: runtime_double(r, "aggression", aggression)?,
        min_weight_percent: r
            .maybe("min_weight_percent", min_weight, share::percent)?
            .unwrap_or(SLOW_START_MIN_WEIGHT),
    })
}

/// Reads subsets; `None`: no selector, so no subsets.
fn subsets(r: &mut Reader<'_>, proto: &cluster::LbSubsetConfig) -> Read<Option<SubsetConfig>> {
    let cluster::LbSubsetConfig {
        fallback_policy,
        default_subset,
        subset_selectors,
        locality_weight_aware,
        scale_locality_weight,
        panic_mode_any,
        list_as_any,
        metadata_fallback_policy,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        locality_weight_aware,
        scale_locality_weight,
        panic_mode_any,
        list_as_any,
        metadata_fallback_policy,
    );
    let selectors = r.each("subset_selectors", subset_selectors, |r, selector| {
        let subset::LbSubsetSelector { keys, single_host_per_subset, fallback_policy, fallback_keys_subset } =
            selector;
        refuse_set!(r, "not implemented", single_host_per_subset, fallback_policy, fallback_keys_subset);
        let mut keys: Vec<Box<str>> = keys.iter().map(|k| k.as_str().into()).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    })?;
    let fallback = match r.choice("fallback_policy", *fallback_policy)? {
        subset::LbSubsetFallbackPolicy::NoFallback => SubsetFallback::None,
        subset::LbSubsetFallbackPolicy::AnyEndpoint => SubsetFallback::Any,
        subset::LbSubsetFallbackPolicy::DefaultSubset => {
            SubsetFallback::Default(default_subset.as_ref().map(metadata::structure).unwrap_or_default())
        }
    };
    Ok((!selectors.is_empty()).then_some(SubsetConfig { selectors, fallback }))
}
