//! What the proxies of a workload see (SC rows).

mod imports;
mod visible;

use std::sync::Arc;

use weft_api::istio::Sidecar;
use weft_api::istio::connection_pool::ConnectionPool;
use weft_api::istio::sidecar::{CaptureMode, IngressListener, SidecarPort};
use weft_api::istio::virtual_service::Destination;
use weft_api::{Object, Spec};

pub(crate) use visible::{Visible, claim, one_for_each_host};

use crate::Labels;
use crate::mesh::OutboundMode;
use crate::objects::Objects;
use crate::selection::Selections;
use crate::service::Service;
use crate::virtual_service::VirtualServiceView;

/// What the proxies of a workload see.
#[derive(Clone, Debug, PartialEq)]
pub struct SidecarScope {
    /// The Sidecar; none if the workload sees everything that is exported to it.
    pub object: Option<Arc<Object>>,
    /// All services that are seen, by host: those of the egress listeners, and destinations of their
    /// VirtualServices.
    pub services: Vec<Arc<Service>>,
    /// VirtualServices for sidecars that are seen; hosts that an earlier one has claimed are left out.
    pub virtual_services: Vec<Arc<VirtualServiceView>>,
    /// Egress listeners in order; one without port if the Sidecar has none.
    pub egress: Vec<EgressListenerView>,
    /// Ports that are opened for callers, instead of those of the workload's services.
    pub ingress: Vec<IngressListener>,
    /// What becomes of calls to unknown hosts (SC-05).
    pub outbound: OutboundMode,
    /// Where such calls go instead; its host is in full.
    pub egress_proxy: Option<Destination>,
    /// Limits of inbound connections (SC-03).
    pub inbound_connection_pool: Option<ConnectionPool>,
}

/// What is seen on one port, or on all that no other listener names.
#[derive(Clone, Debug, PartialEq)]
pub struct EgressListenerView {
    /// Port; all others if `None`.
    pub port: Option<SidecarPort>,
    /// Address to listen on.
    pub bind: Option<String>,
    /// How traffic comes to the listener (SC-06).
    pub capture_mode: CaptureMode,
    /// Services, by host. Where the listener has a port, those that have it, with that port alone.
    pub services: Vec<Arc<Service>>,
    /// VirtualServices; hosts that an earlier one has claimed are left out.
    pub virtual_services: Vec<Arc<VirtualServiceView>>,
}

/// Sidecar objects by namespace.
#[derive(Debug, Default)]
pub(crate) struct Sidecars {
    by_namespace: Selections,
}

pub(crate) fn spec(object: &Object) -> Option<&Sidecar> {
    match &object.spec {
        Spec::Sidecar(spec) => Some(spec),
        _ => None,
    }
}

pub(crate) fn selector(spec: &Sidecar) -> Option<&Labels> {
    spec.workload_selector.as_ref().map(|selector| &selector.labels).filter(|labels| !labels.is_empty())
}

impl Sidecars {
    pub(crate) fn new(objects: &Objects) -> Self {
        let all = objects.sidecars();
        Self { by_namespace: Selections::new(all.map(|(object, spec)| (object, selector(spec)))) }
    }

    /// The one for a workload: that selects it, else its namespace's, else the root namespace's (SC-01).
    pub(crate) fn of(&self, namespace: &str, labels: &Labels, root: &str) -> Option<&Arc<Object>> {
        let whole = |namespace: &str| self.by_namespace.whole(namespace);
        let selecting = self.by_namespace.selecting(namespace, labels);
        selecting.or_else(|| whole(namespace)).or_else(|| whole(root))
    }
}
