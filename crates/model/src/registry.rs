//! Services, workloads and endpoints from the objects that tell of them.
//!
//! ```text
//! Service ─┐                          ┌─► services, by host and namespace
//! ServiceEntry ─► service, entry ─────┤
//! Pod, WorkloadEntry ─► workload ─────┼─► workloads, by name and address
//! EndpointSlice ─► slice ─────────────┴─► endpoints, by service and port; instances, by workload
//! ```

mod backend;
mod entry;
mod instances;
mod kubernetes;
pub(crate) mod pods;
mod slice;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use pods::Pods;
use weft_api::Diagnostic;
use weft_types::Name;

use crate::endpoint::Endpoint;
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::service::{Registry as Kind, Service, ServicePort};
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
pub(crate) type PortEndpoints = BTreeMap<u16, Vec<Arc<Endpoint>>>;

/// Services, workloads and endpoints with their indexes.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By host, then namespace.
    pub(crate) services: Vec<Arc<Service>>,
    /// Indexes into `services` by host.
    by_host: HashMap<Name, Vec<usize>>,
    /// Endpoints.
    endpoints: HashMap<ServiceKey, PortEndpoints>,
    /// Workloads.
    pods: Pods,
    /// What each workload serves, by namespace and name.
    instances: HashMap<ServiceKey, Vec<ServiceInstance>>,
}

impl Registry {
    pub(crate) fn new(objects: &Objects, mesh: &MeshConfig, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let pods = Pods::new(objects, mesh);
        let (services, entries) = services(objects, mesh, diagnostics);
        let mut by_host: HashMap<Name, Vec<usize>> = HashMap::new();
        for (index, service) in services.iter().enumerate() {
            by_host.entry(service.host.clone()).or_default().push(index);
        }
        let found = instances::find(&services, &entries, objects, &pods, mesh);
        let instances::Found { mut endpoints, instances } = found;
        kubernetes::follow_aliases(&services, &by_host, &mut endpoints);
        Self { services, by_host, endpoints, pods, instances }
    }

    pub(crate) fn endpoints(&self, service: &Service, port: u16) -> &[Arc<Endpoint>] {
        let key = (service.host.clone(), service.namespace.clone());
        self.endpoints.get(&key).and_then(|ports| ports.get(&port)).map_or(&[], Vec::as_slice)
    }

    /// The services of a host, by namespace.
    pub(crate) fn of_host(&self, host: &str) -> impl Iterator<Item = &Arc<Service>> {
        let indexes = self.by_host.get(host).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|index| self.services.get(*index))
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
        self.pods.workloads.values()
    }

    /// Whether a selector chooses any pod of a namespace, or of all.
    pub(crate) fn selects_any(&self, namespace: Option<&str>, selector: &crate::Labels) -> bool {
        self.pods.selects_any(namespace, selector)
    }

    pub(crate) fn instances(&self, workload: &Workload) -> &[ServiceInstance] {
        let key = (workload.namespace.clone(), workload.name.clone());
        self.instances.get(&key).map_or(&[], Vec::as_slice)
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

/// The services in order of host and namespace; and which ServiceEntries are behind each.
fn services(
    objects: &Objects,
    mesh: &MeshConfig,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<Arc<Service>>, entry::Entries) {
    let mut found: BTreeMap<ServiceKey, Service> = BTreeMap::new();
    for (object, spec) in objects.services() {
        let service = kubernetes::service(object, spec, mesh);
        found.entry((service.host.clone(), service.namespace.clone())).or_insert(service);
    }
    let mut entries = entry::Entries::default();
    for (object, spec) in objects.service_entries() {
        for service in entry::services(object, spec, mesh) {
            entries.add(&mut found, service, diagnostics);
        }
    }
    debug_assert!(found.values().all(|service| service.registry <= Kind::External));
    (found.into_values().map(Arc::new).collect(), entries)
}
