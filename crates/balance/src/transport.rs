//! Which transport an endpoint is reached by.

use std::collections::BTreeMap;

use weft_tables::cluster::{Cluster, Endpoint, MetadataValue, Transport};

/// Metadata namespace of `transport_socket_matches`.
const NAMESPACE: &str = "envoy.transport_socket_match";

/// The transport of the first match whose pairs the endpoint has, else the cluster's own
/// (`transport_socket_matches`, SD-11).
#[must_use]
pub fn for_endpoint<'a>(cluster: &'a Cluster, endpoint: &Endpoint) -> &'a Transport {
    cluster
        .transport_matches
        .iter()
        .find(|candidate| has_pairs(endpoint, NAMESPACE, &candidate.pairs))
        .map_or(&cluster.transport, |found| &found.transport)
}

/// Whether the endpoint's metadata of that namespace has all pairs.
#[must_use]
pub fn has_pairs(endpoint: &Endpoint, namespace: &str, pairs: &BTreeMap<Box<str>, MetadataValue>) -> bool {
    if pairs.is_empty() {
        return true;
    }
    let Some(MetadataValue::Struct(fields)) = endpoint.metadata.get(namespace).map(|value| &**value) else {
        return false;
    };
    pairs.iter().all(|(key, want)| fields.get(key).is_some_and(|have| have == want))
}
