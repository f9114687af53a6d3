//! A key with the name under which it signs.

use std::fmt;

use rcgen::{
    CertificateParams, DistinguishedName, Issuer, KeyIdMethod, KeyPair, PublicKeyData, SignatureAlgorithm,
    SigningKey,
};
use rustls_pki_types::CertificateDer;
use x509_parser::asn1_rs::{Any, FromDer};
use zeroize::{Zeroize, Zeroizing};

use crate::pem;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// An authority's key and name.
///
/// The library that writes certificates rebuilds an issuer's name from its parts and cannot carry each
/// (two `DC`, two `OU`). A chain holds only if the names are the same byte for byte, so the library writes
/// the certificate with an empty issuer and no signature, and both are put in here.
pub(crate) struct Signer {
    key: KeyPair,
    /// `Name` of the authority, DER.
    name: Vec<u8>,
    /// Its subject key identifier.
    key_id: Vec<u8>,
}

impl Signer {
    pub(crate) fn new(key: KeyPair, name: Vec<u8>, key_id: Vec<u8>) -> Self {
        Self { key, name, key_id }
    }

    pub(crate) fn key(&self) -> &KeyPair {
        &self.key
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// The private key as PEM (PKCS#8 for keys that we made, else as it was read).
    pub(crate) fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem::encode("PRIVATE KEY", self.key.serialized_der()))
    }

    /// Signs a certificate.
    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        subject: &impl PublicKeyData,
    ) -> Result<CertificateDer<'static>, String> {
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = DistinguishedName::new();
        issuer.key_identifier_method = KeyIdMethod::PreSpecified(self.key_id.clone());
        let unsigned = params
            .signed_by(subject, &Issuer::from_params(&issuer, Unsigned(&self.key)))
            .map_err(|error| error.to_string())?;
        self.complete(unsigned.der()).ok_or_else(|| "the certificate has no known form".to_owned())?
    }

    /// Puts name and signature in; `None` if the certificate has not the form that was just written.
    fn complete(&self, unsigned: &[u8]) -> Option<Result<CertificateDer<'static>, String>> {
        let (_, certificate) = element(unsigned)?;
        let (tbs, after) = split(certificate)?;
        let (algorithm, _) = split(after)?;
        let (_, fields) = element(tbs)?;
        // version, serialNumber, signature, issuer
        let mut rest = fields;
        for _ in 0..3 {
            (_, rest) = split(rest)?;
        }
        let before = fields.strip_suffix(rest)?;
        let (_, after_issuer) = split(rest)?;

        let tbs = wrap(SEQUENCE, &[before, &self.name, after_issuer]);
        Some(self.key.sign(&tbs).map_err(|error| error.to_string()).map(|signature| {
            let signature = wrap(BIT_STRING, &[&[0], &signature]);
            CertificateDer::from(wrap(SEQUENCE, &[&tbs, algorithm, &signature]))
        }))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// Stands in for the key while the library writes: the signature comes later.
struct Unsigned<'k>(&'k KeyPair);

impl PublicKeyData for Unsigned<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        PublicKeyData::algorithm(self.0)
    }
}

impl SigningKey for Unsigned<'_> {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

/// The first element of DER, and what is in it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, any) = Any::from_der(der).ok()?;
    Some((split(der)?.0, any.data))
}

/// The first element of DER, whole, and what follows it.
fn split(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, _) = Any::from_der(der).ok()?;
    Some((der.strip_suffix(rest)?, rest))
}

/// An element of DER.
fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let bytes = bytes.get(length.leading_zeros() as usize / 8..).unwrap_or_default();
            // At most eight bytes, so it fits.
            der.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
            der.extend_from_slice(bytes);
        }
    }
    for part in parts {
        der.extend_from_slice(part);
    }
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_length_can_be_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![5; length];
            let der = wrap(SEQUENCE, &[&content]);
            assert_eq!(element(&der).unwrap(), (der.as_slice(), content.as_slice()), "{length}");
        }
    }
}
