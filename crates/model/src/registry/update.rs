//! Pods and EndpointSlices that come, change and go: the services that they concern are found anew, no others.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use weft_api::{Kind, Object, Spec};
use weft_types::Name;

use super::pods::{self, BIND, PORTS, PodKey};
use super::{OfService, Registry, Same};
use crate::Labels;
use crate::service::Service;
use crate::workload::Workload;

/// The version of an object that was, and the one that is; `None` is absence.
pub type Change = (Option<Arc<Object>>, Option<Arc<Object>>);

/// In what two snapshots differ that have the same services and policies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Services with other endpoints, by host and namespace.
    pub services: Vec<Arc<Service>>,
    /// Workloads that came, changed, went, or serve something else: namespace and name.
    pub workloads: BTreeSet<(Name, Name)>,
    /// Addresses of those.
    pub addresses: BTreeSet<IpAddr>,
}

/// What an update took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Took {
    /// Objects that were looked at: those that changed, and the services that they concern.
    pub(crate) visited: usize,
    /// There may be other things to say about objects now.
    pub(crate) words: bool,
}

impl Registry {
    /// Takes one version of a Pod or EndpointSlice for the other, for each; `None` is absence.
    pub(crate) fn update(&mut self, changes: &[Change]) -> Took {
        let mut took = Took::default();
        let mut services = BTreeSet::new();
        for (before, after) in changes {
            took.visited += 1;
            let Some(either) = after.as_ref().or(before.as_ref()) else { continue };
            match either.reference.kind {
                Kind::Pod => took.words |= self.replace_pod(before.as_ref(), after.as_ref(), &mut services),
                Kind::EndpointSlice => {
                    let keys = self.slices.replace(before.as_deref(), after.as_ref());
                    services.extend(keys.iter().filter_map(|key| self.fixed.named(key)));
                }
                _ => {}
            }
        }
        let aliases: Vec<usize> =
            services.iter().flat_map(|number| self.fixed.aliases(*number)).copied().collect();
        services.extend(aliases);
        took.visited += services.len();
        let before = self.of_service.clone();
        for number in self.find(&services) {
            let now = self.of_service.get(&number).map(|of| labels(of));
            took.words |= before.get(&number).map(|of| labels(of)) != now;
        }
        took
    }

    /// Whether there may be other things to say of objects now.
    fn replace_pod(
        &mut self,
        before: Option<&Arc<Object>>,
        after: Option<&Arc<Object>>,
        services: &mut BTreeSet<usize>,
    ) -> bool {
        let Some(either) = after.or(before) else { return false };
        let key = pods::key_of(either);
        let old = self.workload(&key.0, &key.1).cloned();
        let mut words = old.as_ref().is_some_and(|old| !self.has_like(old, &key));
        let selectors = self.pods.replace(before.map(AsRef::as_ref), after, &self.fixed);
        let new = self.workload(&key.0, &key.1).cloned();
        words = match (&old, &new) {
            (Some(old), Some(new)) if old.labels == new.labels => false,
            (None, None) => false,
            (_, new) => words || new.as_ref().is_some_and(|new| !self.has_like(new, &key)),
        };
        services.extend(selectors.iter().flat_map(|selector| self.fixed.users(*selector)));
        let addresses = old.iter().chain(&new).flat_map(|pod| pod.addresses.iter().copied());
        let naming = self.slices.naming(&key, addresses);
        services.extend(naming.filter_map(|key| self.fixed.named(key)));
        words || [before, after].into_iter().flatten().any(|object| is_spoken_of(object))
    }

    /// Whether another pod of the same services has the same labels: then it makes no difference to any selector
    /// whether this one is there.
    fn has_like(&self, pod: &Workload, key: &PodKey) -> bool {
        let selectors = self.fixed.selectors.choosing(&pod.namespace, &pod.labels);
        let others = selectors.first().map_or(&[][..], |selector| self.pods.chosen(Some(*selector)));
        others.iter().any(|other| other.name != key.1 && other.labels == pod.labels)
    }

    /// In what this differs from one before; `None` if services or what is behind them are others.
    pub(crate) fn changed_since(&self, before: &Self) -> Option<Changes> {
        if !Arc::ptr_eq(&self.fixed, &before.fixed) {
            return None;
        }
        let (mut workloads, mut addresses) = self.pods.changed_since(&before.pods);
        let key = |item: DiffItem<'_, '_, PodKey, Same<Vec<_>>>| match item {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => {
                key.clone()
            }
        };
        for key in before.instances.diff(&self.instances).map(key) {
            let now = self.workload(&key.0, &key.1);
            addresses.extend(now.into_iter().flat_map(|pod| pod.addresses.iter().copied()));
            workloads.insert(key);
        }
        let number = |item: DiffItem<'_, '_, usize, Same<OfService>>| match item {
            DiffItem::Add(number, _)
            | DiffItem::Remove(number, _)
            | DiffItem::Update { new: (number, _), .. } => *number,
        };
        let numbers = before.of_service.diff(&self.of_service).map(number);
        let services = numbers.filter_map(|number| self.fixed.services.get(number).cloned()).collect();
        Some(Changes { services, workloads, addresses })
    }
}

/// The labels of a service's endpoints by port, each once: what subsets and diagnostics can see of them.
fn labels(of: &OfService) -> BTreeSet<(u16, &Labels)> {
    let ports = of.endpoints.iter();
    ports.flat_map(|(port, all)| all.iter().map(|endpoint| (*port, &*endpoint.labels))).collect()
}

/// Whether a pod says something that diagnostics are about.
fn is_spoken_of(object: &Object) -> bool {
    let Spec::Pod(pod) = &object.spec else { return false };
    let annotated = |key: &str| object.meta.annotations.contains_key(key);
    annotated(PORTS) || annotated(BIND) || pod.status.addresses().any(|text| text.parse::<IpAddr>().is_err())
}
