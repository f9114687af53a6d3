//! The one thing that is taken from a CSR: a key that the caller has shown to hold.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::pem::SectionKind;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509;

use crate::error::IssueError;
use crate::pem;

/// Longest CSR, bytes of PEM. One with an RSA key of 8192 bits has about 3 000.
pub const MAX_CSR_BYTES: usize = 16 * 1024;
/// Smallest RSA key, bits.
pub const MIN_RSA_BITS: usize = 2048;
/// Largest RSA key, bits: what the cryptographic library verifies, and a bound for its work.
pub const MAX_RSA_BITS: usize = 8192;

/// Reads the key from a CSR and checks that the CSR is signed by it.
pub(crate) fn proven_key(text: &str) -> Result<SubjectPublicKeyInfo, IssueError> {
    if text.len() > MAX_CSR_BYTES {
        return Err(IssueError::TooLong { size: text.len(), limit: MAX_CSR_BYTES });
    }
    let sections = pem::sections(SectionKind::Csr, text.as_bytes()).map_err(IssueError::Malformed)?;
    let der =
        sections.first().ok_or_else(|| IssueError::Malformed("no CERTIFICATE REQUEST in PEM".to_owned()))?;
    let (rest, csr) = X509CertificationRequest::from_der(der)
        .map_err(|error| IssueError::Malformed(format!("not a PKCS#10 request: {error}")))?;
    if !rest.is_empty() {
        return Err(IssueError::Malformed("bytes after the request".to_owned()));
    }
    let key = &csr.certification_request_info.subject_pki;
    check_key(key).map_err(IssueError::Key)?;
    csr.verify_signature().map_err(|_| IssueError::Possession)?;
    SubjectPublicKeyInfo::from_der(key.raw).map_err(|error| IssueError::Key(error.to_string()))
}

/// Whether a key is of a kind and size that is taken.
pub(crate) fn check_key(key: &x509::SubjectPublicKeyInfo<'_>) -> Result<(), String> {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let significant = rsa.modulus.iter().skip_while(|byte| **byte == 0);
            let leading = significant.clone().next().map_or(0, |byte| byte.leading_zeros() as usize);
            match (significant.count() * 8).saturating_sub(leading) {
                MIN_RSA_BITS..=MAX_RSA_BITS => Ok(()),
                bits => Err(format!("RSA key of {bits} bits")),
            }
        }
        Ok(PublicKey::EC(point)) => {
            let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            let length = match curve {
                Some(oid) if oid == OID_EC_P256 => 32,
                Some(oid) if oid == OID_NIST_EC_P384 => 48,
                _ => return Err("ECDSA key on another curve".to_owned()),
            };
            // RFC 5480 2.2: uncompressed points are the form that everybody reads.
            match point.data() {
                [4, coordinates @ ..] if coordinates.len() == 2 * length => Ok(()),
                _ => Err("ECDSA key that is not an uncompressed point of its curve".to_owned()),
            }
        }
        Ok(_) => Err("key of another kind".to_owned()),
        Err(error) => Err(format!("key that cannot be read ({error})")),
    }
}
