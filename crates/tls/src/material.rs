//! PEM of secrets as keys, chains, roots and revocation lists.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, TrustAnchor};
use rustls::sign::CertifiedKey;
use webpki::{CertRevocationList, OwnedCertRevocationList};
use weft_tables::tls::{Secret, SecretSource};

use crate::certificate::Certificate;
use crate::error::ContextError;

/// How a source is named in errors.
pub(crate) fn name_of(source: &SecretSource) -> String {
    match source {
        SecretSource::Inline(_) => "inline".to_owned(),
        SecretSource::Named(name) => format!("{name:?}"),
    }
}

/// A chain with its key.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) key: Arc<CertifiedKey>,
    /// What the leaf says of itself; `None` if it cannot be read, which does not hinder its use.
    pub(crate) leaf: Option<Arc<Certificate>>,
}

/// Reads a certificate secret.
pub(crate) fn identity(
    source: &SecretSource,
    secret: &Secret,
    provider: &CryptoProvider,
) -> Result<Identity, ContextError> {
    let secret_name = name_of(source);
    let Secret::Certificate { chain, key } = secret else {
        return Err(ContextError::WrongKind { secret: secret_name, expected: "a certificate with its key" });
    };
    let chain = certificates(&secret_name, "certificate chain", chain)?;
    // The error of the PEM reader is not shown: it could quote the key.
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| ContextError::Key { secret: secret_name.clone(), reason: "no PEM of a key".into() })?;
    let leaf = Certificate::of_chain(&chain).map(Arc::new);
    let key = CertifiedKey::from_der(chain, key, provider)
        .map_err(|e| ContextError::Key { secret: secret_name, reason: e.to_string() })?;
    Ok(Identity { key: Arc::new(key), leaf })
}

fn certificates(
    secret: &str,
    field: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ContextError> {
    let fail = |reason: String| ContextError::Pem { secret: secret.to_owned(), field, reason };
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if all.is_empty() => Err(fail("no certificate in it".into())),
        Ok(all) => Ok(all),
        Err(error) => Err(fail(error.to_string())),
    }
}

/// Trusted certificates, as anchors and as they are.
#[derive(Clone, Debug)]
pub(crate) struct Roots {
    pub(crate) anchors: Vec<TrustAnchor<'static>>,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

/// Reads a bundle of roots. Certificates that cannot be anchors are passed over, as bundles of
/// operating systems hold some, but one must be left.
pub(crate) fn roots(secret: &str, pem: &[u8]) -> Result<Roots, ContextError> {
    let certificates = certificates(secret, "trusted_ca", pem)?;
    let anchors: Vec<_> = certificates
        .iter()
        .filter_map(|der| webpki::anchor_from_trusted_cert(der).ok().map(|anchor| anchor.to_owned()))
        .collect();
    if anchors.is_empty() {
        let reason = "none of the certificates can be a root".to_owned();
        return Err(ContextError::Pem { secret: secret.to_owned(), field: "trusted_ca", reason });
    }
    Ok(Roots { anchors, certificates })
}

/// Reads revocation lists.
pub(crate) fn revocation_lists(
    secret: &str,
    pem: &[u8],
) -> Result<Vec<CertRevocationList<'static>>, ContextError> {
    let fail = |reason: String| ContextError::Pem { secret: secret.to_owned(), field: "crl", reason };
    let mut lists = Vec::new();
    for der in CertificateRevocationListDer::pem_slice_iter(pem) {
        let der = der.map_err(|e| fail(e.to_string()))?;
        lists.push(OwnedCertRevocationList::from_der(&der).map_err(|e| fail(e.to_string()))?.into());
    }
    if lists.is_empty() { Err(fail("no revocation list in it".into())) } else { Ok(lists) }
}
