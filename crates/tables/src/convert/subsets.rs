//! Subsets of a cluster's endpoints.

use super::metadata;
use super::reader::{Read, Reader};
use super::unset::refuse_set;
use crate::cluster::{SubsetConfig, SubsetFallback};
use crate::pb::envoy::config::cluster::v3::cluster::{self, lb_subset_config as subset};

/// Reads subsets; `None`: no selector, so no subsets.
pub(crate) fn read(r: &mut Reader<'_>, proto: &cluster::LbSubsetConfig) -> Read<Option<SubsetConfig>> {
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
