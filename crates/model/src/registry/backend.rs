//! Endpoints of a service from one workload or one listed entry.

use std::net::IpAddr;
use std::sync::Arc;

use weft_api::Object;
use weft_api::istio::WorkloadEntry;
use weft_api::value::IntOrString;
use weft_types::{Name, SpiffeId};

use super::pods::{self, TLS_MODE};
use crate::Labels;
use crate::endpoint::{Endpoint, EndpointAddress, Health, Locality};
use crate::mesh::MeshConfig;
use crate::service::ServicePort;
use crate::workload::Workload;

/// The port of a pod that serves a port of a service; `None` if no container has a port of that name.
pub(super) fn target_of_pod(port: &ServicePort, pod: &Workload) -> Option<u16> {
    match &port.target {
        None => Some(port.number),
        Some(IntOrString::Int(number)) => Some(number.number()),
        Some(IntOrString::String(name)) => {
            let named = pod.ports.iter().find(|known| known.tcp && *known.name == **name);
            named.map(|known| known.number)
        }
    }
}

/// The endpoint that a pod is, on one of its ports.
pub(super) fn of_pod(pod: &Workload, address: IpAddr, port: u16, health: Health) -> Endpoint {
    Endpoint {
        address: EndpointAddress::Ip(address),
        port,
        labels: pod.labels.clone(),
        identity: Some(pod.identity.clone()),
        mtls: pod.mtls,
        locality: pod.locality.clone(),
        weight: 1,
        health,
        network: pod.network.clone(),
        cluster: pod.cluster.clone(),
        namespace: pod.namespace.clone(),
        workload: pod.workload.clone(),
        hostname: None,
    }
}

/// An entry of a list: of a ServiceEntry, or a WorkloadEntry of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed<'o> {
    /// The object that lists it.
    pub(super) object: &'o Object,
    /// The entry.
    pub(super) entry: &'o WorkloadEntry,
}

/// Labels of a WorkloadEntry object: its own, and those that its spec adds or replaces.
pub(super) fn labels_of_object(object: &Object, entry: &WorkloadEntry) -> Labels {
    let mut labels = object.meta.labels.clone();
    labels.extend(entry.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    labels
}

impl Listed<'_> {
    /// Its endpoint for one port of a service; `None` if it has no address.
    pub(super) fn endpoint(&self, port: &ServicePort, mesh: &MeshConfig) -> Option<Endpoint> {
        let Self { object, entry } = *self;
        let origin = &object.origin;
        let namespace = &object.reference.namespace;
        let address = address(entry.address.as_deref()?);
        let number = match &address {
            EndpointAddress::Unix(_) => 0,
            _ => self.port(port),
        };
        let account = entry.service_account.as_deref().filter(|name| !name.is_empty());
        // Istio takes an entry that names a service account for one with a proxy, unless a label says.
        let mtls = entry.labels.get(TLS_MODE).map_or(account.is_some(), |mode| mode == "istio");
        let locality = match entry.locality.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => Locality::parse(text),
            None => pods::locality(&entry.labels),
        };
        let network = entry.network.as_deref().filter(|name| !name.is_empty());
        Some(Endpoint {
            address,
            port: number,
            labels: Arc::new(entry.labels.clone()),
            identity: account.map(|account| identity(namespace, account, object, mesh)),
            mtls,
            locality,
            weight: entry.weight.unwrap_or(1).max(1),
            health: if object.meta.deleting { Health::Draining } else { Health::Healthy },
            network: network.map_or_else(|| pods::network(origin, mesh), Name::from),
            cluster: pods::cluster(origin, mesh),
            namespace: namespace.clone(),
            workload: workload_name(object, entry),
            hostname: None,
        })
    }

    /// Its own port of that name; else the service's target; else the service's number.
    fn port(&self, port: &ServicePort) -> u16 {
        let named = |name: &str| self.entry.ports.get(name).map(|port| port.number());
        named(&port.name).unwrap_or_else(|| match &port.target {
            Some(IntOrString::Int(number)) => number.number(),
            Some(IntOrString::String(name)) => named(name).unwrap_or(port.number),
            None => port.number,
        })
    }
}

fn identity(namespace: &str, account: &str, object: &Object, mesh: &MeshConfig) -> SpiffeId {
    pods::identity(namespace, account, &object.origin, mesh)
}

fn workload_name(object: &Object, entry: &WorkloadEntry) -> Name {
    match entry.labels.get("service.istio.io/workload-name") {
        Some(name) => name.as_str().into(),
        None => object.reference.name.clone(),
    }
}

/// What an address of an entry is.
pub(super) fn address(text: &str) -> EndpointAddress {
    if let Some(path) = text.strip_prefix("unix://") {
        return EndpointAddress::Unix(path.into());
    }
    match text.parse() {
        Ok(ip) => EndpointAddress::Ip(ip),
        Err(_) => EndpointAddress::Name(text.to_ascii_lowercase().into()),
    }
}
