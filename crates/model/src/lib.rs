//! The mesh at one moment: services, endpoints, workloads and policies, from the objects in force.
//!
//! ```text
//! source ──► objects ──► Snapshot::build ──► Snapshot ──► compile (one proxy at a time)
//!                          │ registry          services, workloads, endpoints
//!                          │ virtual_service   names in full, delegates merged
//!                          │ destination_rule  merged by namespace and host
//!                          │ sidecar           what a workload sees
//!                          │ peer_authentication, authorization, gateway
//!                          └ diagnose          what is named and not there; conflicts
//! ```
//!
//! # Invariants
//! - Pure: the same objects in any order give the same snapshot; no clock, no dice, no I/O.
//! - One bad object harms only itself: what it names and is not there is a diagnostic, and what others
//!   mean does not change (`tests/isolation.rs`).
//! - Where two objects contend, the older wins, and a diagnostic about the other names both.
//! - Look-ups go by index; none walks the whole mesh, but for what asks for the whole mesh.
#![forbid(unsafe_code)]

mod authorization;
mod caller;
mod concern;
mod delegate;
mod destination_rule;
mod diagnose;
pub mod endpoint;
pub mod gateway;
pub mod host;
pub mod mesh;
mod objects;
mod peer_authentication;
pub mod protocol;
mod registry;
mod selection;
pub mod service;
mod sidecar;
mod snapshot;
mod virtual_service;
pub mod visibility;
pub mod workload;

use std::collections::BTreeMap;

pub use destination_rule::DestinationRuleView;
pub use endpoint::{Endpoint, EndpointAddress, Health, Locality};
pub use mesh::{MeshConfig, OutboundMode, TcpKeepalive};
pub use peer_authentication::{MtlsMode, PeerMtls};
pub use protocol::Protocol;
pub use registry::{Change, Changes, PortEndpoints, ServiceInstance};
pub use service::{Registry, Resolution, Service, ServicePort};
pub use sidecar::{EgressListenerView, SidecarScope};
pub use snapshot::{Made, Snapshot};
pub use virtual_service::{RouteOrigin, VirtualServiceView};
pub use visibility::Visibility;
pub use workload::{ContainerPort, Workload};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;
