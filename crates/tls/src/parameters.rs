//! Versions, suites and curves of a context: the provider as a value.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use weft_tables::tls::{SUITES_NOT_OFFERED, TlsCommon, TlsVersion};

use crate::error::ContextError;
use crate::suite;

/// Everything that is negotiated by number.
#[derive(Debug)]
pub(crate) struct Parameters {
    /// Suites and curves in order of preference.
    pub(crate) provider: Arc<CryptoProvider>,
    /// Versions.
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    /// What was asked for and is left out, for the debug page.
    pub(crate) left_out: Vec<String>,
}

impl Parameters {
    pub(crate) fn of(common: &TlsCommon) -> Result<Self, ContextError> {
        if common.min_version > common.max_version {
            return Err(ContextError::Versions);
        }
        let wanted = common.min_version..=common.max_version;
        let mut versions = Vec::new();
        if wanted.contains(&TlsVersion::V1_3) {
            versions.push(&rustls::version::TLS13);
        }
        if wanted.contains(&TlsVersion::V1_2) {
            versions.push(&rustls::version::TLS12);
        }
        let mut provider = aws_lc_rs::default_provider();
        let mut left_out = Vec::new();
        let tls12 = cipher_suites(&common.cipher_suites, &mut left_out)?;
        if tls12.is_empty() && common.max_version == TlsVersion::V1_2 {
            return Err(ContextError::NoUsableCipher(common.cipher_suites.clone()));
        }
        provider.cipher_suites = suite::TLS13.iter().map(|s| **s).chain(tls12).collect();
        provider.kx_groups = curves(&common.curves)?;
        Ok(Self { provider: Arc::new(provider), versions, left_out })
    }
}

fn cipher_suites(
    names: &[Box<str>],
    left_out: &mut Vec<String>,
) -> Result<Vec<rustls::SupportedCipherSuite>, ContextError> {
    if names.is_empty() {
        return Ok(suite::TLS12.iter().map(|(_, s)| **s).collect());
    }
    let mut chosen = Vec::new();
    // `[A|B]` is a group of equal preference.
    for name in names.iter().flat_map(|n| n.trim_matches(['[', ']']).split('|')) {
        if let Some((_, suite)) = suite::TLS12.iter().find(|(known, _)| *known == name) {
            chosen.push(**suite);
        } else if SUITES_NOT_OFFERED.contains(&name) {
            left_out.push(format!("cipher_suites: {name}"));
        } else {
            return Err(ContextError::UnknownCipher(name.to_owned()));
        }
    }
    Ok(chosen)
}

fn curves(names: &[Box<str>]) -> Result<Vec<&'static dyn SupportedKxGroup>, ContextError> {
    if names.is_empty() {
        return Ok(vec![kx_group::X25519, kx_group::SECP256R1]);
    }
    names
        .iter()
        .map(|name| match &**name {
            "X25519" => Ok(kx_group::X25519),
            "P-256" | "prime256v1" | "secp256r1" => Ok(kx_group::SECP256R1),
            "P-384" | "secp384r1" => Ok(kx_group::SECP384R1),
            "X25519MLKEM768" => Ok(kx_group::X25519MLKEM768),
            _ => Err(ContextError::UnknownCurve(name.to_string())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_tables::tls::ValidationSource;

    fn common(suites: &[&str]) -> TlsCommon {
        TlsCommon {
            min_version: TlsVersion::V1_2,
            max_version: TlsVersion::V1_2,
            cipher_suites: suites.iter().map(|s| (*s).into()).collect(),
            curves: vec![],
            alpn: vec![],
            certificates: vec![],
            validation: ValidationSource::None,
        }
    }

    #[test]
    fn suites_are_chosen_left_out_with_a_note_or_refused() {
        let both =
            Parameters::of(&common(&["[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]"])).unwrap();
        assert_eq!(both.provider.cipher_suites.len(), 5);
        let istio = Parameters::of(&common(&["ECDHE-RSA-AES256-GCM-SHA384", "AES256-GCM-SHA384"])).unwrap();
        assert_eq!(istio.left_out, ["cipher_suites: AES256-GCM-SHA384"]);
        assert!(matches!(Parameters::of(&common(&["ROT13"])), Err(ContextError::UnknownCipher(_))));
        assert!(matches!(Parameters::of(&common(&["AES128-SHA"])), Err(ContextError::NoUsableCipher(_))));
    }

    #[test]
    fn curves_by_name() {
        let mut c = common(&[]);
        c.curves = vec!["X25519MLKEM768".into(), "P-384".into()];
        assert_eq!(Parameters::of(&c).unwrap().provider.kx_groups.len(), 2);
        c.curves = vec!["P-521".into()];
        assert!(matches!(Parameters::of(&c), Err(ContextError::UnknownCurve(_))));
    }
}
