//! A Secret's data as a TLS secret: type `kubernetes.io/tls`, or Istio's generic keys. Source: GW-05.

use std::collections::BTreeMap;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use weft_proto::envoy::config::core::v3::DataSource;
use weft_proto::envoy::config::core::v3::data_source::Specifier;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret,
};

/// What of a Secret is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A certificate with its key.
    Certificate,
    /// Authorities, and their revocations.
    Authorities,
}

/// Reads a part as the secret of that name.
///
/// # Errors
/// Which key is missing, or what is wrong with it.
pub(super) fn read(name: &str, data: &BTreeMap<String, Vec<u8>>, part: Part) -> Result<Secret, String> {
    let get = |key: &str| data.get(key).filter(|bytes| !bytes.is_empty());
    // As Istio: the generic keys go first.
    let either = |generic, tls| match (get(generic), get(tls)) {
        (Some(bytes), _) => Ok((generic, bytes)),
        (None, Some(bytes)) => Ok((tls, bytes)),
        (None, None) => Err(format!("has neither {generic} nor {tls}")),
    };
    let kind = match part {
        Part::Certificate => {
            let ((chain_key, chain), (key_key, key)) =
                (either("cert", "tls.crt")?, either("key", "tls.key")?);
            check_pair(chain_key, chain, key_key, key)?;
            secret::Type::TlsCertificate(TlsCertificate {
                certificate_chain: Some(inline(chain)),
                private_key: Some(inline(key)),
                ocsp_staple: get("tls.ocsp-staple").map(|bytes| inline(bytes)),
                ..TlsCertificate::default()
            })
        }
        Part::Authorities => {
            let (key, authorities) = either("cacert", "ca.crt")?;
            if certificates(key, authorities)?.is_empty() {
                return Err(format!("{key} has no certificate"));
            }
            secret::Type::ValidationContext(CertificateValidationContext {
                trusted_ca: Some(inline(authorities)),
                crl: get("crl").or_else(|| get("ca.crl")).map(|bytes| inline(bytes)),
                ..CertificateValidationContext::default()
            })
        }
    };
    Ok(Secret { name: name.to_owned(), r#type: Some(kind) })
}

fn check_pair(chain_key: &str, chain: &[u8], key_key: &str, key: &[u8]) -> Result<(), String> {
    let chain = certificates(chain_key, chain)?;
    if chain.is_empty() {
        return Err(format!("{chain_key} has no certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("{key_key}: {error}"))?;
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|error| format!("{key_key}: {error}"))?;
    match CertifiedKey::new(chain, key).keys_match() {
        Ok(()) => Ok(()),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(()),
        Err(error) => Err(format!("{key_key} does not go with {chain_key}: {error}")),
    }
}

fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| format!("{key}: {error}"))
}

fn inline(bytes: &[u8]) -> DataSource {
    DataSource { specifier: Some(Specifier::InlineBytes(bytes.to_vec())), ..DataSource::default() }
}
