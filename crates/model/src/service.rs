//! Services: hosts that can be called.

use std::sync::Arc;

use ipnet::IpNet;
use weft_api::Object;
use weft_api::value::IntOrString;
use weft_types::Name;

use crate::Labels;
use crate::protocol::Protocol;
use crate::visibility::Visibility;

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Number that callers use.
    pub number: u16,
    /// Name; empty if a single port has none.
    pub name: Name,
    /// What is spoken.
    pub protocol: Protocol,
    /// Port of the workload, by number or by the name of a container's port; the same if `None`.
    pub target: Option<IntOrString>,
}

/// How the endpoints of a service are found (SE-03, CP-08).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// They are listed: by Kubernetes, or in a ServiceEntry with STATIC.
    Eds,
    /// By DNS, every answer (DNS).
    StrictDns,
    /// By DNS, one answer in turns (DNS_ROUND_ROBIN).
    LogicalDns,
    /// The caller has found them (NONE; headless services).
    Passthrough,
    /// By DNS, for each name that a wildcard covers (DYNAMIC_DNS).
    DynamicDns,
}

/// Where a service is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Registry {
    /// A Kubernetes Service.
    Kubernetes,
    /// A ServiceEntry.
    External,
}

/// A host that can be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Host: fully qualified, lower case; perhaps with a wildcard at its front.
    pub host: Name,
    /// Name of the object.
    pub name: Name,
    /// Namespace of the object.
    pub namespace: Name,
    /// Ports in the order of the object.
    pub ports: Vec<ServicePort>,
    /// Virtual addresses; none if headless, or if callers have only the host.
    pub addresses: Vec<IpNet>,
    /// Without virtual address on purpose: callers address the pods themselves.
    pub headless: bool,
    /// How endpoints are found.
    pub resolution: Resolution,
    /// Not a part of the mesh (MESH_EXTERNAL, SE-02; ExternalName).
    pub external: bool,
    /// Where it is registered.
    pub registry: Registry,
    /// Who sees it.
    pub export_to: Visibility,
    /// Labels of the object.
    pub labels: Labels,
    /// Labels of its workloads; empty if endpoints come from elsewhere.
    pub selector: Labels,
    /// Names of which the servers' certificates must hold one, beside the endpoints' identities.
    pub subject_alt_names: Vec<String>,
    /// Creation, RFC 3339; `None` for objects from files.
    pub created: Option<String>,
    /// For `ExternalName`: the host that it stands for.
    pub alias_of: Option<Name>,
    /// Endpoints count before they are ready.
    pub publish_not_ready: bool,
    /// The object.
    pub object: Arc<Object>,
}

impl Service {
    /// The port of that number.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// Whether the host has a wildcard.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.host.starts_with('*')
    }
}
