//! A whole mesh on hosts of its own: `weftd`, workloads with redirection and a sidecar each, a gateway,
//! and Bookinfo, started as a user or a cluster would start them.
//!
//! ```text
//! hub (bridge)──┬── control: weftd 15012
//!   capture     ├── gateway: weft-proxy router, or Envoy under `weft-proxy agent`
//!               ├── reviews-v1: app (uid 1000) + sidecar (uid 1337), redirected
//!               └── outside: no sidecar
//! ```
//!
//! - [`Mesh`]: starts it and takes it down; [`Plan`] says with which proxy and which workloads.
//! - [`objects`]: what the hosts are, as Kubernetes objects in the folder that `weftd` watches.
//! - [`call`]: requests of a workload, as its application would make them.
//! - [`capture`]: what passes the bridge.

pub mod bookinfo;
pub mod call;
pub mod capture;
pub mod changes;
pub mod echo;
pub mod load;
pub mod objects;
pub mod plan;
mod programs;
pub mod running;
pub mod samples;
mod waiting;
pub mod workload;

pub use plan::{Plan, Proxy};
pub use running::Mesh;
