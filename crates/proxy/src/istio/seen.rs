//! What a call was, by the addresses of facts that are shared.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use weft_filter::Workload;
use weft_tables::cluster::MetadataValue;
use weft_tables::istio::IstioStats;
use weft_telemetry::istio::{Protocol, Reporter, Room};
use weft_tls::{Certificate, PeerFacts};
use weft_types::ResponseFlags;

/// A shared fact, told from others by where it lies. Whoever holds one keeps its place taken.
#[derive(Clone, Debug)]
pub(super) struct At<T>(pub(super) Arc<T>);

impl<T> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for At<T> {}

impl<T> Hash for At<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Peer {
    /// Nobody told.
    Unknown,
    /// As it told itself.
    Told(At<Workload>),
    /// As its endpoint's metadata says (`istio`).
    Endpoint(At<MetadataValue>),
}

/// The identity in a certificate: its first URI name. Empty: none.
#[derive(Clone, Debug, Default)]
pub(super) struct Principal(Option<Arc<Certificate>>);

impl Principal {
    /// Of the peer, where its certificate was checked.
    pub(super) fn peer(facts: Option<&PeerFacts>) -> Self {
        Self(facts.filter(|f| f.validated).and_then(|f| f.certificate.clone()))
    }

    /// Our own.
    pub(super) fn local(facts: Option<&PeerFacts>) -> Self {
        Self(facts.and_then(|f| f.local.clone()))
    }

    pub(super) fn name(&self) -> &str {
        self.0.as_deref().and_then(|c| c.uri_sans.first()).map_or("", String::as_str)
    }
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Principal {}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// The service that was called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Called {
    /// The one that the cluster's metadata names (`istio.services`).
    Named(At<MetadataValue>),
    /// None that is known: the host that was asked for, and the name that stands for such calls
    /// (`PassthroughCluster` …), if there is one.
    Host(Box<str>, Option<&'static str>),
}

/// All that decides the labels of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) config: At<IstioStats>,
    pub(super) reporter: Reporter,
    pub(super) peer: Peer,
    pub(super) peer_principal: Principal,
    pub(super) local_principal: Principal,
    pub(super) called: Called,
    pub(super) protocol: Protocol,
    pub(super) code: u16,
    pub(super) grpc_status: Option<u32>,
    pub(super) flags: ResponseFlags,
}

impl Seen {
    /// Which room its labels take.
    pub(super) fn room(&self) -> Room {
        let named = !matches!(&self.called, Called::Host(host, _) if !host.is_empty());
        if named && self.peer == Peer::Unknown { Room::Reserved } else { Room::Common }
    }

    /// The same without what comes from outside and may be anything.
    pub(super) fn anonymous(&self) -> Self {
        let called = match &self.called {
            Called::Named(of) => Called::Named(of.clone()),
            Called::Host(_, name) => Called::Host(Box::default(), *name),
        };
        Self { peer: Peer::Unknown, called, grpc_status: self.grpc_status.map(|s| s.min(17)), ..self.clone() }
    }
}
