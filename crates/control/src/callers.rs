//! Who calls.

use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use weft_ca_service::Authenticate;
use weft_tls::PeerFacts;
use weft_types::SpiffeId;

use crate::tokens::TokenFile;

/// Longest token, bytes.
const MAX_TOKEN: usize = 16 << 10;

/// Tells callers by the certificate of their connection, which TLS has verified against the mesh's root, or
/// by a token. Source: CP-18.
#[derive(Clone, Debug)]
pub struct Callers {
    tokens: Option<Arc<TokenFile>>,
    trust_domain: Arc<str>,
}

impl Callers {
    /// Callers of a trust domain.
    #[must_use]
    pub fn new(tokens: Option<Arc<TokenFile>>, trust_domain: &str) -> Self {
        Self { tokens, trust_domain: trust_domain.into() }
    }

    /// The caller's identity.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, in words that tell a forger nothing.
    pub fn identify(&self, metadata: &MetadataMap, peer: &Extensions) -> Result<SpiffeId, Status> {
        if let Some(id) = peer.get::<Arc<PeerFacts>>().and_then(|facts| facts.identity()) {
            return match *id.trust_domain == *self.trust_domain {
                true => Ok(id),
                false => Err(Status::unauthenticated("the client certificate is of another trust domain")),
            };
        }
        let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            (scheme.eq_ignore_ascii_case("bearer") && token.len() <= MAX_TOKEN).then_some(token.trim())
        });
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Err(Status::unauthenticated(
                "no identity: show a certificate of the mesh or `authorization: Bearer TOKEN`",
            ));
        };
        let found = self.tokens.as_ref().and_then(|tokens| tokens.find(token));
        found.ok_or_else(|| Status::unauthenticated("the token is not known"))
    }
}

impl Authenticate for Callers {
    async fn caller(&self, metadata: &MetadataMap, peer: &Extensions) -> Result<SpiffeId, Status> {
        self.identify(metadata, peer)
    }
}
