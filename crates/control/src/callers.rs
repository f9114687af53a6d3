//! Who calls.

use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use weft_ca_service::Authenticate;
use weft_kube_source::{Account, Reviews};
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
    reviews: Option<Arc<Reviews>>,
    trust_domain: Arc<str>,
}

impl Callers {
    /// Callers of a trust domain.
    #[must_use]
    pub fn new(tokens: Option<Arc<TokenFile>>, trust_domain: &str) -> Self {
        Self { tokens, reviews: None, trust_domain: trust_domain.into() }
    }

    /// The same callers, and those whose tokens an API server knows.
    #[must_use]
    pub fn with_reviews(mut self, reviews: Option<Arc<Reviews>>) -> Self {
        self.reviews = reviews;
        self
    }

    /// The caller's identity.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, in words that tell a forger nothing.
    pub async fn identify(&self, metadata: &MetadataMap, peer: &Extensions) -> Result<SpiffeId, Status> {
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
        if let Some(id) = found {
            return Ok(id);
        }
        self.review(token).await?.ok_or_else(|| Status::unauthenticated("the token is not known"))
    }

    /// Asks the API server, if there is one.
    async fn review(&self, token: &str) -> Result<Option<SpiffeId>, Status> {
        let Some(reviews) = &self.reviews else { return Ok(None) };
        let account = reviews.review(token).await.map_err(|error| {
            tracing::warn!(%error, "a token cannot be reviewed");
            Status::unavailable("the token cannot be reviewed now")
        })?;
        Ok(account.and_then(|Account { namespace, name }| {
            SpiffeId::parse(&format!("spiffe://{}/ns/{namespace}/sa/{name}", self.trust_domain))
        }))
    }
}

impl Authenticate for Callers {
    async fn caller(&self, metadata: &MetadataMap, peer: &Extensions) -> Result<SpiffeId, Status> {
        self.identify(metadata, peer).await
    }
}
