//! Who calls.

use std::future::Future;
use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use weft_tls::PeerFacts;
use weft_types::SpiffeId;

/// Tells who a caller is, from his credentials alone: request metadata (tokens), and what whoever
/// accepted the connection put into the request's extensions (TLS facts).
pub trait Authenticate: Send + Sync + 'static {
    /// The caller's identity.
    ///
    /// # Errors
    /// By custom [`Status::unauthenticated`], in words that help the caller and tell a forger nothing.
    fn caller(
        &self,
        metadata: &MetadataMap,
        peer: &Extensions,
    ) -> impl Future<Output = Result<SpiffeId, Status>> + Send;
}

/// The identity in the client certificate of the connection, which the listener verified: for workloads
/// that renew. It wants an `Arc<PeerFacts>` among the extensions. Source: CP-18.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerCertificate;

impl Authenticate for PeerCertificate {
    async fn caller(&self, _: &MetadataMap, peer: &Extensions) -> Result<SpiffeId, Status> {
        peer.get::<Arc<PeerFacts>>()
            .and_then(|facts| facts.identity())
            .ok_or_else(|| Status::unauthenticated("no verified client certificate with a SPIFFE identity"))
    }
}
