//! Choosing among own certificates.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::material::Identity;
use crate::names::dns_matches;

/// Own certificates in configured order.
#[derive(Debug)]
pub(crate) struct Identities {
    all: Vec<Identity>,
    /// A client that names no server with a certificate of ours gets none (`require_sni`).
    name_required: bool,
}

impl Identities {
    pub(crate) fn new(all: Vec<Identity>, name_required: bool) -> Self {
        Self { all, name_required }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn first(&self) -> Option<&Identity> {
        self.all.first()
    }

    /// The one for a client: those for its server name, an exact name before a wildcard, else all;
    /// among them one that it can verify, ECDSA first.
    pub(crate) fn choose(&self, server_name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Identity> {
        let named = |wildcard: bool| -> Vec<&Identity> {
            let Some(name) = server_name else { return Vec::new() };
            let matches = |san: &String| san.starts_with("*.") == wildcard && dns_matches(san, name);
            let has = |i: &&Identity| i.leaf.as_ref().is_some_and(|leaf| leaf.dns_sans.iter().any(matches));
            self.all.iter().filter(has).collect()
        };
        let mut candidates = named(false);
        if candidates.is_empty() {
            candidates = named(true);
        }
        if candidates.is_empty() {
            if self.name_required {
                return None;
            }
            candidates = self.all.iter().collect();
        }
        let usable = |i: &&&Identity| i.key.key.choose_scheme(schemes).is_some();
        let ecdsa = |i: &&&Identity| i.key.key.algorithm() == SignatureAlgorithm::ECDSA;
        candidates
            .iter()
            .filter(usable)
            .find(ecdsa)
            .or_else(|| candidates.iter().find(usable))
            // None fits: the handshake fails with the reason that the library finds.
            .or_else(|| candidates.first())
            .copied()
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes()).map(|identity| Arc::clone(&identity.key))
    }
}

impl ResolvesClientCert for Identities {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.choose(None, schemes).map(|identity| Arc::clone(&identity.key))
    }

    fn has_certs(&self) -> bool {
        !self.all.is_empty()
    }
}
