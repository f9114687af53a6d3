//! What is known of a connection that was accepted.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use weft_filter::Facts;
use weft_tables::istio::IstioStats;
use weft_tables::listener::Listener;
use weft_tls::PeerFacts;
use weft_types::Name;

use crate::upstream::chosen::State;

/// Facts of a connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnFacts {
    /// Number, unlike any other of the process.
    pub(crate) id: u64,
    /// The listener that serves it (after hand-over by original destination).
    pub(crate) listener: Arc<Listener>,
    /// The peer of the socket.
    pub(crate) direct_remote: Option<SocketAddr>,
    /// The peer as the PROXY protocol says, else of the socket.
    pub(crate) source: Option<SocketAddr>,
    /// Our end: the original destination, where redirection was undone.
    pub(crate) local: Option<SocketAddr>,
    /// The destination before redirection, if there was one, or as the PROXY protocol says.
    pub(crate) original: Option<SocketAddr>,
    /// Server name of the ClientHello, lower case.
    pub(crate) server_name: Option<Box<str>>,
    /// `tls` or `raw_buffer`.
    pub(crate) transport: &'static str,
    /// ALPN list of the ClientHello, or the plaintext protocol that was detected.
    pub(crate) protocols: Vec<Box<str>>,
    /// Name of the chain.
    pub(crate) chain: Name,
    /// TLS facts, after the handshake.
    pub(crate) peer: Option<Rc<PeerFacts>>,
    /// URI names of our own certificate.
    pub(crate) local_uris: Vec<Box<str>>,
    /// What network filters noted (Envoy's filter state).
    pub(crate) state: State,
    /// How Istio counts it, where it is opaque bytes; `None`: not at all.
    pub(crate) istio: Option<Arc<IstioStats>>,
    /// Why we ended it, in Envoy's words; empty: we did not.
    pub(crate) termination: Box<str>,
    /// When it was accepted.
    pub(crate) began: SystemTime,
    /// The same on the monotonic clock.
    pub(crate) start: Instant,
}

impl ConnFacts {
    /// What filters and policies may know of the connection.
    pub(crate) fn filter_facts(&self) -> Arc<Facts> {
        let peer = self.peer.as_deref();
        let certificate = peer.and_then(|p| p.certificate.as_deref());
        let boxed = |names: &[String]| names.iter().map(|n| n.as_str().into()).collect();
        Arc::new(Facts {
            direct_remote: self.direct_remote,
            source: self.source,
            local: self.local,
            server_name: self.server_name.clone(),
            tls: peer.is_some(),
            peer_verified: peer.is_some_and(|p| p.validated),
            peer_uris: certificate.map(|c| boxed(&c.uri_sans)).unwrap_or_default(),
            peer_dns: certificate.map(|c| boxed(&c.dns_sans)).unwrap_or_default(),
            peer_subject: certificate.map(|c| c.subject.as_str().into()).unwrap_or_default(),
        })
    }
}
