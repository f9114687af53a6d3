//! What a certificate says, as policy, logs and headers need it.

use std::fmt::Write as _;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use rustls::pki_types::CertificateDer;
use weft_types::SpiffeId;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::dn;

/// Names in one certificate that are looked at; more are passed over. Bounds the work that a peer
/// can cause.
pub const NAMES_MAX: usize = 1024;

/// A leaf certificate, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The chain as presented, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Subject, RFC 2253 form, last part first.
    pub subject: String,
    /// Issuer, likewise.
    pub issuer: String,
    /// Serial number, lower-case hexadecimal without leading zero bytes.
    pub serial: String,
    /// URI names.
    pub uri_sans: Vec<String>,
    /// DNS names.
    pub dns_sans: Vec<String>,
    /// E-mail names.
    pub email_sans: Vec<String>,
    /// IP names.
    pub ip_sans: Vec<IpAddr>,
    /// All names of these kinds as text, in the certificate's order.
    pub sans: Vec<String>,
    /// SHA-256 of the DER.
    pub sha256: [u8; 32],
    /// SHA-256 of the public key info.
    pub spki_sha256: [u8; 32],
    /// Valid from, seconds since 1970.
    pub not_before: i64,
    /// Valid to, seconds since 1970.
    pub not_after: i64,
}

impl Certificate {
    /// Reads the first certificate of a chain; `None` without one or when it cannot be read.
    #[must_use]
    pub fn of_chain(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = chain.first()?;
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let mut this = Self {
            chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
            subject: dn::rfc2253(parsed.subject()),
            issuer: dn::rfc2253(parsed.issuer()),
            serial: serial(parsed.raw_serial()),
            uri_sans: Vec::new(),
            dns_sans: Vec::new(),
            email_sans: Vec::new(),
            ip_sans: Vec::new(),
            sans: Vec::new(),
            sha256: sha256(leaf),
            spki_sha256: sha256(parsed.public_key().raw),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
        };
        if let Ok(Some(names)) = parsed.subject_alternative_name() {
            names.value.general_names.iter().take(NAMES_MAX).for_each(|name| this.add_name(name));
        }
        Some(this)
    }

    fn add_name(&mut self, name: &GeneralName<'_>) {
        let (kind, text) = match name {
            GeneralName::DNSName(name) => (Some(&mut self.dns_sans), (*name).to_owned()),
            GeneralName::URI(name) => (Some(&mut self.uri_sans), (*name).to_owned()),
            GeneralName::RFC822Name(name) => (Some(&mut self.email_sans), (*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                let Some(address) = ip(bytes) else { return };
                self.ip_sans.push(address);
                (None, address.to_string())
            }
            _ => return,
        };
        if let Some(kind) = kind {
            kind.push(text.clone());
        }
        self.sans.push(text);
    }

    /// SHA-256 of the DER, lower-case hexadecimal: `%DOWNSTREAM_PEER_FINGERPRINT_256%` and XFCC's Hash.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&self.sha256)
    }

    /// The mesh identity of the first URI name that is one.
    #[must_use]
    pub fn identity(&self) -> Option<SpiffeId> {
        self.uri_sans.iter().find_map(|uri| SpiffeId::parse(uri))
    }

    /// The leaf in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.chain.first().map_or_else(String::new, |der| pem(der))
    }

    /// The whole chain in PEM.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| pem(der)).collect()
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn serial(bytes: &[u8]) -> String {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    match bytes.get(start..) {
        Some([]) | None => "0".to_owned(),
        Some(bytes) => hex(bytes),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// PEM with lines of 64 characters (RFC 7468).
fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = String::with_capacity(text.len() + text.len() / 64 + 64);
    out.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so every offset is a boundary.
        let (line, next) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = next;
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_as_openssl_prints_them() {
        assert_eq!(serial(&[0, 0xf3, 0x01]), "f301");
        assert_eq!(serial(&[0]), "0");
        assert_eq!(serial(&[]), "0");
    }

    #[test]
    fn a_mangled_certificate_is_read_as_none_or_something_but_never_panics() {
        let good = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let der = good.cert.der().to_vec();
        for at in 0..der.len() {
            for change in [0x00, 0x7f, 0x80, 0xff] {
                let mut bad = der.clone();
                bad[at] = change;
                let _ = Certificate::of_chain(&[CertificateDer::from(bad)]);
            }
            let _ = Certificate::of_chain(&[CertificateDer::from(der[..at].to_vec())]);
        }
    }
}
