//! Workloads: what runs behind a proxy.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use weft_api::Object;
use weft_types::{Name, SpiffeId};

use crate::Labels;
use crate::endpoint::{Health, Locality};

/// A port of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// Name; empty if it has none.
    pub name: Name,
    /// Number.
    pub number: u16,
    /// Whether it is TCP.
    pub tcp: bool,
}

/// What runs behind a proxy: a pod or a WorkloadEntry.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Name of the pod.
    pub name: Name,
    /// Namespace.
    pub namespace: Name,
    /// Name of its owner, such as a Deployment; what telemetry calls the workload.
    pub workload: Name,
    /// Labels.
    pub labels: Arc<Labels>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Service account; `default` if the pod names none.
    pub service_account: Name,
    /// Identity.
    pub identity: SpiffeId,
    /// Addresses; the first one is the main one.
    pub addresses: Vec<IpAddr>,
    /// Ports of its containers.
    pub ports: Vec<ContainerPort>,
    /// Where the application really listens on loopback, by container port (`weft.dev/ports`, embedded
    /// mode); a port that is absent is the same.
    pub app_ports: BTreeMap<u16, u16>,
    /// Address on which a gateway binds (`weft.dev/bind`, embedded mode).
    pub bind: Option<IpAddr>,
    /// Where it is.
    pub locality: Locality,
    /// Network.
    pub network: Name,
    /// Cluster.
    pub cluster: Name,
    /// State.
    pub health: Health,
    /// Whether its proxy takes Istio's mutual TLS.
    pub mtls: bool,
    /// The object.
    pub object: Arc<Object>,
}

impl Workload {
    /// The port on loopback where the application serves a container port.
    #[must_use]
    pub fn app_port(&self, port: u16) -> u16 {
        self.app_ports.get(&port).copied().unwrap_or(port)
    }

    /// Canonical service name (LB-02): by label, else `app.kubernetes.io/name`, `app`, the workload.
    #[must_use]
    pub fn canonical_name(&self) -> &str {
        canonical_name(&self.labels, &self.workload)
    }

    /// Canonical revision (LB-04): by label, else `app.kubernetes.io/version`, `version`, `latest`.
    #[must_use]
    pub fn canonical_revision(&self) -> &str {
        canonical_revision(&self.labels)
    }
}

fn first<'l>(labels: &'l Labels, keys: &[&str]) -> Option<&'l str> {
    keys.iter().find_map(|key| labels.get(*key)).map(String::as_str)
}

/// Canonical service name of a workload with these labels (LB-02).
#[must_use]
pub fn canonical_name<'l>(labels: &'l Labels, workload: &'l str) -> &'l str {
    first(labels, &["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]).unwrap_or(workload)
}

/// Canonical revision of a workload with these labels (LB-04).
#[must_use]
pub fn canonical_revision(labels: &Labels) -> &str {
    let keys = ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"];
    first(labels, &keys).unwrap_or("latest")
}
