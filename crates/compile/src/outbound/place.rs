//! Where the connections to a service's port come to.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use weft_api::istio::sidecar::CaptureMode;
use weft_model::EgressListenerView;
use weft_model::endpoint::EndpointAddress;
use weft_model::service::{Registry, Service};

use crate::proxy::Interception;
use crate::view::View;

/// Where a listener listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// For any address that was called.
    Any,
    /// For one.
    At(IpAddr),
}

/// A place with what is known of it.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) key: (u16, Place),
    /// It has a socket of its own.
    pub(super) bound: bool,
    /// Other services may be called there too.
    pub(super) shared: bool,
}

/// The address on which an egress listener has a socket: where it names one, and where nothing is
/// redirected (SC-06).
pub(super) fn bind(view: &View<'_>, egress: &EgressListenerView) -> Option<IpAddr> {
    let named = egress.bind.as_deref().filter(|_| egress.port.is_some()).and_then(|bind| bind.parse().ok());
    let uncaptured = (egress.port.is_some() && egress.capture_mode == CaptureMode::None)
        || view.proxy.interception == Interception::None;
    named.or_else(|| uncaptured.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)))
}

/// Where connections to a service's port can be told from others: at its addresses; those of its pods if
/// it is headless; else by port alone.
pub(super) fn of_service(view: &View<'_>, service: &Service, port: u16) -> Vec<Place> {
    let single = |net: &&IpNet| net.prefix_len() == net.max_prefix_len();
    let mut places: Vec<Place> =
        service.addresses.iter().filter(single).map(|net| Place::At(net.addr())).collect();
    if places.len() < service.addresses.len() {
        places.push(Place::Any);
    }
    if is_by_pods(service) && places.is_empty() {
        let endpoints = view.endpoints(service, port).iter();
        let mut addresses: Vec<IpAddr> = endpoints
            .filter(|endpoint| endpoint.port == port)
            .filter_map(|endpoint| match endpoint.address {
                EndpointAddress::Ip(ip) => Some(ip),
                EndpointAddress::Name(_) | EndpointAddress::Unix(_) => None,
            })
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        places.extend(addresses.into_iter().map(Place::At));
    }
    if places.is_empty() {
        places.push(Place::Any);
    }
    places
}

/// Whether connections to a service are told from others by the addresses of its pods, if by any.
pub(super) fn is_by_pods(service: &Service) -> bool {
    service.headless && service.registry == Registry::Kubernetes
}
