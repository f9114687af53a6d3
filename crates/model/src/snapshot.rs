//! The mesh at one moment.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use weft_api::istio::virtual_service::MESH;
use weft_api::{Diagnostic, Kind, Object, ObjectRef};
use weft_types::Name;

use crate::Labels;
use crate::authorization::AuthorizationPolicies;
use crate::concern::Concern;
use crate::destination_rule::{DestinationRuleView, DestinationRules};
use crate::diagnose::{self, ByLabel, Together};
use crate::endpoint::Endpoint;
use crate::gateway::Gateways;
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::peer_authentication::{PeerAuthentications, PeerMtls};
use crate::registry::{Change, Changes, PortEndpoints, Registry, ServiceInstance};
use crate::service::Service;
use crate::sidecar::{self, SidecarScope, Sidecars, Visible};
use crate::virtual_service::{self, VirtualServiceView};
use crate::visibility::Visibility;
use crate::workload::Workload;
use crate::{caller, host};

/// Scopes by namespace and Sidecar.
type Scopes = HashMap<(Name, Option<ObjectRef>), Arc<SidecarScope>>;

/// The mesh at one moment: immutable, and the same for the same objects in any order.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the snapshots; what the builder was given.
    pub generation: u64,
    /// Settings of the whole mesh.
    pub mesh: Arc<MeshConfig>,
    /// What there is to say about objects together: what they name and is not there, and conflicts.
    pub diagnostics: Arc<Vec<Diagnostic>>,
    /// Endpoints changed since they were found, in a way that may make other things to say.
    words_are_old: bool,
    registry: Registry,
    policies: Arc<Policies>,
}

/// What is said of services and workloads; pods and endpoints have no part in it.
#[derive(Debug)]
struct Policies {
    virtual_services: Vec<Arc<VirtualServiceView>>,
    /// Indexes into `virtual_services` by gateway.
    by_gateway: HashMap<Name, Vec<usize>>,
    destination_rules: Arc<DestinationRules>,
    gateways: Gateways,
    sidecars: Sidecars,
    peer_authentications: Arc<PeerAuthentications>,
    authorization_policies: AuthorizationPolicies,
    /// Keys of labels by which they tell calling workloads apart.
    caller_labels: BTreeSet<String>,
    /// Scopes that were asked for: a memo of a pure function.
    scopes: Mutex<Scopes>,
}

/// What was done to make a snapshot out of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Objects that were looked at.
    pub visited: usize,
    /// Diagnostics are those of the snapshot before, and may not hold any more.
    pub words_are_old: bool,
}

impl Snapshot {
    /// The mesh that these objects make. Each object stands once; their order does not matter.
    #[must_use]
    pub fn build(objects: &[Arc<Object>], mesh: &MeshConfig, generation: u64) -> Self {
        let mesh = Arc::new(mesh.clone());
        let objects = Objects::new(objects);
        let registry = Registry::new(&objects, &mesh, None);
        Self::assemble(&objects, mesh, registry, None, generation)
    }

    /// The mesh after some objects changed; `objects` are all of them, as they are now. Equal to what
    /// [`Snapshot::build`] makes of them, but for diagnostics that [`Made`] says are old.
    #[must_use]
    pub fn after(
        &self,
        changes: &[Change],
        objects: impl FnOnce() -> Vec<Arc<Object>>,
        generation: u64,
    ) -> (Self, Made) {
        let either = changes.iter().filter_map(|(before, after)| after.as_ref().or(before.as_ref()));
        let kinds: BTreeSet<Kind> = either.map(|object| object.reference.kind).collect();
        let concern = kinds.iter().map(|kind| Concern::of(*kind)).max().unwrap_or(Concern::Nothing);
        if concern > Concern::Endpoints {
            let objects = objects();
            let visited = objects.len();
            let objects = Objects::new(&objects);
            let registry = match concern {
                Concern::Policies => self.registry.clone(),
                _ => Registry::new(&objects, &self.mesh, Some(&self.registry)),
            };
            let kept = Some((&*self.policies, &kinds));
            let made = Self::assemble(&objects, self.mesh.clone(), registry, kept, generation);
            return (made, Made { visited, words_are_old: false });
        }
        let mut registry = self.registry.clone();
        let took = registry.update(changes);
        let made = Self {
            generation,
            mesh: self.mesh.clone(),
            diagnostics: self.diagnostics.clone(),
            words_are_old: self.words_are_old || took.words,
            registry,
            policies: self.policies.clone(),
        };
        let words_are_old = made.words_are_old;
        (made, Made { visited: took.visited, words_are_old })
    }

    /// `kept`: what was made of all kinds of objects but these, and holds still.
    fn assemble(
        objects: &Objects,
        mesh: Arc<MeshConfig>,
        registry: Registry,
        kept: Option<(&Policies, &BTreeSet<Kind>)>,
        generation: u64,
    ) -> Self {
        let kept = |kind| kept.filter(|(_, changed)| !changed.contains(&kind)).map(|(policies, _)| policies);
        let mut diagnostics = registry.diagnostics().to_vec();
        let virtual_services = virtual_service::views(objects, &mesh, &mut diagnostics);
        let mut by_gateway: HashMap<Name, Vec<usize>> = HashMap::new();
        for (index, view) in virtual_services.iter().enumerate() {
            for gateway in &view.gateways {
                by_gateway.entry(gateway.clone()).or_default().push(index);
            }
        }
        let destination_rules = match kept(Kind::DestinationRule) {
            Some(policies) => policies.destination_rules.clone(),
            None => Arc::new(DestinationRules::new(objects, &mesh)),
        };
        diagnostics.extend(destination_rules.diagnostics.iter().cloned());
        let peer_authentications = match kept(Kind::PeerAuthentication) {
            Some(policies) => policies.peer_authentications.clone(),
            None => Arc::new(PeerAuthentications::new(objects)),
        };
        let gateways = Gateways::new(objects);
        let together = Together {
            objects,
            mesh: &mesh,
            registry: &registry,
            virtual_services: &virtual_services,
            destination_rules: &destination_rules,
            gateways: &gateways,
            pods: ByLabel::new(registry.workloads()),
        };
        together.diagnose(&mut diagnostics);
        let policies = Policies {
            caller_labels: caller::labels(&virtual_services, objects),
            virtual_services,
            by_gateway,
            destination_rules,
            gateways,
            sidecars: Sidecars::new(objects),
            peer_authentications,
            authorization_policies: AuthorizationPolicies::new(objects),
            scopes: Mutex::default(),
        };
        Self {
            generation,
            mesh,
            diagnostics: Arc::new(diagnose::in_order(diagnostics)),
            words_are_old: false,
            registry,
            policies: Arc::new(policies),
        }
    }

    /// The same mesh with the diagnostics of what [`Snapshot::build`] made of it.
    #[must_use]
    pub fn with_words_of(&self, whole: &Self) -> Self {
        Self {
            generation: self.generation,
            mesh: self.mesh.clone(),
            diagnostics: whole.diagnostics.clone(),
            words_are_old: false,
            registry: self.registry.clone(),
            policies: self.policies.clone(),
        }
    }

    /// In what this differs from one before, as far as endpoints and workloads go; `None` if services, policies
    /// or settings are others too.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Option<Changes> {
        let same = Arc::ptr_eq(&self.policies, &before.policies) && Arc::ptr_eq(&self.mesh, &before.mesh);
        if same { self.registry.changed_since(&before.registry) } else { None }
    }

    /// Whether endpoints take mutual TLS by the very same PeerAuthentications.
    #[must_use]
    pub fn takes_mutual_tls_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.policies.peer_authentications, &other.policies.peer_authentications)
    }

    /// Keys of labels by which policies tell calling workloads apart: of two proxies of a namespace that are alike
    /// in these, both see the same.
    #[must_use]
    pub fn caller_labels(&self) -> &BTreeSet<String> {
        &self.policies.caller_labels
    }

    /// All endpoints of a service by port: the very same as long as none of them changes.
    #[must_use]
    pub fn all_endpoints(&self, service: &Service) -> Option<Arc<PortEndpoints>> {
        self.registry.all_endpoints(service)
    }

    /// Every service, in order of host, then namespace.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.registry.services()
    }

    /// The services that proxies of a namespace see, one for each host, by host.
    #[must_use]
    pub fn services_visible_to(&self, namespace: &str) -> Vec<Arc<Service>> {
        sidecar::one_for_each_host(self.services(), namespace)
    }

    /// The service of a host (in full) that proxies of a namespace see: of several, that of the
    /// namespace itself, else Kubernetes', else the oldest.
    #[must_use]
    pub fn service(&self, host: &str, from_namespace: &str) -> Option<&Arc<Service>> {
        self.registry.visible(host, from_namespace)
    }

    /// The endpoints of a service's port, by the number of that port; none if it has no such port.
    #[must_use]
    pub fn endpoints(&self, service: &Service, port: u16) -> &[Arc<Endpoint>] {
        self.registry.endpoints(service, port)
    }

    /// The workload that a pod is.
    #[must_use]
    pub fn workload(&self, namespace: &str, pod: &str) -> Option<&Arc<Workload>> {
        self.registry.workload(namespace, pod)
    }

    /// The workload at an address.
    #[must_use]
    pub fn workload_at(&self, address: IpAddr) -> Option<&Arc<Workload>> {
        self.registry.workload_at(address)
    }

    /// Every workload, in no order.
    pub fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.registry.workloads()
    }

    /// What a workload serves: each port of each service that selects it, by host.
    #[must_use]
    pub fn services_of(&self, workload: &Workload) -> Vec<ServiceInstance> {
        self.registry.instances(workload)
    }

    /// The full name of a host, as an object of `namespace` means it (VS-01).
    #[must_use]
    pub fn resolve_host(&self, short: &str, namespace: &str) -> Name {
        host::resolve(short, namespace, &self.mesh.domain)
    }

    /// Every VirtualService that has hosts, delegates merged, oldest first.
    #[must_use]
    pub fn virtual_services(&self) -> &[Arc<VirtualServiceView>] {
        &self.policies.virtual_services
    }

    /// Those for sidecars of a namespace, in order of precedence; a host that several name is left to
    /// the first (VS-01).
    #[must_use]
    pub fn virtual_services_for_mesh(&self, namespace: &str) -> Vec<Arc<VirtualServiceView>> {
        sidecar::claim(&self.for_mesh(namespace))
    }

    /// Those that are bound to a gateway (`namespace/name`), oldest first. Whether the gateway's proxy
    /// sees one is [`VirtualServiceView::export_to`]'s to say.
    #[must_use]
    pub fn virtual_services_for_gateway(&self, gateway: &str) -> Vec<Arc<VirtualServiceView>> {
        self.bound_to(gateway).cloned().collect()
    }

    fn bound_to(&self, gateway: &str) -> impl Iterator<Item = &Arc<VirtualServiceView>> {
        let indexes = self.policies.by_gateway.get(gateway).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|index| self.policies.virtual_services.get(*index))
    }

    /// As Istio ranks them: those for this namespace alone, those for it by name, then those for all;
    /// within each, oldest first.
    fn for_mesh(&self, namespace: &str) -> Vec<Arc<VirtualServiceView>> {
        let rank = |view: &VirtualServiceView| match &view.export_to {
            Visibility::Namespaces(_) if *view.namespace == *namespace => 0,
            Visibility::Namespaces(_) => 1,
            Visibility::Public => 2,
        };
        let visible = self.bound_to(MESH).filter(|view| view.export_to.admits(namespace));
        let mut views: Vec<_> = visible.cloned().collect();
        views.sort_by_key(|view| rank(view));
        views
    }

    /// The DestinationRule for calls from a workload to a service (DR-01).
    #[must_use]
    pub fn destination_rule(
        &self,
        client_namespace: &str,
        client_labels: &Labels,
        service: &Service,
    ) -> Option<Arc<DestinationRuleView>> {
        self.policies.destination_rules.resolve(
            client_namespace,
            client_labels,
            service,
            &self.mesh.root_namespace,
        )
    }

    /// The Gateway objects that select a workload, oldest first; of any namespace (GW-01).
    #[must_use]
    pub fn gateways_for(&self, _namespace: &str, labels: &Labels) -> Vec<Arc<Object>> {
        self.policies.gateways.of(labels)
    }

    /// The Gateway object of that full name (`namespace/name`).
    #[must_use]
    pub fn gateway(&self, name: &str) -> Option<&Arc<Object>> {
        self.policies.gateways.get(name)
    }

    /// What the proxies of a workload see.
    #[must_use]
    pub fn sidecar_scope(&self, namespace: &str, labels: &Labels) -> Arc<SidecarScope> {
        let object = self.policies.sidecars.of(namespace, labels, &self.mesh.root_namespace);
        let key = (Name::from(namespace), object.map(|object| object.reference.clone()));
        let known = self.policies.scopes.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(scope) = known {
            return scope;
        }
        let visible = Visible {
            namespace,
            services: self.services().filter(|service| service.export_to.admits(namespace)).collect(),
            virtual_services: self.for_mesh(namespace),
            outbound: self.mesh.outbound,
            domain: &self.mesh.domain,
        };
        let scope = Arc::new(match object.and_then(|object| Some((object, sidecar::spec(object)?))) {
            Some((object, spec)) => visible.through(object, spec),
            None => visible.everything(),
        });
        let mut scopes = self.policies.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.entry(key).or_insert(scope).clone()
    }

    /// What the ports of a workload take in (PA-01, PA-02).
    #[must_use]
    pub fn peer_mtls(&self, namespace: &str, labels: &Labels) -> PeerMtls {
        let MeshConfig { root_namespace, default_peer_mtls, .. } = &*self.mesh;
        self.policies.peer_authentications.resolve(namespace, labels, root_namespace, *default_peer_mtls)
    }

    /// The AuthorizationPolicies for a workload: of the root namespace first, in name order (AP-02).
    #[must_use]
    pub fn authorization_policies(&self, namespace: &str, labels: &Labels) -> Vec<Arc<Object>> {
        self.policies.authorization_policies.of(namespace, labels, &self.mesh.root_namespace)
    }
}
