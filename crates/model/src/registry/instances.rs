//! Which workloads serve which services, and so the endpoints of each service.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_api::istio::service_entry::Resolution as Written;
use weft_api::istio::{ServiceEntry, WorkloadEntry};
use weft_api::value::label::selects;
use weft_api::{Object, Spec};
use weft_types::Name;

use super::backend::{self, Listed};
use super::fixed::Fixed;
use super::pods::{PodKey, Pods};
use super::slice::Slices;
use super::{PortEndpoints, ServiceInstance};
use crate::Labels;
use crate::endpoint::{Endpoint, Health};
use crate::mesh::MeshConfig;
use crate::protocol::Protocol;
use crate::service::{Registry, Service, ServicePort};
use crate::workload::Workload;

/// What is known of one service.
#[derive(Debug, Default)]
pub(crate) struct OfService {
    /// Endpoints by port.
    pub(super) endpoints: Arc<PortEndpoints>,
    /// What each workload serves of it.
    pub(super) serving: BTreeMap<PodKey, Vec<ServiceInstance>>,
}

impl OfService {
    /// Whether both tell the same of one service.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let ports = |of: &Self| -> Vec<_> {
            let each = of.serving.iter();
            each.flat_map(|(pod, served)| {
                served.iter().map(move |one| (pod.clone(), one.port.number, one.target_port))
            })
            .collect()
        };
        self.endpoints == other.endpoints && ports(self) == ports(other)
    }
}

/// Finds the endpoints of a service.
pub(super) fn find(number: usize, fixed: &Fixed, pods: &Pods, slices: &Slices) -> OfService {
    let Some(service) = fixed.services.get(number) else { return OfService::default() };
    let context = Context { service, pods, fixed, mesh: &fixed.mesh };
    let (endpoints, serving) = match service.registry {
        Registry::Kubernetes => context.of_kubernetes(slices),
        Registry::External => context.of_entries(),
    };
    let mut found = OfService { endpoints: Arc::new(endpoints), serving: BTreeMap::new() };
    for (pod, port) in serving {
        let Some(target_port) = backend::target_of_pod(port, &pod) else { continue };
        let of = found.serving.entry((pod.namespace.clone(), pod.name.clone())).or_default();
        if !of.iter().any(|known| known.port.number == port.number) {
            of.push(ServiceInstance { service: service.clone(), port: port.clone(), target_port });
        }
    }
    found
}

/// What the endpoints of one service are found from.
struct Context<'o> {
    service: &'o Arc<Service>,
    pods: &'o Pods,
    fixed: &'o Fixed,
    mesh: &'o MeshConfig,
}

/// Which workload serves which port.
type Serving<'o> = Vec<(Arc<Workload>, &'o ServicePort)>;

impl<'o> Context<'o> {
    /// By slices if there are any, else by the selector; and WorkloadEntries that the selector chooses.
    fn of_kubernetes(&self, slices: &Slices) -> (PortEndpoints, Serving<'o>) {
        let service = self.service;
        if let Some(host) = &service.alias_of {
            return (self.by_name(host), Vec::new());
        }
        let ports = || service.ports.iter().filter(|port| port.protocol != Protocol::Udp);
        let mut endpoints = PortEndpoints::new();
        let mut serving: Serving<'o> = Vec::new();
        for pod in self.chosen(&service.selector) {
            serving.extend(ports().map(|port| (pod.clone(), port)));
        }
        match slices.of(service, self.pods, self.mesh) {
            Some((listed, behind)) => {
                endpoints = listed;
                serving.extend(behind.iter().flat_map(|pod| ports().map(|port| (pod.clone(), port))));
            }
            None => {
                for (pod, port) in &serving {
                    add(&mut endpoints, port, self.of_pod(pod, port));
                }
            }
        }
        for listed in self.selected_entries(&service.selector) {
            for port in ports() {
                add(&mut endpoints, port, listed.endpoint(port, self.mesh));
            }
        }
        (endpoints, serving)
    }

    /// By the lists and selectors of the ServiceEntries behind the service.
    fn of_entries(&self) -> (PortEndpoints, Serving<'o>) {
        let mut endpoints = PortEndpoints::new();
        let mut serving: Serving<'o> = Vec::new();
        for part in self.fixed.entries.of(self.service) {
            let Spec::ServiceEntry(spec) = &part.object.spec else { continue };
            let ports = || part.ports.iter().filter(|port| port.protocol != Protocol::Udp);
            match &spec.workload_selector {
                Some(selector) => {
                    for pod in self.chosen(&selector.labels) {
                        for port in ports() {
                            add(&mut endpoints, port, self.of_pod(pod, port));
                            serving.push((pod.clone(), port));
                        }
                    }
                    for listed in self.selected_entries(&selector.labels) {
                        for port in ports() {
                            add(&mut endpoints, port, listed.endpoint(port, self.mesh));
                        }
                    }
                }
                None => self.add_listed(&mut endpoints, &part.object, spec, ports()),
            }
        }
        (endpoints, serving)
    }

    fn add_listed(
        &self,
        endpoints: &mut PortEndpoints,
        object: &Object,
        spec: &ServiceEntry,
        ports: impl Iterator<Item = &'o ServicePort>,
    ) {
        let by_name = matches!(spec.resolution, Written::Dns | Written::DnsRoundRobin);
        // The host itself is looked up where no endpoint is listed.
        let itself =
            WorkloadEntry { address: Some(self.service.host.to_string()), ..WorkloadEntry::default() };
        let itself = std::slice::from_ref(&itself);
        let list = if spec.endpoints.is_empty() && by_name { itself } else { &spec.endpoints };
        for port in ports {
            for entry in list {
                add(endpoints, port, Listed { object, entry }.endpoint(port, self.mesh));
            }
        }
    }

    /// One endpoint for each port, that DNS finds.
    fn by_name(&self, host: &Name) -> PortEndpoints {
        let entry = WorkloadEntry { address: Some(host.to_string()), ..WorkloadEntry::default() };
        let listed = Listed { object: &self.service.object, entry: &entry };
        let mut endpoints = PortEndpoints::new();
        for port in &self.service.ports {
            // The name stands for a host whose ports are the callers' business.
            let port = ServicePort { target: None, ..port.clone() };
            add(&mut endpoints, &port, listed.endpoint(&port, self.mesh));
        }
        endpoints
    }

    fn of_pod(&self, pod: &Workload, port: &ServicePort) -> Option<Endpoint> {
        let health = match pod.health {
            Health::Unhealthy if self.service.publish_not_ready => Health::Healthy,
            health => health,
        };
        let target = backend::target_of_pod(port, pod)?;
        let endpoint = backend::of_pod(pod, *pod.addresses.first()?, target, health);
        Some(Endpoint { hostname: self.hostname(pod), ..endpoint })
    }

    /// The host name of a pod within a headless service, which the pod names as its subdomain.
    fn hostname(&self, pod: &Workload) -> Option<Name> {
        let Spec::Pod(object) = &pod.object.spec else { return None };
        let within = object.spec.subdomain.as_deref() == Some(&*self.service.name);
        let hostname = object.spec.hostname.as_deref().filter(|_| self.service.headless && within);
        hostname.map(Name::from)
    }

    /// The pods of the service's namespace that a selector of it chooses.
    fn chosen(&self, selector: &Labels) -> &'o [Arc<Workload>] {
        self.pods.chosen(self.fixed.selectors.number(&self.service.namespace, selector))
    }

    fn selected_entries(&self, selector: &'o Labels) -> impl Iterator<Item = Listed<'o>> {
        let of_namespace = self.fixed.workload_entries(&self.service.namespace).iter();
        let listed = of_namespace.map(|(object, entry)| Listed { object, entry });
        listed.filter(move |listed| !selector.is_empty() && selects(selector, &listed.entry.labels))
    }
}

fn add(endpoints: &mut PortEndpoints, port: &ServicePort, endpoint: Option<Endpoint>) {
    if let Some(endpoint) = endpoint {
        endpoints.entry(port.number).or_default().push(Arc::new(endpoint));
    }
}
