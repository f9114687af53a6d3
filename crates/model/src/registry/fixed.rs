//! What pods and EndpointSlices have no part in: services, and where the endpoints of each come from.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weft_api::istio::WorkloadEntry;
use weft_api::{Diagnostic, Kind, Object, Spec};
use weft_types::Name;

use super::entry::{self, Entries};
use super::selectors::Selectors;
use super::{ServiceKey, backend, kubernetes, pods, preferred};
use crate::endpoint::Locality;
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::service::{Registry as Kinds, Service};

/// Services by number, and what finds them.
#[derive(Debug, Default)]
pub(crate) struct Fixed {
    /// Settings of the whole mesh.
    pub(super) mesh: Arc<MeshConfig>,
    /// By host, then namespace; the place is the number.
    pub(super) services: Vec<Arc<Service>>,
    /// Numbers by host.
    by_host: HashMap<Name, Vec<usize>>,
    /// Numbers of Kubernetes' services by namespace and name.
    by_name: HashMap<ServiceKey, usize>,
    /// The ServiceEntries behind services.
    pub(super) entries: Entries,
    /// By namespace; with the labels of object and spec together.
    workload_entries: HashMap<Name, Vec<(Arc<Object>, WorkloadEntry)>>,
    /// Selectors of services.
    pub(super) selectors: Selectors,
    /// Numbers of the services that use a selector, by its number.
    users: HashMap<usize, Vec<usize>>,
    /// The service that an ExternalName service stands for.
    targets: HashMap<usize, usize>,
    /// The services that stand for a service.
    aliases: HashMap<usize, Vec<usize>>,
    /// Where the pods of each node are.
    pub(super) nodes: HashMap<Name, Locality>,
    /// What there is to say about these.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Fixed {
    /// Services that are as they were `before` stay the very same.
    pub(super) fn new(objects: &Objects, mesh: &Arc<MeshConfig>, before: Option<&Self>) -> Self {
        let mut diagnostics = Vec::new();
        let (mut services, entries) = services(objects, mesh, &mut diagnostics);
        for service in &mut services {
            let known = before.and_then(|before| before.services.get(before.number(service)?));
            if let Some(known) = known.filter(|known| *known == service) {
                *service = known.clone();
            }
        }
        let mut made = Self { mesh: mesh.clone(), entries, diagnostics, ..Self::default() };
        for (number, service) in services.iter().enumerate() {
            made.by_host.entry(service.host.clone()).or_default().push(number);
            if service.registry == Kinds::Kubernetes {
                made.by_name.insert((service.namespace.clone(), service.name.clone()), number);
            }
        }
        made.services = services;
        made.stand_for();
        made.select();
        for (object, entry) in objects.workload_entries() {
            let labels = backend::labels_of_object(object, entry);
            let of = made.workload_entries.entry(object.reference.namespace.clone()).or_default();
            of.push((object.clone(), WorkloadEntry { labels, ..entry.clone() }));
        }
        let nodes = objects.of(Kind::Node).iter();
        made.nodes =
            nodes.map(|node| (node.reference.name.clone(), pods::locality(&node.meta.labels))).collect();
        made
    }

    /// Which services stand for which: those give them their endpoints, since the mesh knows them and DNS may not.
    fn stand_for(&mut self) {
        let mut targets = HashMap::new();
        for (number, alias) in self.services.iter().enumerate() {
            let Some(host) = &alias.alias_of else { continue };
            let known = self.numbers(host).iter().filter_map(|number| self.services.get(*number));
            let Some(target) = preferred(known, &alias.namespace).filter(|target| target.alias_of.is_none())
            else {
                continue;
            };
            targets.extend(self.number(target).map(|target| (number, target)));
        }
        for (alias, target) in &targets {
            self.aliases.entry(*target).or_default().push(*alias);
        }
        self.targets = targets;
    }

    fn select(&mut self) {
        let of_parts = |service: &Arc<Service>| -> Vec<_> {
            let parts = self.entries.of(service).iter();
            let labels = parts.filter_map(|part| match &part.object.spec {
                Spec::ServiceEntry(spec) => spec.workload_selector.as_ref().map(|s| s.labels.clone()),
                _ => None,
            });
            labels.collect()
        };
        let written: Vec<_> = self
            .services
            .iter()
            .enumerate()
            .flat_map(|(number, service)| {
                let own = (service.registry == Kinds::Kubernetes).then(|| service.selector.clone());
                let all = own.into_iter().chain(of_parts(service));
                all.map(move |labels| (number, service.namespace.clone(), labels))
            })
            .collect();
        self.selectors = Selectors::new(written.iter().map(|(_, namespace, labels)| (namespace, labels)));
        for (number, namespace, labels) in &written {
            if let Some(selector) = self.selectors.number(namespace, labels) {
                self.users.entry(selector).or_default().push(*number);
            }
        }
    }

    fn numbers(&self, host: &str) -> &[usize] {
        self.by_host.get(host).map_or(&[], Vec::as_slice)
    }

    /// The services of a host, by namespace.
    pub(super) fn of_host(&self, host: &str) -> impl Iterator<Item = &Arc<Service>> {
        self.numbers(host).iter().filter_map(|number| self.services.get(*number))
    }

    /// The number of a service, or of what a listener has of it.
    pub(super) fn number(&self, service: &Service) -> Option<usize> {
        let of = |number: &&usize| {
            self.services.get(**number).is_some_and(|known| known.namespace == service.namespace)
        };
        self.numbers(&service.host).iter().find(of).copied()
    }

    /// The number of a Kubernetes service.
    pub(super) fn named(&self, key: &ServiceKey) -> Option<usize> {
        self.by_name.get(key).copied()
    }

    /// The services that use a selector.
    pub(super) fn users(&self, selector: usize) -> &[usize] {
        self.users.get(&selector).map_or(&[], Vec::as_slice)
    }

    /// The service that a service stands for.
    pub(super) fn target(&self, alias: usize) -> Option<usize> {
        self.targets.get(&alias).copied()
    }

    /// The services that stand for a service.
    pub(super) fn aliases(&self, target: usize) -> &[usize] {
        self.aliases.get(&target).map_or(&[], Vec::as_slice)
    }

    /// The WorkloadEntries of a namespace.
    pub(super) fn workload_entries(&self, namespace: &str) -> &[(Arc<Object>, WorkloadEntry)] {
        self.workload_entries.get(namespace).map_or(&[], Vec::as_slice)
    }
}

/// The services in order of host and namespace; and which ServiceEntries are behind each.
fn services(
    objects: &Objects,
    mesh: &MeshConfig,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<Arc<Service>>, Entries) {
    let mut found: BTreeMap<ServiceKey, Service> = BTreeMap::new();
    for (object, spec) in objects.services() {
        let service = kubernetes::service(object, spec, mesh);
        found.entry((service.host.clone(), service.namespace.clone())).or_insert(service);
    }
    let mut entries = Entries::default();
    for (object, spec) in objects.service_entries() {
        for service in entry::services(object, spec, mesh) {
            entries.add(&mut found, service, diagnostics);
        }
    }
    debug_assert!(found.values().all(|service| service.registry <= Kinds::External));
    (found.into_values().map(Arc::new).collect(), entries)
}
