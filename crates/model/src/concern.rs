//! What a change of an object of some kind can make different.

use weft_api::Kind;

/// The widest that a change reaches; each reaches what those before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Concern {
    /// Nothing in a snapshot.
    Nothing,
    /// Workloads and endpoints of single services.
    Endpoints,
    /// What is said of services and workloads.
    Policies,
    /// Services, and where all endpoints come from.
    Services,
}

impl Concern {
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Namespace | Kind::Deployment | Kind::ServiceAccount => Self::Nothing,
            Kind::Pod | Kind::EndpointSlice => Self::Endpoints,
            Kind::VirtualService
            | Kind::DestinationRule
            | Kind::Gateway
            | Kind::Sidecar
            | Kind::PeerAuthentication
            | Kind::AuthorizationPolicy => Self::Policies,
            // Services, ServiceEntries, WorkloadEntries, Nodes; and whatever comes to be read.
            _ => Self::Services,
        }
    }
}
