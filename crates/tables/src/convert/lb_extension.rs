//! `load_balancing_policy`: balancing policies as extensions.

use super::balancing::{self, Chosen};
use super::lb_policy;
use super::reader::{Read, Reader, bool_or, holds, type_name};
use super::unset::refuse_set;
use crate::cluster::{LbPolicy, SlowStart};
use crate::pb::envoy::config::cluster::v3::{LoadBalancingPolicy, load_balancing_policy};
use crate::pb::envoy::config::core::v3::TypedExtensionConfig;
use crate::pb::envoy::extensions::load_balancing_policies as policies;
use crate::pb::google::protobuf::Any;
use policies::common::v3::locality_lb_config::{self, LocalityConfigSpecifier};

/// Reads the list of policies, of which the first known one counts.
pub(crate) fn read(r: &mut Reader<'_>, proto: &LoadBalancingPolicy) -> Read<Chosen> {
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
                slow_start: r.maybe("slow_start_config", slow_start_config.as_ref(), slow_start)?,
                locality_weighted: locality(r, locality_lb_config.as_ref())?,
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
                policy: lb_policy::least_request(r, choice_count.as_ref(), active_request_bias.as_ref())?,
                slow_start: r.maybe("slow_start_config", slow_start_config.as_ref(), slow_start)?,
                locality_weighted: locality(r, locality_lb_config.as_ref())?,
            }))
        });
    }
    if holds::<policies::random::v3::Random>(any) {
        return r.unpack(any, |r, p| {
            let policies::random::v3::Random { locality_lb_config } = p;
            let locality_weighted = locality(r, locality_lb_config.as_ref())?;
            Ok(Some(Chosen { policy: LbPolicy::Random, slow_start: None, locality_weighted }))
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
                policy: lb_policy::ring_hash(
                    r,
                    minimum_ring_size.as_ref(),
                    maximum_ring_size.as_ref(),
                    murmur,
                )?,
                slow_start: None,
                locality_weighted: locality_weighted_lb_config.is_some(),
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
                policy: lb_policy::maglev(r, table_size.as_ref())?,
                slow_start: None,
                locality_weighted: locality_weighted_lb_config.is_some(),
            }))
        });
    }
    if holds::<policies::cluster_provided::v3::ClusterProvided>(any) {
        return r.unpack(any, |_, policies::cluster_provided::v3::ClusterProvided {}| {
            Ok(Some(Chosen { policy: LbPolicy::ClusterProvided, slow_start: None, locality_weighted: false }))
        });
    }
    if holds::<policies::wrr_locality::v3::WrrLocality>(any) {
        return r.unpack(any, |r, p| {
            let policies::wrr_locality::v3::WrrLocality { endpoint_picking_policy } = p;
            let inner = r.need("endpoint_picking_policy", endpoint_picking_policy.as_ref(), read)?;
            Ok(Some(Chosen { locality_weighted: true, ..inner }))
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

/// Whether localities are weighed by their weights.
fn locality(r: &mut Reader<'_>, proto: Option<&policies::common::v3::LocalityLbConfig>) -> Read<bool> {
    let read = r.maybe("locality_lb_config", proto, |r, p| {
        let policies::common::v3::LocalityLbConfig { locality_config_specifier } = p;
        match locality_config_specifier {
            Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(
                locality_lb_config::LocalityWeightedLbConfig {},
            )) => Ok(true),
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
                balancing::zone_routing(r, routing_enabled.as_ref(), min_cluster_size.as_ref())?;
                Ok(false)
            }),
            None => Ok(false),
        }
    })?;
    Ok(read.unwrap_or_default())
}

fn slow_start(r: &mut Reader<'_>, proto: &policies::common::v3::SlowStartConfig) -> Read<SlowStart> {
    let policies::common::v3::SlowStartConfig { slow_start_window, aggression, min_weight_percent } = proto;
    lb_policy::slow_start(r, slow_start_window.as_ref(), aggression.as_ref(), min_weight_percent.as_ref())
}
