//! Names of cipher suites and versions as OpenSSL and Envoy write them.

use rustls::crypto::aws_lc_rs::cipher_suite as suites;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite};

/// The suites of TLS 1.2 that are supported, in Envoy's default order.
pub(crate) static TLS12: &[(&str, &SupportedCipherSuite)] = &[
    ("ECDHE-ECDSA-AES128-GCM-SHA256", &suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", &suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", &suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", &suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", &suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", &suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
];

/// The suites of TLS 1.3 in BoringSSL's order; configuration does not choose among them, as in Envoy.
pub(crate) static TLS13: &[&SupportedCipherSuite] = &[
    &suites::TLS13_AES_128_GCM_SHA256,
    &suites::TLS13_AES_256_GCM_SHA384,
    &suites::TLS13_CHACHA20_POLY1305_SHA256,
];

/// Suites that Envoy takes and we leave out: no forward secrecy or CBC. Istio's own default list
/// names two of them.
pub(crate) static NOT_OFFERED: &[&str] = &[
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "AES128-SHA256",
    "AES256-SHA256",
    "DES-CBC3-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-PSK-AES128-CBC-SHA",
    "ECDHE-PSK-AES256-CBC-SHA",
    "ECDHE-PSK-CHACHA20-POLY1305",
    "PSK-AES128-CBC-SHA",
    "PSK-AES256-CBC-SHA",
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
