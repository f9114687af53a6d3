//! Endpoints: where a service's port is served.

use std::net::IpAddr;
use std::sync::Arc;

use weft_types::{Name, SpiffeId};

use crate::Labels;

/// State of an endpoint, as its registry tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Takes requests.
    Healthy,
    /// Not ready.
    Unhealthy,
    /// Terminates; takes no new requests, but those of sessions it holds.
    Draining,
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointAddress {
    /// Address.
    Ip(IpAddr),
    /// DNS name.
    Name(Name),
    /// Path of a Unix socket.
    Unix(Name),
}

/// Region, zone and subzone; empty where unknown (CP-27).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locality {
    /// Region.
    pub region: Name,
    /// Zone.
    pub zone: Name,
    /// Subzone.
    pub subzone: Name,
}

impl Locality {
    /// Reads `region/zone/subzone`, of which the later parts may be absent.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(Name::from);
        let mut next = || parts.next().unwrap_or_default();
        Self { region: next(), zone: next(), subzone: next() }
    }
}

/// Where a service's port is served.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Address.
    pub address: EndpointAddress,
    /// Port; 0 for Unix sockets.
    pub port: u16,
    /// Labels, by which subsets choose.
    pub labels: Arc<Labels>,
    /// Identity that its certificate holds.
    pub identity: Option<SpiffeId>,
    /// Whether its proxy takes Istio's mutual TLS (LB-01).
    pub mtls: bool,
    /// Where it is.
    pub locality: Locality,
    /// Weight among the endpoints; at least 1.
    pub weight: u32,
    /// State.
    pub health: Health,
    /// Network; endpoints of one network reach each other directly.
    pub network: Name,
    /// Cluster.
    pub cluster: Name,
    /// Namespace of the workload.
    pub namespace: Name,
    /// Name of the workload, as telemetry tells it.
    pub workload: Name,
    /// Host name of its own, for headless services.
    pub hostname: Option<Name>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localities_may_be_incomplete() {
        let zone = Locality::parse("eu/eu-1");
        assert_eq!((&*zone.region, &*zone.zone, &*zone.subzone), ("eu", "eu-1", ""));
        assert_eq!(Locality::parse(""), Locality::default());
        assert_eq!(&*Locality::parse("a/b/c/d").subzone, "c/d");
    }
}
