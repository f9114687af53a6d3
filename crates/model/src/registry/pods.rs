//! Pods as workloads.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use weft_api::kube::Pod;
use weft_api::kube::pod::Transport;
use weft_api::value::label::selects;
use weft_api::{Kind, Object, Origin};
use weft_types::{Name, SpiffeId, embedded};

use super::ServiceKey;
use crate::Labels;
use crate::endpoint::{Health, Locality};
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::workload::{ContainerPort, Workload};

/// Where the application of each container port really listens (embedded mode).
pub(crate) const PORTS: &str = "weft.dev/ports";
/// Where a gateway binds (embedded mode).
pub(crate) const BIND: &str = "weft.dev/bind";
/// Set at injection: `istio` says that the proxy takes mutual TLS (LB-01).
pub(super) const TLS_MODE: &str = "security.istio.io/tlsMode";
/// Network of a pod (CP-25).
const NETWORK: &str = "topology.istio.io/network";

/// The pods, found by name, address and labels.
#[derive(Debug, Default)]
pub(super) struct Pods {
    pub(super) workloads: HashMap<ServiceKey, Arc<Workload>>,
    by_address: HashMap<IpAddr, Arc<Workload>>,
    namespaces: HashMap<Name, OfNamespace>,
}

/// The pods of one namespace that are not at their end.
#[derive(Debug, Default)]
struct OfNamespace {
    all: Vec<Arc<Workload>>,
    by_label: HashMap<(String, String), Vec<usize>>,
}

impl Pods {
    pub(super) fn new(objects: &Objects, mesh: &MeshConfig) -> Self {
        let mut pods = Self::default();
        let nodes: HashMap<&str, Locality> = objects
            .of(Kind::Node)
            .iter()
            .map(|node| (&*node.reference.name, locality(&node.meta.labels)))
            .collect();
        for (object, pod) in objects.pods() {
            if matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed")) {
                continue;
            }
            let mut workload = workload(object, pod, mesh);
            // What a pod says itself goes before what its node says (CP-27).
            if workload.locality == Locality::default()
                && let Some(locality) = pod.spec.node_name.as_deref().and_then(|name| nodes.get(name))
            {
                workload.locality = locality.clone();
            }
            pods.add(Arc::new(workload));
        }
        pods
    }

    fn add(&mut self, workload: Arc<Workload>) {
        let key = (workload.namespace.clone(), workload.name.clone());
        if self.workloads.contains_key(&key) {
            return;
        }
        for address in &workload.addresses {
            // A pod of the node's own network shares its address with others; any of them may stand
            // there, but one that does not terminate goes before one that does.
            let at = self.by_address.entry(*address).or_insert_with(|| workload.clone());
            if at.health == Health::Draining && workload.health != Health::Draining {
                *at = workload.clone();
            }
        }
        let of = self.namespaces.entry(workload.namespace.clone()).or_default();
        for (label, value) in workload.labels.iter() {
            of.by_label.entry((label.clone(), value.clone())).or_default().push(of.all.len());
        }
        of.all.push(workload.clone());
        self.workloads.insert(key, workload);
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Workload>> {
        self.workloads.get(&(namespace.into(), name.into()))
    }

    pub(super) fn at(&self, address: IpAddr) -> Option<&Arc<Workload>> {
        self.by_address.get(&address)
    }

    /// Whether a selector chooses any pod of a namespace, or of all.
    pub(super) fn selects_any(&self, namespace: Option<&str>, selector: &Labels) -> bool {
        match namespace {
            Some(namespace) => !self.selected(namespace, selector).is_empty(),
            None => self.namespaces.keys().any(|namespace| !self.selected(namespace, selector).is_empty()),
        }
    }

    /// The pods of a namespace with all of these labels, in name order; none for an empty selector.
    pub(super) fn selected(&self, namespace: &str, selector: &Labels) -> Vec<&Arc<Workload>> {
        let Some(of) = self.namespaces.get(namespace) else { return Vec::new() };
        let lists = selector.iter().map(|(key, value)| {
            of.by_label.get(&(key.clone(), value.clone())).map_or(&[][..], Vec::as_slice)
        });
        let Some(fewest) = lists.min_by_key(|list| list.len()) else { return Vec::new() };
        let pods = fewest.iter().filter_map(|index| of.all.get(*index));
        let mut pods: Vec<_> = pods.filter(|pod| selects(selector, &pod.labels)).collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        pods
    }
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
