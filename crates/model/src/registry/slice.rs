//! Endpoints that EndpointSlices list.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use weft_api::Object;
use weft_api::kube::EndpointSlice;
use weft_api::kube::endpoint_slice::{Endpoint as Entry, EndpointConditions};
use weft_api::kube::pod::Transport;
use weft_types::Name;

use super::backend::{self, of_pod};
use super::pods::{self, Pods};
use super::{PortEndpoints, ServiceKey};
use crate::Labels;
use crate::endpoint::{Endpoint, EndpointAddress, Health, Locality};
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::service::Service;
use crate::workload::Workload;

/// Says of which service a slice is.
const SERVICE: &str = "kubernetes.io/service-name";

/// The slices by namespace and name of the service.
#[derive(Debug, Default)]
pub(super) struct Slices<'o>(HashMap<ServiceKey, Vec<(&'o Arc<Object>, &'o EndpointSlice)>>);

impl<'o> Slices<'o> {
    pub(super) fn new(objects: &'o Objects) -> Self {
        let mut slices = Self::default();
        for (object, slice) in objects.endpoint_slices() {
            let Some(service) = object.meta.labels.get(SERVICE) else { continue };
            let key = (object.reference.namespace.clone(), Name::from(service.as_str()));
            slices.0.entry(key).or_default().push((object, slice));
        }
        slices
    }

    /// The endpoints of a service and the pods behind them; `None` if there is no slice of it.
    pub(super) fn of(
        &self,
        service: &Service,
        pods: &Pods,
        mesh: &MeshConfig,
    ) -> Option<(PortEndpoints, Vec<Arc<Workload>>)> {
        let slices = self.0.get(&(service.namespace.clone(), service.name.clone()))?;
        let mut found = PortEndpoints::new();
        let (mut seen, mut serving) = (BTreeSet::new(), Vec::new());
        for (object, slice) in slices {
            for entry in &slice.endpoints {
                let Some(text) = entry.addresses.first() else { continue };
                let address = backend::address(text);
                let ip = if let EndpointAddress::Ip(ip) = &address { Some(*ip) } else { None };
                let pod = pod(object, entry, ip, pods);
                // One pod stands in the slices of both families; the first one counts.
                let who = pod.map_or_else(|| text.clone(), |pod| format!("{}/{}", pod.namespace, pod.name));
                let endpoint = endpoint(object, entry, address, pod, service, mesh);
                for port in slice.ports.iter().filter(|port| port.protocol == Transport::Tcp) {
                    let name = port.name.as_deref().unwrap_or_default();
                    let Some(of) = service.ports.iter().find(|of| *of.name == *name) else { continue };
                    if seen.insert((of.number, who.clone())) {
                        let number = port.port.map_or(of.number, weft_api::value::Port::number);
                        let endpoint = Endpoint { port: number, ..endpoint.clone() };
                        found.entry(of.number).or_default().push(Arc::new(endpoint));
                    }
                }
                serving.extend(pod.cloned());
            }
        }
        Some((found, serving))
    }
}

fn pod<'p>(object: &Object, entry: &Entry, ip: Option<IpAddr>, pods: &'p Pods) -> Option<&'p Arc<Workload>> {
    match &entry.target_ref {
        Some(target) if target.kind.as_deref() == Some("Pod") => {
            let namespace = target.namespace.as_deref().unwrap_or(&object.reference.namespace);
            pods.get(namespace, target.name.as_deref()?)
        }
        Some(_) => None,
        None => pods.at(ip?),
    }
}

fn endpoint(
    object: &Object,
    entry: &Entry,
    address: EndpointAddress,
    pod: Option<&Arc<Workload>>,
    service: &Service,
    mesh: &MeshConfig,
) -> Endpoint {
    let health = match health(&entry.conditions) {
        Health::Unhealthy if service.publish_not_ready => Health::Healthy,
        health => health,
    };
    let hostname = entry.hostname.as_deref().map(Name::from);
    let in_zone =
        || Locality { zone: entry.zone.as_deref().unwrap_or_default().into(), ..Locality::default() };
    match (pod, &address) {
        (Some(pod), EndpointAddress::Ip(ip)) => {
            let endpoint = of_pod(pod, *ip, 0, health);
            let locality =
                if endpoint.locality == Locality::default() { in_zone() } else { endpoint.locality.clone() };
            Endpoint { hostname, locality, ..endpoint }
        }
        _ => Endpoint {
            address,
            port: 0,
            labels: Arc::new(Labels::new()),
            identity: None,
            mtls: false,
            locality: in_zone(),
            weight: 1,
            health,
            network: pods::network(&object.origin, mesh),
            cluster: pods::cluster(&object.origin, mesh),
            namespace: object.reference.namespace.clone(),
            workload: service.name.clone(),
            hostname,
        },
    }
}

fn health(conditions: &EndpointConditions) -> Health {
    let EndpointConditions { ready, serving, terminating } = conditions;
    if ready.unwrap_or(true) {
        Health::Healthy
    } else if serving.unwrap_or(true) && terminating.unwrap_or(false) {
        Health::Draining
    } else {
        Health::Unhealthy
    }
}
