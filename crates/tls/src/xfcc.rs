//! The element that a proxy adds to `x-forwarded-client-cert`.

use std::fmt::Write as _;

use weft_tables::hcm::Xfcc;

use crate::peer::PeerFacts;

/// One element, as Envoy writes it: `By`, `Hash`, then what is asked for in a fixed order. `None`
/// without a peer certificate: then the header is not touched but removed.
///
/// `Subject` and `URI` are there even when empty; a name that occurs repeatedly is repeated.
#[must_use]
pub fn element(peer: &PeerFacts, wanted: &Xfcc) -> Option<String> {
    let certificate = peer.certificate.as_ref()?;
    let mut parts = Vec::with_capacity(8);
    if let Some(local) = &peer.local {
        parts.extend(local.uri_sans.iter().map(|uri| format!("By={uri}")));
    }
    parts.push(format!("Hash={}", certificate.fingerprint()));
    if wanted.cert {
        parts.push(format!("Cert=\"{}\"", url_encode(&certificate.pem())));
    }
    if wanted.chain {
        parts.push(format!("Chain=\"{}\"", url_encode(&certificate.chain_pem())));
    }
    if wanted.subject {
        parts.push(format!("Subject=\"{}\"", certificate.subject));
    }
    if wanted.uri {
        if certificate.uri_sans.is_empty() {
            parts.push("URI=".to_owned());
        }
        parts.extend(certificate.uri_sans.iter().map(|uri| format!("URI={uri}")));
    }
    if wanted.dns {
        parts.extend(certificate.dns_sans.iter().map(|dns| format!("DNS={dns}")));
    }
    Some(parts.join(";"))
}

/// PEM in a header: the five characters of PEM that mean something in URLs or headers.
fn url_encode(pem: &str) -> String {
    let mut out = String::with_capacity(pem.len() + pem.len() / 8);
    for character in pem.chars() {
        match character {
            '\n' | ' ' | '+' | '/' | '=' => {
                let _ = write!(out, "%{:02X}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out
}
