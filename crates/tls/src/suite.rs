//! Names of cipher suites and versions as OpenSSL and Envoy write them.

use rustls::crypto::aws_lc_rs::cipher_suite as suites;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite};
use weft_tables::tls::SUITES;

/// The suites of TLS 1.2 that are supported, in the order of their names in the tables.
pub(crate) static TLS12: [(&str, &SupportedCipherSuite); SUITES.len()] = [
    (SUITES[0], &suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    (SUITES[1], &suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    (SUITES[2], &suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    (SUITES[3], &suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    (SUITES[4], &suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    (SUITES[5], &suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
];

/// The suites of TLS 1.3 in BoringSSL's order; configuration does not choose among them, as in Envoy.
pub(crate) static TLS13: &[&SupportedCipherSuite] = &[
    &suites::TLS13_AES_128_GCM_SHA256,
    &suites::TLS13_AES_256_GCM_SHA384,
    &suites::TLS13_CHACHA20_POLY1305_SHA256,
];

/// The name that `%DOWNSTREAM_TLS_CIPHER%` prints; empty for a suite that we never negotiate.
#[must_use]
pub fn name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => TLS12.iter().find(|(_, s)| s.suite() == other).map_or("", |(name, _)| name),
    }
}

/// The name that `%DOWNSTREAM_TLS_VERSION%` prints.
#[must_use]
pub fn version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_suites_belong_together() {
        for (name, suite) in TLS12 {
            let said = format!("{:?}", suite.suite());
            let said =
                said.trim_start_matches("TLS_").replace("_WITH", "").replace("_POLY1305_SHA256", "_POLY1305");
            let said = said.replace("AES_128", "AES128").replace("AES_256", "AES256").replace('_', "-");
            assert_eq!(said, name);
        }
    }
}
