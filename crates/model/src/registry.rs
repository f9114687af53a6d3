//! Services, workloads and endpoints from the objects that tell of them.
//!
//! ```text
//! Service, ServiceEntry, WorkloadEntry, Node ─► fixed ─► services, by host and namespace
//!                                                 │
//! Pod ─► pods: workloads, by name and address ────┼─► instances: endpoints of each service, by port,
//! EndpointSlice ─► slices, by service ────────────┘              and what each workload serves
//!                     └─ update: which services a change concerns; those alone are found anew
//! ```

mod backend;
mod entry;
mod fixed;
mod instances;
mod kubernetes;
pub(crate) mod pods;
mod same;
mod selectors;
mod slice;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use fixed::Fixed;
use imbl::OrdMap;
use instances::OfService;
use pods::{PodKey, Pods};
use same::Same;
use slice::Slices;
pub use update::{Change, Changes};
use weft_api::Diagnostic;
use weft_types::Name;

use crate::endpoint::Endpoint;
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::service::{Service, ServicePort};
use crate::workload::Workload;

/// A service that a workload serves, and on which of its ports.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceInstance {
    /// The service.
    pub service: Arc<Service>,
    /// Its port.
    pub port: ServicePort,
    /// The workload's port.
    pub target_port: u16,
}

/// Host and namespace of a service.
pub(crate) type ServiceKey = (Name, Name);

/// Endpoints by number of the service's port.
pub type PortEndpoints = BTreeMap<u16, Vec<Arc<Endpoint>>>;

/// Services, workloads and endpoints with their indexes. A copy shares all with the original, and shares still
/// what a change leaves alone.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    fixed: Arc<Fixed>,
    pods: Pods,
    slices: Slices,
    /// By number of the service.
    of_service: OrdMap<usize, Same<OfService>>,
    /// What each workload serves, by number of the service.
    instances: OrdMap<PodKey, Same<Vec<(usize, ServiceInstance)>>>,
}

impl Registry {
    /// Of all objects; what is as it was `before` stays the very same.
    pub(crate) fn new(objects: &Objects, mesh: &Arc<MeshConfig>, before: Option<&Self>) -> Self {
        let fixed = Arc::new(Fixed::new(objects, mesh, before.map(|before| &*before.fixed)));
        let pods = Pods::new(objects.pods().map(|(object, _)| object), &fixed);
        let mut slices = Slices::default();
        for (object, _) in objects.endpoint_slices() {
            slices.replace(None, Some(object));
        }
        let mut made = Self { fixed, pods, slices, of_service: OrdMap::new(), instances: OrdMap::new() };
        let all: BTreeSet<usize> = (0..made.fixed.services.len()).collect();
        made.find(&all);
        for (number, service) in made.fixed.services.iter().enumerate() {
            let known = before.and_then(|before| before.all_endpoints(service));
            if let (Some(known), Some(found)) = (known, made.of_service.get(&number))
                && known == found.endpoints
            {
                let serving = found.serving.clone();
                made.of_service.insert(number, Same::new(OfService { endpoints: known, serving }));
            }
        }
        made
    }

    /// Finds the endpoints of these services anew. Those that are as before stay the very same.
    fn find(&mut self, numbers: &BTreeSet<usize>) -> Vec<usize> {
        let found = numbers.iter().map(|number| (*number, self.fixed.target(*number)));
        let (own, aliases): (Vec<_>, Vec<_>) = found.partition(|(_, target)| target.is_none());
        let mut changed = Vec::new();
        let mut serving: BTreeMap<PodKey, BTreeMap<usize, Vec<ServiceInstance>>> = BTreeMap::new();
        for (number, _) in own {
            let found = instances::find(number, &self.fixed, &self.pods, &self.slices);
            let before = self.of_service.get(&number);
            if before.is_some_and(|before| before.is_like(&found)) {
                continue;
            }
            for pod in before.into_iter().flat_map(|before| before.serving.keys()) {
                serving.entry(pod.clone()).or_default().entry(number).or_default();
            }
            for (pod, served) in &found.serving {
                serving.entry(pod.clone()).or_default().insert(number, served.clone());
            }
            self.of_service.insert(number, Same::new(found));
            changed.push(number);
        }
        for (alias, target) in aliases {
            let Some(theirs) = target.and_then(|target| self.of_service.get(&target)) else { continue };
            let known = self.of_service.get(&alias);
            if known.is_some_and(|known| Arc::ptr_eq(&known.endpoints, &theirs.endpoints)) {
                continue;
            }
            let ours = OfService { endpoints: theirs.endpoints.clone(), ..OfService::default() };
            self.of_service.insert(alias, Same::new(ours));
            changed.push(alias);
        }
        for (pod, served) in serving {
            self.serve(pod, served);
        }
        changed
    }

    /// Notes what a workload serves of some services, and leaves what it serves of others.
    fn serve(&mut self, pod: PodKey, served: BTreeMap<usize, Vec<ServiceInstance>>) {
        let known = self.instances.get(&pod).map_or_else(Vec::new, |known| known.to_vec());
        let mut all: Vec<_> = known.into_iter().filter(|(number, _)| !served.contains_key(number)).collect();
        for (number, of) in served {
            all.extend(of.into_iter().map(|one| (number, one)));
        }
        all.sort_by_key(|(number, _)| *number);
        match all.is_empty() {
            true => _ = self.instances.remove(&pod),
            false => _ = self.instances.insert(pod, Same::new(all)),
        }
    }

    /// What there is to say about services.
    pub(crate) fn diagnostics(&self) -> &[Diagnostic] {
        &self.fixed.diagnostics
    }

    /// Every service, in order of host, then namespace.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.fixed.services.iter()
    }

    pub(crate) fn endpoints(&self, service: &Service, port: u16) -> &[Arc<Endpoint>] {
        let of = self.fixed.number(service).and_then(|number| self.of_service.get(&number));
        of.and_then(|of| of.endpoints.get(&port)).map_or(&[], Vec::as_slice)
    }

    /// All endpoints of a service: the very same as long as they did not change.
    pub(crate) fn all_endpoints(&self, service: &Service) -> Option<Arc<PortEndpoints>> {
        let number = self.fixed.number(service)?;
        self.of_service.get(&number).map(|of| of.endpoints.clone())
    }

    /// The services of a host, by namespace.
    pub(crate) fn of_host(&self, host: &str) -> impl Iterator<Item = &Arc<Service>> {
        self.fixed.of_host(host)
    }

    /// The service of a host that a namespace sees.
    pub(crate) fn visible(&self, host: &str, namespace: &str) -> Option<&Arc<Service>> {
        preferred(self.of_host(host), namespace)
    }

    pub(crate) fn workload(&self, namespace: &str, name: &str) -> Option<&Arc<Workload>> {
        self.pods.get(namespace, name)
    }

    pub(crate) fn workload_at(&self, address: IpAddr) -> Option<&Arc<Workload>> {
        self.pods.at(address)
    }

    pub(crate) fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.pods.all()
    }

    pub(crate) fn instances(&self, workload: &Workload) -> Vec<ServiceInstance> {
        let key = (workload.namespace.clone(), workload.name.clone());
        let known = self.instances.get(&key).into_iter().flat_map(|known| known.iter());
        known.map(|(_, instance)| instance.clone()).collect()
    }
}

/// Of several services of one host, the one that a namespace means: its own, else Kubernetes', else the
/// oldest; those that it does not see are left out.
pub(crate) fn preferred<'s>(
    services: impl Iterator<Item = &'s Arc<Service>>,
    namespace: &str,
) -> Option<&'s Arc<Service>> {
    let rank = |service: &Service| {
        let age = service.created.clone().unwrap_or_default();
        (&*service.namespace != namespace, service.registry, age, service.namespace.clone())
    };
    services.filter(|service| service.export_to.admits(namespace)).min_by_key(|service| rank(service))
}
