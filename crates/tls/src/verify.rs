//! The check of a peer's certificate, the same for both sides.
//!
//! Envoy's rules: the chain is verified when there are roots; a name must match when matchers are
//! configured (there is no check of the host name otherwise); one of the configured hashes must
//! match; without any of these the peer is not verified at all.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use weft_tables::tls::{SanMatcher, Validation};

use crate::certificate::Certificate;
pub use crate::chain::ChainError;
use crate::chain::{ChainPolicy, Role};
use crate::error::ContextError;
use crate::material;
use crate::names::{has_name, matches_san};
use crate::passed::{self, Passed};

/// Why a peer's certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The chain does not lead to a root, or part of it is not valid.
    #[error(
        "verify cert failed: X509_verify_cert: certificate verification error at depth {}: {}",
        .0.depth, .0.reason
    )]
    Chain(ChainError),
    /// No matcher takes any of its names, or it has none of those that are expected.
    #[error("verify cert failed: {}", names_differ(expected, found))]
    Names {
        /// Names of which it must have one; empty: matchers were asked.
        expected: Vec<String>,
        /// Its names.
        found: Vec<String>,
    },
    /// Neither its hash nor its key's hash is among the configured ones.
    #[error("verify cert failed: cert hash and spki")]
    Hash,
    /// It cannot be read.
    #[error("verify cert failed: certificate cannot be read")]
    Unreadable,
}

fn names_differ(expected: &[String], found: &[String]) -> String {
    let found = found.join(", ");
    match expected {
        [] => format!("SAN matcher, certificate SANs are [{found}]"),
        _ => {
            format!("verify SAN list, expected SANs: [{}], certificate SANs: [{found}]", expected.join(", "))
        }
    }
}

tokio::task_local! {
    /// Where a verifier leaves the exact reason for the handshake that it runs in: the library's own
    /// error decides the alert and cannot carry it.
    static REFUSAL: RefCell<Option<VerifyError>>;
}

/// Runs a handshake and returns with it what a verifier refused during it.
pub(crate) async fn with_refusal<T>(handshake: impl Future<Output = T>) -> (T, Option<VerifyError>) {
    REFUSAL
        .scope(RefCell::new(None), async {
            let outcome = handshake.await;
            (outcome, REFUSAL.with(|refusal| refusal.borrow_mut().take()))
        })
        .await
}

/// Which names a certificate is held to.
#[derive(Clone, Debug)]
pub(crate) enum Names {
    /// One of the matchers; an empty list takes any.
    Matchers(Vec<SanMatcher>),
    /// The server name that was sent.
    ServerName,
    /// The caller checks them after the handshake.
    Unchecked,
}

/// Configured checks, ready to run.
#[derive(Debug)]
pub struct Verifier {
    role: Role,
    algorithms: WebPkiSupportedAlgorithms,
    chain: Option<Arc<ChainPolicy>>,
    names: Names,
    certificate_hashes: Vec<[u8; 32]>,
    spki_hashes: Vec<[u8; 32]>,
    accept_untrusted: bool,
    /// Whether a server asks for a certificate, and whether it must come.
    offer: bool,
    mandatory: bool,
    hints: Vec<DistinguishedName>,
}

impl Verifier {
    /// From configuration; `secret` names it in errors.
    pub(crate) fn new(
        role: Role,
        validation: Option<&Validation>,
        secret: &str,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Result<Self, ContextError> {
        let mut verifier = Self {
            role,
            algorithms,
            chain: None,
            names: Names::Matchers(Vec::new()),
            certificate_hashes: Vec::new(),
            spki_hashes: Vec::new(),
            accept_untrusted: false,
            offer: false,
            mandatory: false,
            hints: Vec::new(),
        };
        let Some(validation) = validation else { return Ok(verifier) };
        let Validation {
            roots,
            san_matchers,
            certificate_hashes,
            spki_hashes,
            crl,
            allow_expired,
            accept_untrusted,
        } = validation;
        if roots.is_none() && !san_matchers.is_empty() {
            return Err(ContextError::NamesWithoutRoots);
        }
        let revocation = match crl {
            Some(_) if roots.is_none() => return Err(ContextError::RevocationWithoutRoots),
            Some(pem) => material::revocation_lists(secret, pem)?,
            None => Vec::new(),
        };
        if let Some(pem) = roots {
            let roots = material::roots(secret, pem)?;
            verifier.hints = roots
                .anchors
                .iter()
                .map(|anchor| DistinguishedName::in_sequence(anchor.subject.as_ref()))
                .collect();
            verifier.chain = Some(Arc::new(ChainPolicy {
                roots,
                revocation,
                allow_expired: *allow_expired,
                passed: Passed::default(),
            }));
        }
        verifier.names = Names::Matchers(san_matchers.clone());
        verifier.certificate_hashes.clone_from(certificate_hashes);
        verifier.spki_hashes.clone_from(spki_hashes);
        verifier.accept_untrusted = *accept_untrusted;
        // Envoy asks for a certificate when it has something to check it by.
        verifier.offer = verifier.verifies();
        Ok(verifier)
    }

    /// The same checks with other names.
    pub(crate) fn with_names(&self, names: Names) -> Self {
        Self {
            role: self.role,
            algorithms: self.algorithms,
            chain: self.chain.clone(),
            names,
            certificate_hashes: self.certificate_hashes.clone(),
            spki_hashes: self.spki_hashes.clone(),
            accept_untrusted: self.accept_untrusted,
            offer: self.offer,
            mandatory: self.mandatory,
            hints: self.hints.clone(),
        }
    }

    /// The same checks on a server that insists on a certificate.
    pub(crate) fn mandatory(mut self, mandatory: bool) -> Self {
        self.mandatory = mandatory;
        self
    }

    /// Whether anything is checked at all.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.chain.is_some() || !self.certificate_hashes.is_empty() || !self.spki_hashes.is_empty()
    }

    /// Whether chains that do not pass are let through.
    pub(crate) fn accepts_untrusted(&self) -> bool {
        self.accept_untrusted
    }

    /// Whether a presented chain that passed the handshake is validated: false when nothing is
    /// checked, or when untrusted ones pass and this is one.
    pub(crate) fn validated(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> bool {
        if !self.verifies() {
            return false;
        }
        let Some((leaf, others)) = chain.split_first() else { return false };
        !self.accept_untrusted || self.check(leaf, others, None, now).is_ok()
    }

    /// Whether a chain that was taken at that time would be taken by these checks as well.
    pub(crate) fn would_take(&self, chain: &[CertificateDer<'_>], then: UnixTime) -> bool {
        let Some((leaf, others)) = chain.split_first() else { return false };
        self.check(leaf, others, None, then).is_ok()
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        server_name: Option<&ServerName<'_>>,
        now: UnixTime,
    ) -> Result<(), (VerifyError, CertificateError)> {
        if let Some(chain) = &self.chain {
            chain
                .check(self.role, leaf, others, &self.algorithms, now)
                .map_err(|(reason, code)| (VerifyError::Chain(reason), code))?;
        }
        let needs_facts = !(self.certificate_hashes.is_empty() && self.spki_hashes.is_empty())
            || match &self.names {
                Names::Matchers(matchers) => !matchers.is_empty(),
                Names::ServerName => true,
                Names::Unchecked => false,
            };
        if !needs_facts {
            return Ok(());
        }
        let facts =
            self.facts(leaf, others).ok_or((VerifyError::Unreadable, CertificateError::BadEncoding))?;
        let named = match (&self.names, server_name) {
            (Names::Matchers(matchers), _) => {
                matchers.is_empty() || matchers.iter().any(|m| matches_san(m, &facts))
            }
            (Names::ServerName, Some(ServerName::DnsName(name))) => has_name(&facts, name.as_ref()),
            // Without a server name there is nothing to compare with: as in Envoy, no check.
            (Names::ServerName | Names::Unchecked, _) => true,
        };
        if !named {
            let expected = match (&self.names, server_name) {
                (Names::ServerName, Some(ServerName::DnsName(name))) => vec![name.as_ref().to_owned()],
                _ => Vec::new(),
            };
            let error = VerifyError::Names { expected, found: facts.sans.clone() };
            return Err((error, CertificateError::NotValidForName));
        }
        let hashed = (self.certificate_hashes.is_empty() && self.spki_hashes.is_empty())
            || self.certificate_hashes.contains(&facts.sha256)
            || self.spki_hashes.contains(&facts.spki_sha256);
        if !hashed {
            let code = CertificateError::ApplicationVerificationFailure;
            return Err((VerifyError::Hash, code));
        }
        Ok(())
    }

    /// What the leaf of a chain says, read once for as long as the chain is known.
    pub(crate) fn facts(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> Option<Arc<Certificate>> {
        let known = self.chain.as_ref().and_then(|chain| chain.passed.leaf(&passed::key(leaf, others)));
        known.or_else(|| {
            let chain: Vec<_> = std::iter::once(leaf).chain(others).cloned().collect();
            Certificate::of_chain(&chain).map(Arc::new)
        })
    }

    /// Holds a resumed session to what a new one is held to: since it was new, its certificates may have
    /// run out.
    pub(crate) fn check_again(
        &self,
        chain: &[CertificateDer<'_>],
        server_name: Option<&ServerName<'_>>,
    ) -> Result<(), VerifyError> {
        match chain.split_first() {
            Some((leaf, others)) if !self.accept_untrusted => {
                self.check(leaf, others, server_name, UnixTime::now()).map_err(|(error, _)| error)
            }
            _ => Ok(()),
        }
    }

    /// As [`Self::check`], within a handshake.
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        server_name: Option<&ServerName<'_>>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        match self.check(leaf, others, server_name, now) {
            Err((error, code)) if !self.accept_untrusted => {
                // Outside of a handshake of ours nobody asks for it.
                let _ = REFUSAL.try_with(|refusal| *refusal.borrow_mut() = Some(error));
                Err(rustls::Error::InvalidCertificate(code))
            }
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, Some(server_name), now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.offer
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, None, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at depth {}: {}", self.depth, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_match::StringMatcher;
    use weft_tables::tls::SanKind;

    /// Every byte of a leaf and of an intermediate can be hostile.
    #[test]
    fn mangled_certificates_are_refused_and_never_panic() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let root = rcgen::generate_simple_self_signed(vec!["root".to_owned()]).unwrap();
        let leaf = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let validation = Validation {
            roots: Some(root.cert.pem().into_bytes()),
            san_matchers: vec![SanMatcher {
                kind: SanKind::Any,
                matcher: StringMatcher::Exact("a.example".into(), false),
            }],
            certificate_hashes: vec![[0; 32]],
            ..Validation::default()
        };
        let algorithms = provider.signature_verification_algorithms;
        let full = Verifier::new(Role::Client, Some(&validation), "test", algorithms).unwrap();
        let blind = Validation { roots: None, san_matchers: vec![], ..validation };
        let hashes = Verifier::new(Role::Client, Some(&blind), "test", algorithms).unwrap();
        let der = leaf.cert.der().to_vec();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
        for at in 0..der.len() {
            for change in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut bad = der.clone();
                bad[at] = change;
                let bad = CertificateDer::from(bad);
                for verifier in [&full, &hashes] {
                    assert!(verifier.check(&bad, &[], None, now).is_err());
                    assert!(verifier.check(leaf.cert.der(), std::slice::from_ref(&bad), None, now).is_err());
                }
            }
        }
    }
}
