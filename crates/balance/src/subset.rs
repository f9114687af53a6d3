//! Subsets of hosts by metadata (`lb_subset_config`).

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_tables::cluster::{Metadata, MetadataValue, SubsetConfig, SubsetFallback};

use crate::host_set::{Host, HostSet};
use crate::transport::has_pairs;

/// Metadata namespace that subsets look at.
const NAMESPACE: &str = "envoy.lb";

/// What a request's wish comes to.
#[derive(Debug)]
pub(crate) enum Choice {
    /// Balance over all hosts.
    All,
    /// Balance over these.
    Some(Arc<HostSet>),
    /// Fail.
    None,
}

/// Resolves a wish: a selector with exactly these keys must exist and a host must have the pairs, else
/// the fallback decides.
pub(crate) fn choose(config: &SubsetConfig, hosts: &HostSet, wanted: Option<&Metadata>) -> Choice {
    let found = wanted.filter(|wanted| has_selector(config, wanted)).and_then(|wanted| {
        let pairs = wanted.iter().map(|(key, value)| (key.clone(), (**value).clone())).collect();
        with_pairs(hosts, &pairs)
    });
    if let Some(subset) = found {
        return Choice::Some(subset);
    }
    match &config.fallback {
        SubsetFallback::None => Choice::None,
        SubsetFallback::Any => Choice::All,
        SubsetFallback::Default(pairs) => with_pairs(hosts, pairs).map_or(Choice::None, Choice::Some),
    }
}

fn has_selector(config: &SubsetConfig, wanted: &Metadata) -> bool {
    let same = |keys: &Vec<Box<str>>| {
        keys.len() == wanted.len() && keys.iter().all(|key| wanted.contains_key(&**key))
    };
    !wanted.is_empty() && config.selectors.iter().any(same)
}

fn with_pairs(hosts: &HostSet, pairs: &BTreeMap<Box<str>, MetadataValue>) -> Option<Arc<HostSet>> {
    let subset = hosts.filter(|host: &Host| has_pairs(&host.endpoint, NAMESPACE, pairs));
    (!subset.is_empty()).then(|| Arc::new(subset))
}
