//! VirtualServices as route configurations, for sidecars and gateways: one compiler of routes.
//!
//! ```text
//! RouteScope (services of a port) ─► sidecar ─┐        ┌─► matches, headers
//! Gateway servers ─► gateway ─────────────────┴─► rule ┼─► forward: destination, retry
//!                                              │       ├─► answer: redirect, direct response
//!                                    fallback ◄┘       └─► filters: fault, CORS
//! ```
//!
//! # Invariants
//! - Which rules a proxy gets is decided here (labels, namespace, gateways, port), not for each request.
//! - No route is dropped because its cluster is missing: the call fails with 503 NC, and the route says
//!   which object named it (VS-13).
//! - A domain is there once in a configuration: Envoy would refuse it all.

mod answer;
mod destination;
mod diagnose;
mod domains;
mod fallback;
mod filters;
mod forward;
mod gateway;
mod headers;
mod matches;
mod retry;
mod rule;
mod sidecar;

pub(crate) use destination::Target;
pub use diagnose::diagnose;
pub(crate) use fallback::egress_proxy;
pub use gateway::gateway_routes;
pub(crate) use sidecar::{configuration, find};
