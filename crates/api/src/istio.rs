//! Istio's kinds, with all fields of its custom resource definitions.
//!
//! Deprecated fields are kept beside those that replaced them, and reading one is a warning; methods
//! answer what the two mean together. Units and defaults are Istio's: where a field is `None` or empty,
//! the mesh's default holds, which its comment names.

pub mod authorization_policy;
pub mod connection_pool;
pub mod destination_rule;
pub mod gateway;
pub mod http_match;
pub mod http_route;
pub mod load_balancer;
pub mod peer_authentication;
pub mod service_entry;
pub mod sidecar;
pub mod traffic_policy;
pub mod virtual_service;

pub use authorization_policy::AuthorizationPolicy;
pub use destination_rule::DestinationRule;
pub use gateway::Gateway;
pub use peer_authentication::PeerAuthentication;
pub use service_entry::{ServiceEntry, WorkloadEntry};
pub use sidecar::Sidecar;
pub use virtual_service::VirtualService;
