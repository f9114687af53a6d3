//! Gateway objects become listeners of the proxies that they select.
//!
//! ```text
//! Gateway.servers ─► plan: one entry for each address and port that is opened
//!                     │ Http     one chain, routes `http.8080`
//!                     │ Tls      chains by server name: ended (routes `https.443.…`), or passed on
//!                     └ Opaque   one chain, by VirtualService.tcp
//! ```
//!
//! [`plan()`] is the one place that says which servers share a port; routes are compiled from its
//! [`RouteTable`]s.
//!
//! # Invariants
//! - The oldest Gateway decides what a port is; what others want of it otherwise is a diagnostic, and
//!   harms no one (GW-01).
//! - Each server name has one chain, whatever the order of files.

mod diagnose;
mod listener;
mod opaque;
mod plan;
mod port;
mod server;
pub mod tls;

use weft_proto::resource::{Resource, ResourceSet};

use crate::view::View;

pub use diagnose::diagnose;
pub use plan::{Conflict, GatewayPort, Plan, PortKind, RouteTable, plan, route_tables};
pub use server::{Purpose, ServerView};

/// Adds the listeners of a gateway.
pub fn resources(view: &View<'_>, set: &mut ResourceSet) {
    for listener in listener::listeners(view) {
        set.insert(Resource::pack(listener.name.as_str(), &listener));
    }
}
