//! Proxies for which the mesh outside of them is the same.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use weft_model::Snapshot;
use weft_model::endpoint::Locality;
use weft_types::Name;

use crate::capabilities::Capabilities;
use crate::proxy::{Interception, Proxy, Role};
use crate::view;

/// What clusters and endpoints depend on, of a proxy, beside the service and its rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ground {
    role: Role,
    capabilities: Capabilities,
    network: Name,
    cluster: Name,
    locality: Locality,
    embedded: bool,
    /// Those labels by which rules tell callers apart.
    labels: BTreeMap<String, String>,
}

/// What all that concerns calls of the workload depends on, of a proxy: those that are alike in it share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kin {
    pub(super) ground: Ground,
    namespace: Name,
    interception: Interception,
    ipv6: bool,
    /// Addresses of the embedded mode follow from the pod's own.
    pod: Option<Ipv4Addr>,
}

impl Kin {
    pub(super) fn of(snapshot: &Snapshot, proxy: &Proxy) -> Self {
        let Proxy {
            id: _,
            role,
            name: _,
            namespace,
            service_account: _,
            workload: _,
            addresses: _,
            labels,
            cluster,
            network,
            // Told to peers alone, by listeners that are rendered for each proxy by itself.
            mesh_id: _,
            interception,
            locality: _,
            capabilities,
        } = proxy;
        let telling = snapshot.caller_labels();
        let labels = labels.iter().filter(|(key, _)| telling.contains(*key));
        Self {
            ground: Ground {
                role: *role,
                capabilities: *capabilities,
                network: network.clone(),
                cluster: cluster.clone(),
                locality: view::locality(snapshot, proxy),
                embedded: proxy.is_embedded(),
                labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
            },
            namespace: namespace.clone(),
            interception: *interception,
            ipv6: proxy.address().is_some_and(|address| address.is_ipv6()),
            pod: proxy.embedded_address(),
        }
    }
}
