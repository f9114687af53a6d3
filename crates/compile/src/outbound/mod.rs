//! Listeners for what the workload of a sidecar calls, and their routes.
//!
//! ```text
//! services, Sidecar.egress ─► plan ─┬─► listener   0.0.0.0_9080, 10.0.0.1_3306, virtualOutbound
//!                     opaque ───────┘   embedded mode: VIP_9080, http_proxy
//!                                   └─► route::configuration   9080, reviews:8000, http_proxy
//! ```
//!
//! # Invariants
//! - Each listener's routes are planned together with it: none names a route configuration that is not.
//! - Adding a service changes the listener and routes of its own ports only.

mod listener;
mod opaque;
mod place;
pub mod plan;

use weft_model::service::Service;
use weft_proto::resource::{Resource, ResourceSet};

use crate::proxy::Interception;
use crate::route;
use crate::view::View;

pub use listener::{VIRTUAL_OUTBOUND, VIRTUAL_OUTBOUND_PORT};
pub use opaque::{Chain, is_opaque};
pub use place::Place;

/// Listeners that are rendered for each proxy by itself: what they tell of it is in them.
pub type Personal = Vec<((u16, Place), plan::Listening)>;

/// Adds the listeners and routes for the workload's calls.
pub fn resources(view: &View<'_>, set: &mut ResourceSet) {
    let rest = shared(view, set);
    personal(view, &rest, set);
}

/// Adds what all proxies share that see the same and can do the same; tells what is left.
pub fn shared(view: &View<'_>, set: &mut ResourceSet) -> Personal {
    let plan = plan::plan(view);
    let mut rest = Vec::new();
    for ((port, place), listening) in plan.listeners {
        // Without a filter of Istio's, the facts of the proxy are written into its HTTP filters.
        if listening.http.is_some() && !view.proxy.capabilities.peer_metadata {
            rest.push(((port, place), listening));
            continue;
        }
        let listener = listener::render(view, port, place, &listening);
        set.insert(Resource::pack(listener.name.as_str(), &listener));
    }
    for (name, scope) in &plan.routes {
        set.insert(Resource::pack(name.as_str(), &route::configuration(view, name, scope)));
    }
    if view.proxy.interception != Interception::None {
        let listener = listener::virtual_outbound(view);
        set.insert(Resource::pack(listener.name.as_str(), &listener));
    }
    rest
}

/// Adds the listeners that are of one proxy alone.
pub fn personal(view: &View<'_>, listeners: &Personal, set: &mut ResourceSet) {
    for ((port, place), listening) in listeners {
        let listener = listener::render(view, *port, *place, listening);
        set.insert(Resource::pack(listener.name.as_str(), &listener));
    }
}

/// Whether listeners depend on the endpoints of a service: on addresses of its pods.
#[must_use]
pub fn listens_for_pods(service: &Service) -> bool {
    place::is_by_pods(service)
}

/// The port on which an embedded sidecar really listens for a service's port.
pub(crate) fn bindable(view: &View<'_>, port: u16) -> Option<u16> {
    view.proxy.is_embedded().then(|| weft_types::embedded::listening_port(port))
}
