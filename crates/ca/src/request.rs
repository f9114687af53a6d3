//! The workload's side: a key that never leaves, a request, and what comes back.

use std::fmt;
use std::time::SystemTime;

use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, SanType};
use rustls_pki_types::CertificateDer;
use weft_types::SpiffeId;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use zeroize::{Zeroize, Zeroizing};

use crate::authority::public_key;
use crate::lifetime::Lifetime;
use crate::load::{MAX_CHAIN_CERTIFICATES, MAX_ROOTS};
use crate::{pem, trust};

/// Most bytes of PEM in an answer of the certificate service.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// A private key as PEM; not shown by `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct PrivateKey(Zeroizing<String>);

impl PrivateKey {
    pub(crate) fn of(key: &KeyPair) -> Self {
        Self(Zeroizing::new(pem::encode("PRIVATE KEY", key.serialized_der())))
    }

    /// The key, PKCS#8 in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// A request under way: a new key pair (ECDSA P-256) and its CSR.
pub struct CertificateRequest {
    identity: SpiffeId,
    key: KeyPair,
    csr: String,
}

/// A certificate with all that TLS needs.
#[derive(Clone, Debug)]
pub struct WorkloadCertificate {
    /// Whom it names.
    pub identity: SpiffeId,
    /// Leaf and intermediates, PEM.
    pub chain: String,
    /// Roots to trust in peers, PEM.
    pub roots: String,
    /// Its key.
    pub key: PrivateKey,
    /// From when it was obtained until it ends: what [`crate::rotation::renew_at`] wants.
    pub lifetime: Lifetime,
}

/// Why no request can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate request for {identity}: {reason}")]
pub struct RequestError {
    /// For whom.
    pub identity: String,
    /// What the library says.
    pub reason: String,
}

/// Why an answer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// More than [`MAX_ANSWER_BYTES`] or too many certificates.
    #[error("the answer is too long")]
    TooLong,
    /// It lacks a leaf or a root.
    #[error("the answer holds {0} of at least 2 certificates")]
    TooShort(usize),
    /// An element cannot be read.
    #[error("element {index} of the answer cannot be read: {reason}")]
    Malformed {
        /// Which, from 0.
        index: usize,
        /// What the reader says.
        reason: String,
    },
    /// The certificate is for another key.
    #[error("the certificate is not for our key")]
    ForeignKey,
    /// The certificate names somebody else.
    #[error("the certificate names {found:?}, not {wanted}")]
    ForeignName {
        /// What it names.
        found: Vec<String>,
        /// Who we are.
        wanted: String,
    },
    /// It does not lead to the root that came with it, or is not valid now.
    #[error("the certificate is not trusted by its own root: {0}")]
    Untrusted(String),
}

impl CertificateRequest {
    /// Makes a key pair and a CSR. The CSR carries the identity for those authorities that want it
    /// there; ours does not read it.
    ///
    /// # Errors
    /// The identity cannot stand in a certificate, or the cryptographic library failed.
    pub fn new(identity: &SpiffeId) -> Result<Self, RequestError> {
        let error = |reason: String| RequestError { identity: identity.to_string(), reason };
        let uri = Ia5String::try_from(identity.to_string()).map_err(|e| error(e.to_string()))?;
        let key = KeyPair::generate().map_err(|e| error(e.to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(uri)];
        let csr =
            params.serialize_request(&key).and_then(|csr| csr.pem()).map_err(|e| error(e.to_string()))?;
        Ok(Self { identity: identity.clone(), key, csr })
    }

    /// The CSR, PEM.
    #[must_use]
    pub fn csr_pem(&self) -> &str {
        &self.csr
    }

    /// Takes the answer of the certificate service: leaf first, roots last.
    ///
    /// # Errors
    /// The certificate is not for our key, not in our name, or does not lead to its root at `now`.
    pub fn accept(self, answer: &[String], now: SystemTime) -> Result<WorkloadCertificate, AcceptError> {
        if answer.iter().map(String::len).sum::<usize>() > MAX_ANSWER_BYTES {
            return Err(AcceptError::TooLong);
        }
        let [leaf_text, between @ .., roots_text] = answer else {
            return Err(AcceptError::TooShort(answer.len()));
        };
        // Some authorities put a leaf and its intermediates into one text.
        let mut chain = read(0, leaf_text)?;
        for (index, text) in (1..).zip(between) {
            chain.extend(read(index, text)?);
        }
        let roots = read(answer.len() - 1, roots_text)?;
        if chain.len() > MAX_CHAIN_CERTIFICATES + 1 || roots.len() > MAX_ROOTS {
            return Err(AcceptError::TooLong);
        }
        let (leaf, intermediates) = chain.split_first().ok_or(AcceptError::TooShort(0))?;
        let until = self.check(leaf)?;
        trust::check(leaf, intermediates, &roots, now).map_err(AcceptError::Untrusted)?;
        Ok(WorkloadCertificate {
            identity: self.identity.clone(),
            chain: pem::bundle(&chain),
            roots: pem::bundle(&roots),
            key: PrivateKey::of(&self.key),
            lifetime: Lifetime { from: now, until },
        })
    }

    /// Checks key and name of the leaf; returns its end.
    fn check(&self, leaf: &CertificateDer<'_>) -> Result<SystemTime, AcceptError> {
        let (_, parsed) = X509Certificate::from_der(leaf)
            .map_err(|error| AcceptError::Malformed { index: 0, reason: error.to_string() })?;
        if parsed.public_key().raw != public_key(&self.key) {
            return Err(AcceptError::ForeignKey);
        }
        let wanted = self.identity.to_string();
        let names = parsed.subject_alternative_name().ok().flatten();
        let found: Vec<String> = names.map_or_else(Vec::new, |names| {
            let shown = |name: &GeneralName<'_>| match name {
                GeneralName::URI(uri) => (*uri).to_owned(),
                other => other.to_string(),
            };
            names.value.general_names.iter().map(shown).collect()
        });
        if found.len() != 1 || found.first() != Some(&wanted) {
            return Err(AcceptError::ForeignName { found, wanted });
        }
        Ok(Lifetime::of(parsed.validity()).until)
    }
}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRequest").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Drop for CertificateRequest {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

fn read(index: usize, text: &str) -> Result<Vec<CertificateDer<'static>>, AcceptError> {
    match pem::certificates(text.as_bytes()) {
        Ok(found) if found.is_empty() => {
            Err(AcceptError::Malformed { index, reason: "no certificate in PEM".to_owned() })
        }
        Ok(found) => Ok(found),
        Err(reason) => Err(AcceptError::Malformed { index, reason }),
    }
}
