//! Pods as workloads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use weft_api::kube::Pod;
use weft_api::kube::pod::Transport;
use weft_api::{Object, Origin, Spec};
use weft_types::{Name, SpiffeId, embedded};

use super::fixed::Fixed;
use super::same::Same;
use crate::Labels;
use crate::endpoint::{Health, Locality};
use crate::mesh::MeshConfig;
use crate::objects::age;
use crate::workload::{ContainerPort, Workload};

/// Where the application of each container port really listens (embedded mode).
pub(crate) const PORTS: &str = "weft.dev/ports";
/// Where a gateway binds (embedded mode).
pub(crate) const BIND: &str = "weft.dev/bind";
/// Set at injection: `istio` says that the proxy takes mutual TLS (LB-01).
pub(super) const TLS_MODE: &str = "security.istio.io/tlsMode";
/// Network of a pod (CP-25).
const NETWORK: &str = "topology.istio.io/network";

/// Namespace and name.
pub(crate) type PodKey = (Name, Name);

/// The pods that are not at their end, found by name and address, and by the selectors that choose them.
/// A copy shares all with the original.
#[derive(Clone, Debug, Default)]
pub(super) struct Pods {
    workloads: OrdMap<PodKey, Same<Workload>>,
    /// Of several at one address, in order of age.
    by_address: OrdMap<IpAddr, Same<Vec<Arc<Workload>>>>,
    /// By number of the selector; in order of name.
    chosen: OrdMap<usize, Same<Vec<Arc<Workload>>>>,
}

impl Pods {
    /// All at once.
    pub(super) fn new<'o>(objects: impl Iterator<Item = &'o Arc<Object>>, fixed: &Fixed) -> Self {
        let mut made = Self::default();
        let mut by_address: BTreeMap<IpAddr, Vec<Arc<Workload>>> = BTreeMap::new();
        let mut chosen: BTreeMap<usize, Vec<Arc<Workload>>> = BTreeMap::new();
        for pod in objects.filter_map(|object| alive(object, fixed)) {
            for address in &pod.addresses {
                by_address.entry(*address).or_default().push(pod.clone());
            }
            for selector in fixed.selectors.choosing(&pod.namespace, &pod.labels) {
                chosen.entry(selector).or_default().push(pod.clone());
            }
            made.workloads.insert((pod.namespace.clone(), pod.name.clone()), Same(pod));
        }
        for (address, mut pods) in by_address {
            pods.sort_by(|a, b| age(&a.object).cmp(&age(&b.object)));
            made.by_address.insert(address, Same::new(pods));
        }
        for (selector, mut pods) in chosen {
            pods.sort_by(|a, b| a.name.cmp(&b.name));
            made.chosen.insert(selector, Same::new(pods));
        }
        made
    }

    /// Takes a version of a pod for the one before; either may be absent. Tells the selectors that choose
    /// either of the two.
    pub(super) fn replace(
        &mut self,
        before: Option<&Object>,
        after: Option<&Arc<Object>>,
        fixed: &Fixed,
    ) -> BTreeSet<usize> {
        let mut touched = BTreeSet::new();
        if let Some(old) = before.and_then(|object| self.workloads.remove(&key_of(object))) {
            touched.extend(self.leave(&old.0, fixed));
        }
        let new = after.and_then(|object| alive(object, fixed));
        if let Some(new) = new {
            touched.extend(self.enter(&new, fixed));
            self.workloads.insert((new.namespace.clone(), new.name.clone()), Same(new));
        }
        touched
    }

    fn enter(&mut self, pod: &Arc<Workload>, fixed: &Fixed) -> Vec<usize> {
        for address in &pod.addresses {
            let mut at = self.by_address.get(address).map_or_else(Vec::new, |known| known.to_vec());
            let place = at.partition_point(|other| age(&other.object) < age(&pod.object));
            at.insert(place, pod.clone());
            self.by_address.insert(*address, Same::new(at));
        }
        let selectors = fixed.selectors.choosing(&pod.namespace, &pod.labels);
        for selector in &selectors {
            let mut chosen = self.chosen.get(selector).map_or_else(Vec::new, |known| known.to_vec());
            let place = chosen.partition_point(|other| other.name < pod.name);
            chosen.insert(place, pod.clone());
            self.chosen.insert(*selector, Same::new(chosen));
        }
        selectors
    }

    fn leave(&mut self, pod: &Arc<Workload>, fixed: &Fixed) -> Vec<usize> {
        let without = |known: Option<&Same<Vec<Arc<Workload>>>>| -> Vec<Arc<Workload>> {
            let others = known.into_iter().flat_map(|known| known.iter());
            others.filter(|other| !Arc::ptr_eq(other, pod)).cloned().collect()
        };
        for address in &pod.addresses {
            match without(self.by_address.get(address)) {
                none if none.is_empty() => _ = self.by_address.remove(address),
                others => _ = self.by_address.insert(*address, Same::new(others)),
            }
        }
        let selectors = fixed.selectors.choosing(&pod.namespace, &pod.labels);
        for selector in &selectors {
            match without(self.chosen.get(selector)) {
                none if none.is_empty() => _ = self.chosen.remove(selector),
                others => _ = self.chosen.insert(*selector, Same::new(others)),
            }
        }
        selectors
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Workload>> {
        self.workloads.get(&(namespace.into(), name.into())).map(|same| &same.0)
    }

    /// The pod at an address. A pod of the node's own network shares its address with others; one that does not
    /// terminate goes before one that does, then the oldest.
    pub(super) fn at(&self, address: IpAddr) -> Option<&Arc<Workload>> {
        let at = self.by_address.get(&address)?;
        at.iter().find(|pod| pod.health != Health::Draining).or_else(|| at.first())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads.values().map(|same| &same.0)
    }

    /// The pods that a selector chooses, in order of name.
    pub(super) fn chosen(&self, selector: Option<usize>) -> &[Arc<Workload>] {
        selector.and_then(|selector| self.chosen.get(&selector)).map_or(&[], |known| known.as_slice())
    }

    /// Pods that are others than before, by name; and their addresses, then and now.
    pub(super) fn changed_since(&self, before: &Self) -> (BTreeSet<PodKey>, BTreeSet<IpAddr>) {
        let (mut keys, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for difference in before.workloads.diff(&self.workloads) {
            let (key, pods) = match difference {
                DiffItem::Add(key, pod) | DiffItem::Remove(key, pod) => (key, [Some(pod), None]),
                DiffItem::Update { old, new } => (new.0, [Some(old.1), Some(new.1)]),
            };
            keys.insert(key.clone());
            addresses.extend(pods.into_iter().flatten().flat_map(|pod| pod.addresses.iter().copied()));
        }
        (keys, addresses)
    }
}

/// Namespace and name of a pod.
pub(super) fn key_of(object: &Object) -> PodKey {
    (object.reference.namespace.clone(), object.reference.name.clone())
}

/// The workload that a pod is; `None` if it is at its end.
fn alive(object: &Arc<Object>, fixed: &Fixed) -> Option<Arc<Workload>> {
    let Spec::Pod(pod) = &object.spec else { return None };
    if matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let mut workload = workload(object, pod, &fixed.mesh);
    // What a pod says itself goes before what its node says (CP-27).
    if workload.locality == Locality::default()
        && let Some(locality) = pod.spec.node_name.as_deref().and_then(|name| fixed.nodes.get(name))
    {
        workload.locality = locality.clone();
    }
    Some(Arc::new(workload))
}

fn workload(object: &Arc<Object>, pod: &Pod, mesh: &MeshConfig) -> Workload {
    let Pod { spec, status } = pod;
    let (name, namespace) = (&object.reference.name, &object.reference.namespace);
    let labels = &object.meta.labels;
    let addresses: Vec<IpAddr> = status.addresses().filter_map(|text| text.parse().ok()).collect();
    let account = spec.service_account_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("default");
    let embedded = addresses.first().is_some_and(|address| embedded::is_pod(*address));
    let ports = spec.containers.iter().flat_map(|container| &container.ports).map(|port| ContainerPort {
        name: port.name.as_deref().unwrap_or_default().into(),
        number: port.container_port.number(),
        tcp: port.protocol == Transport::Tcp,
    });
    let annotations = &object.meta.annotations;
    Workload {
        name: name.clone(),
        namespace: namespace.clone(),
        workload: owner(name, labels).into(),
        labels: Arc::new(labels.clone()),
        annotations: annotations.clone(),
        service_account: account.into(),
        identity: identity(namespace, account, &object.origin, mesh),
        ports: ports.collect(),
        app_ports: annotations.get(PORTS).map(|text| app_ports(text)).unwrap_or_default(),
        bind: annotations.get(BIND).and_then(|text| text.trim().parse().ok()),
        locality: locality(labels),
        network: labels
            .get(NETWORK)
            .map_or_else(|| network(&object.origin, mesh), |name| name.as_str().into()),
        cluster: cluster(&object.origin, mesh),
        health: health(object, pod),
        mtls: embedded || labels.get(TLS_MODE).is_some_and(|mode| mode == "istio"),
        addresses,
        object: object.clone(),
    }
}

fn health(object: &Object, pod: &Pod) -> Health {
    let conditions = &pod.status.conditions;
    let told = conditions.iter().any(|condition| condition.kind == "Ready");
    let waits = matches!(pod.status.phase.as_deref(), Some("Pending" | "Unknown"));
    if object.meta.deleting {
        Health::Draining
    } else if if told { pod.status.is_ready() } else { !waits } {
        Health::Healthy
    } else {
        Health::Unhealthy
    }
}

/// The name of a pod's owner, as far as pod and labels tell it: Deployment, StatefulSet, DaemonSet or
/// Job; else the pod itself.
fn owner<'p>(pod: &'p str, labels: &'p Labels) -> &'p str {
    if let Some(name) = labels.get("service.istio.io/workload-name") {
        return name;
    }
    let before = |mark: String| pod.rfind(&mark).filter(|at| *at > 0).map(|at| &pod[..at]);
    if let Some(owner) = labels.get("pod-template-hash").and_then(|hash| before(format!("-{hash}"))) {
        return owner;
    }
    if let Some(job) = labels.get("batch.kubernetes.io/job-name").or_else(|| labels.get("job-name")) {
        return job;
    }
    if labels.contains_key("statefulset.kubernetes.io/pod-name")
        || labels.contains_key("controller-revision-hash")
    {
        return pod.rsplit_once('-').map_or(pod, |(owner, _)| owner);
    }
    pod
}

/// Reads `9080=34567,9081=34568`; what is no such pair is skipped.
fn app_ports(text: &str) -> BTreeMap<u16, u16> {
    pairs(text).filter_map(Result::ok).collect()
}

/// The pairs of such a text, or what is no pair.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = Result<(u16, u16), &str>> {
    text.split([',', ' ']).filter(|pair| !pair.is_empty()).map(|pair| {
        let (from, to) = pair.split_once('=').ok_or(pair)?;
        Ok((from.parse().map_err(|_| pair)?, to.parse().map_err(|_| pair)?))
    })
}

/// Where a workload is, by its labels (CP-27).
pub(super) fn locality(labels: &Labels) -> Locality {
    let whole = labels.get("topology.istio.io/locality").or_else(|| labels.get("istio-locality"));
    if let Some(text) = whole.filter(|text| !text.is_empty()) {
        // Label values hold no slashes, so Istio takes dots for them.
        return Locality::parse(&if text.contains('/') { text.clone() } else { text.replace('.', "/") });
    }
    let get = |key: &str| labels.get(key).map_or_else(Name::default, |value| value.as_str().into());
    Locality {
        region: get("topology.kubernetes.io/region"),
        zone: get("topology.kubernetes.io/zone"),
        subzone: get("topology.istio.io/subzone"),
    }
}

/// The identity of a service account (SPIFFE, as Istio forms it).
pub(super) fn identity(namespace: &str, account: &str, origin: &Origin, mesh: &MeshConfig) -> SpiffeId {
    let trust_domain = own(&origin.trust_domain, &Origin::default().trust_domain, &mesh.trust_domain);
    SpiffeId {
        trust_domain: (*trust_domain).into(),
        namespace: namespace.into(),
        service_account: account.into(),
    }
}

pub(super) fn cluster(origin: &Origin, mesh: &MeshConfig) -> Name {
    own(&origin.cluster, &Origin::default().cluster, &mesh.cluster)
}

pub(super) fn network(origin: &Origin, mesh: &MeshConfig) -> Name {
    own(&origin.network, "", &mesh.network)
}

/// What an object says of its origin, unless it is the default, which leaves it to the mesh.
fn own(told: &Name, default: &str, mesh: &Name) -> Name {
    if **told == *default || told.is_empty() { mesh.clone() } else { told.clone() }
}
