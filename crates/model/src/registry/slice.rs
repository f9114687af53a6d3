//! Endpoints that EndpointSlices list.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use imbl::OrdMap;
use weft_api::kube::endpoint_slice::{Endpoint as Entry, EndpointConditions};
use weft_api::kube::pod::Transport;
use weft_api::{Object, Spec};
use weft_types::Name;

use super::backend::{self, of_pod};
use super::pods::{self, PodKey, Pods};
use super::same::Same;
use super::{PortEndpoints, ServiceKey};
use crate::Labels;
use crate::endpoint::{Endpoint, EndpointAddress, Health, Locality};
use crate::mesh::MeshConfig;
use crate::objects::age;
use crate::service::Service;
use crate::workload::Workload;

/// Says of which service a slice is.
const SERVICE: &str = "kubernetes.io/service-name";

/// The slices, by namespace and name of their service, and by the pods that they name. A copy shares all with the
/// original.
#[derive(Clone, Debug, Default)]
pub(super) struct Slices {
    /// In order of age.
    of: OrdMap<ServiceKey, Same<Vec<Arc<Object>>>>,
    /// Services by pods that their slices name; a service stands there as often as it names the pod.
    by_pod: OrdMap<PodKey, Same<Vec<ServiceKey>>>,
    /// The same by addresses, where they name no pod.
    by_address: OrdMap<IpAddr, Same<Vec<ServiceKey>>>,
}

impl Slices {
    /// Takes a version of a slice for the one before; either may be absent. Tells whose they are.
    pub(super) fn replace(
        &mut self,
        before: Option<&Object>,
        after: Option<&Arc<Object>>,
    ) -> Vec<ServiceKey> {
        let mut touched = Vec::new();
        if let Some((key, object)) = before.and_then(|object| Some((service_of(object)?, object))) {
            let known = self.of.get(&key).map_or_else(Vec::new, |known| known.to_vec());
            let (gone, rest): (Vec<_>, Vec<_>) =
                known.into_iter().partition(|other| other.reference == object.reference);
            match rest.is_empty() {
                true => _ = self.of.remove(&key),
                false => _ = self.of.insert(key.clone(), Same::new(rest)),
            }
            for named in gone.iter().flat_map(|gone| names(gone)) {
                self.forget(&named, &key);
            }
            touched.push(key);
        }
        if let Some((key, object)) = after.and_then(|object| Some((service_of(object)?, object))) {
            let mut known = self.of.get(&key).map_or_else(Vec::new, |known| known.to_vec());
            let place = known.partition_point(|other| age(other) < age(object));
            known.insert(place, object.clone());
            self.of.insert(key.clone(), Same::new(known));
            for named in names(object) {
                self.note(named, &key);
            }
            touched.push(key);
        }
        touched
    }

    fn note(&mut self, named: Named, key: &ServiceKey) {
        let with = |known: Option<&Same<Vec<ServiceKey>>>| {
            let mut keys = known.map_or_else(Vec::new, |known| known.to_vec());
            keys.push(key.clone());
            Same::new(keys)
        };
        match named {
            Named::Pod(pod) => {
                let keys = with(self.by_pod.get(&pod));
                self.by_pod.insert(pod, keys);
            }
            Named::Address(ip) => {
                let keys = with(self.by_address.get(&ip));
                self.by_address.insert(ip, keys);
            }
        }
    }

    fn forget(&mut self, named: &Named, key: &ServiceKey) {
        let without = |known: Option<&Same<Vec<ServiceKey>>>| {
            let mut keys = known.map_or_else(Vec::new, |known| known.to_vec());
            if let Some(place) = keys.iter().position(|other| other == key) {
                keys.swap_remove(place);
            }
            (!keys.is_empty()).then(|| Same::new(keys))
        };
        match named {
            Named::Pod(pod) => match without(self.by_pod.get(pod)) {
                Some(keys) => _ = self.by_pod.insert(pod.clone(), keys),
                None => _ = self.by_pod.remove(pod),
            },
            Named::Address(ip) => match without(self.by_address.get(ip)) {
                Some(keys) => _ = self.by_address.insert(*ip, keys),
                None => _ = self.by_address.remove(ip),
            },
        }
    }

    /// The services whose slices name a pod, or one of these addresses.
    pub(super) fn naming<'s>(
        &'s self,
        pod: &PodKey,
        addresses: impl Iterator<Item = IpAddr>,
    ) -> impl Iterator<Item = &'s ServiceKey> {
        let by_pod = self.by_pod.get(pod).into_iter().flat_map(|keys| keys.iter());
        let by_address: Vec<_> = addresses.filter_map(|ip| self.by_address.get(&ip)).collect();
        by_pod.chain(by_address.into_iter().flat_map(|keys| keys.iter()))
    }

    /// The endpoints of a service and the pods behind them; `None` if there is no slice of it.
    pub(super) fn of(
        &self,
        service: &Service,
        pods: &Pods,
        mesh: &MeshConfig,
    ) -> Option<(PortEndpoints, Vec<Arc<Workload>>)> {
        let slices = self.of.get(&(service.namespace.clone(), service.name.clone()))?;
        let mut found = PortEndpoints::new();
        let (mut seen, mut serving) = (BTreeSet::new(), Vec::new());
        for object in slices.iter() {
            let Spec::EndpointSlice(slice) = &object.spec else { continue };
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

/// What an entry of a slice names.
enum Named {
    Pod(PodKey),
    Address(IpAddr),
}

fn names(object: &Object) -> Vec<Named> {
    let Spec::EndpointSlice(slice) = &object.spec else { return Vec::new() };
    let one = |entry: &Entry| match &entry.target_ref {
        Some(target) if target.kind.as_deref() == Some("Pod") => {
            let namespace = target.namespace.as_deref().unwrap_or(&object.reference.namespace);
            Some(Named::Pod((namespace.into(), target.name.as_deref()?.into())))
        }
        Some(_) => None,
        None => entry.addresses.first()?.parse().ok().map(Named::Address),
    };
    slice.endpoints.iter().filter_map(one).collect()
}

/// Namespace and name of the service that a slice is of.
fn service_of(object: &Object) -> Option<ServiceKey> {
    let service = object.meta.labels.get(SERVICE)?;
    Some((object.reference.namespace.clone(), Name::from(service.as_str())))
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
