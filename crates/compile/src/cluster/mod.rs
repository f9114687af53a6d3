//! Clusters toward services, one for each port and subset (SD-08), and their endpoints.
//!
//! ```text
//! Service, port ─┐            ┌─ policy     blocks that count (DR-02)
//! DestinationRule┴─► Intent ──┼─ transport  plaintext, mutual TLS, TLS (DR-14, DR-15)
//!                      │      └─ discovery  EDS, DNS, original destination
//!                      └─► render: pool, outlier, balancer, tls ─► Cluster
//! ```
//!
//! # Invariants
//! - A cluster's bytes follow from its service, its rule and the identities of its endpoints alone.
//! - `istio-peer-exchange` is offered only by proxies that have the filter (SD-10).

mod balancer;
mod diagnose;
mod fixed;
pub mod name;
mod outlier;
mod policy;
pub(crate) mod pool;
mod render;
mod tls;
mod transport;

use weft_model::service::Service;
use weft_proto::resource::{Resource, ResourceSet};

use crate::endpoint;
use crate::view::View;

pub use balancer::Balancer;
pub use diagnose::diagnose;
pub use policy::Policy;
pub(crate) use pool::tcp_idle_timeout;
pub use pool::{HttpVersion, http_version};
pub(crate) use render::HTTP_OPTIONS;
pub use render::{Discovery, Intent};
pub use tls::SYSTEM_ROOTS;
pub(crate) use tls::{TLS_MODE, TUNNEL};
pub use transport::{Mutual, Transport, takes_hbone, takes_mutual_tls};

/// Adds the clusters of all that the proxy sees, and the endpoints of those that have them listed.
pub fn resources(view: &View<'_>, set: &mut ResourceSet) {
    for service in &view.services {
        for resource in of_service(view, service) {
            set.insert(resource);
        }
    }
    for resource in of_none(view) {
        set.insert(resource);
    }
}

/// The clusters of a service, and the endpoints of those that have them listed.
#[must_use]
pub fn of_service(view: &View<'_>, service: &Service) -> Vec<Resource> {
    let mut made = Vec::new();
    for intent in intents(view, service) {
        made.push(Resource::pack(intent.name.as_str(), &intent.render(view)));
        if intent.discovery == Discovery::Eds {
            made.push(Resource::pack(intent.name.as_str(), &endpoint::assignment(view, &intent)));
        }
    }
    made
}

/// The clusters of no service.
#[must_use]
pub fn of_none(view: &View<'_>) -> Vec<Resource> {
    let mut more = vec![fixed::black_hole(view)];
    if !view.proxy.is_router() {
        more.push(fixed::passthrough(view));
    }
    more.iter().map(|cluster| Resource::pack(cluster.name.as_str(), cluster)).collect()
}

/// The clusters of a service: for each port the one of all endpoints, then those of the subsets.
pub fn intents<'v>(view: &'v View<'_>, service: &'v Service) -> impl Iterator<Item = Intent<'v>> {
    let subsets = view.rule(&service.host).map_or(&[][..], |rule| rule.spec.subsets.as_slice());
    let ports = service.ports.iter().filter(|port| port.protocol != weft_model::protocol::Protocol::Udp);
    ports.flat_map(move |port| {
        let all = std::iter::once(None).chain(subsets.iter().map(Some));
        all.map(move |subset| Intent::new(view, service, port, subset))
    })
}
