//! The objects by kind, oldest first: where two contend, Istio lets the older win.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_api::istio::{
    AuthorizationPolicy, DestinationRule, Gateway, PeerAuthentication, ServiceEntry, Sidecar, VirtualService,
    WorkloadEntry,
};
use weft_api::kube::{EndpointSlice, Pod, Service};
use weft_api::{Kind, Object, Spec};

/// The objects by kind, oldest first; of the same age, by name and namespace.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    kinds: BTreeMap<Kind, Vec<Arc<Object>>>,
}

impl Objects {
    pub(crate) fn new(objects: &[Arc<Object>]) -> Self {
        let mut kinds: BTreeMap<Kind, Vec<Arc<Object>>> = BTreeMap::new();
        for object in objects {
            kinds.entry(object.spec.kind()).or_default().push(object.clone());
        }
        for list in kinds.values_mut() {
            list.sort_by(|a, b| age(a).cmp(&age(b)));
        }
        Self { kinds }
    }

    pub(crate) fn of(&self, kind: Kind) -> &[Arc<Object>] {
        self.kinds.get(&kind).map_or(&[], Vec::as_slice)
    }
}

/// What orders objects by age. Objects from files have no time of creation, and go by name.
pub(crate) fn age(object: &Object) -> (&str, &str, &str) {
    let created = object.meta.created.as_deref().unwrap_or_default();
    (created, &object.reference.name, &object.reference.namespace)
}

macro_rules! typed {
    ($($name:ident: $kind:ident),* $(,)?) => {
        impl Objects {
            $(
                pub(crate) fn $name(&self) -> impl Iterator<Item = (&Arc<Object>, &$kind)> {
                    self.of(Kind::$kind).iter().filter_map(|object| match &object.spec {
                        Spec::$kind(spec) => Some((object, spec)),
                        _ => None,
                    })
                }
            )*
        }
    };
}

typed!(
    virtual_services: VirtualService,
    destination_rules: DestinationRule,
    gateways: Gateway,
    service_entries: ServiceEntry,
    workload_entries: WorkloadEntry,
    sidecars: Sidecar,
    peer_authentications: PeerAuthentication,
    authorization_policies: AuthorizationPolicy,
    services: Service,
    pods: Pod,
    endpoint_slices: EndpointSlice,
);
