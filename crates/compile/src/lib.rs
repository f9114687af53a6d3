//! A snapshot and a proxy become that proxy's xDS resources.
//!
//! ```text
//! Node ─► Proxy, Capabilities ─┐
//! Snapshot ────────────────────┴─► View (what the proxy sees)
//!   sidecar: outbound (plan → listeners, routes)   inbound (ports → chains)   cluster, endpoint
//!   gateway: gateway (servers → listeners)   route (one compiler of routes)   cluster, endpoint
//!                        └─ intents: small types of our own ─► rendered for what the proxy can do
//!   fleet: all connected proxies; what they share is made once, and a change makes anew what it concerns
//! ```
//!
//! ```
//! use weft_compile::{Proxy, compile};
//! use weft_model::{MeshConfig, Snapshot};
//! use weft_proto::envoy::config::core::v3::Node;
//!
//! let node = Node {
//!     id: "sidecar~10.0.0.1~web-1.default~default.svc.cluster.local".to_owned(),
//!     ..Node::default()
//! };
//! let proxy = Proxy::from_node(&node)?;
//! let set = compile(&Snapshot::build(&[], &MeshConfig::default(), 1), &proxy);
//! let listeners = set.of(weft_proto::type_url::LISTENER).map_or(0, |named| named.len());
//! assert_eq!(listeners, 2); // virtualInbound and virtualOutbound
//! # Ok::<(), weft_compile::NodeError>(())
//! ```
//!
//! # Invariants
//! - The same snapshot and proxy give the same bytes; an object that a proxy does not see changes none
//!   of them (`tests/laws.rs`).
//! - Nothing is rendered that the proxy has not: plain Envoy, Istio's and ours each get what they can
//!   take (`tests/golden.rs`, `tests/envoy.rs`).
//! - After any changes, a fleet's proxies have what `compile` makes of the mesh as it is then, byte for byte
//!   (`tests/fleet.rs`); an endpoint's change costs the same however many services there are.
//! - Each resource says which object it came from ([`weft_types::Provenance`]).
#![forbid(unsafe_code)]

pub mod capabilities;
pub mod cluster;
pub mod endpoint;
pub mod filter;
pub mod fleet;
pub mod gateway;
pub mod inbound;
mod message;
pub mod outbound;
mod provenance;
pub mod proxy;
pub mod route;
pub mod security;
pub mod view;

use weft_api::Diagnostic;
use weft_model::Snapshot;
use weft_proto::resource::{Resource, ResourceSet};

pub use capabilities::{Capabilities, Flavor};
pub use proxy::{Interception, NodeError, Proxy, Role};
use view::View;

/// What objects say without effect on a proxy. The same is said for many proxies: it counts once.
#[must_use]
pub fn diagnose(snapshot: &Snapshot, proxy: &Proxy) -> Vec<Diagnostic> {
    let view = View::new(snapshot, proxy);
    let mut said = cluster::diagnose(&view);
    said.extend(security::diagnose(snapshot, proxy));
    match proxy.role {
        Role::Sidecar => said.extend(route::diagnose(&view)),
        Role::Router => said.extend(gateway::diagnose(snapshot, proxy)),
    }
    said
}

/// All resources of a proxy.
#[must_use]
pub fn compile(snapshot: &Snapshot, proxy: &Proxy) -> ResourceSet {
    let view = View::new(snapshot, proxy);
    let mut set = ResourceSet { generation: snapshot.generation, ..ResourceSet::default() };
    cluster::resources(&view, &mut set);
    match proxy.role {
        Role::Sidecar => {
            outbound::resources(&view, &mut set);
            inbound::resources(&view, &mut set);
        }
        Role::Router => of_gateway(&view, &mut set),
    }
    set
}

/// Adds the listeners and routes of a gateway.
fn of_gateway(view: &View<'_>, set: &mut ResourceSet) {
    gateway::resources(view, set);
    for table in gateway::route_tables(&gateway::plan(view.snapshot, view.proxy)) {
        set.insert(Resource::pack(table.name.as_str(), &route::gateway_routes(view, &table)));
    }
}
