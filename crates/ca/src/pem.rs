//! PEM text, in and out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Bytes in a line of 64 characters.
const LINE: usize = 48;

/// The sections of one kind. Text that is no PEM has no sections; a broken section is an error.
pub(crate) fn sections(kind: SectionKind, text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
        let (its, der) = section.map_err(|error| error.to_string())?;
        if its == kind {
            found.push(der);
        }
    }
    Ok(found)
}

/// The certificates in a text, in order.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    Ok(sections(SectionKind::Certificate, text)?.into_iter().map(CertificateDer::from).collect())
}

/// The first private key in a text: PKCS#8, PKCS#1 or SEC1.
pub(crate) fn private_key(text: &[u8]) -> Result<Option<PrivateKeyDer<'static>>, String> {
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(Some(key)),
        Err(rustls_pki_types::pem::Error::NoItemsFound) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// A certificate as PEM.
pub(crate) fn certificate(der: &[u8]) -> String {
    encode("CERTIFICATE", der)
}

/// Certificates as one PEM text.
pub(crate) fn bundle<'c>(certificates: impl IntoIterator<Item = &'c CertificateDer<'static>>) -> String {
    certificates.into_iter().map(|der| certificate(der)).collect()
}

/// One section. The text is written once, into room that suffices, so that no copies of a key are left
/// behind by growth.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let lines = der.len().div_ceil(LINE);
    let mut text = String::with_capacity(lines * 65 + 2 * label.len() + 40);
    for part in ["-----BEGIN ", label, "-----\n"] {
        text.push_str(part);
    }
    for line in der.chunks(LINE) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    for part in ["-----END ", label, "-----\n"] {
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for size in [0, 1, 47, 48, 49, 1000] {
            let der = vec![7_u8; size];
            let text = encode("CERTIFICATE", &der);
            assert!(text.lines().all(|line| line.len() <= 64));
            assert_eq!(certificates(text.as_bytes()), Ok(vec![CertificateDer::from(der)]));
        }
    }

    #[test]
    fn other_sections_are_passed_over() {
        let text = format!("words\n{}{}", encode("EC PARAMETERS", &[1]), encode("CERTIFICATE", &[2]));
        assert_eq!(certificates(text.as_bytes()).unwrap().len(), 1);
        assert!(certificates(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").is_err());
        assert_eq!(private_key(text.as_bytes()), Ok(None));
    }
}
