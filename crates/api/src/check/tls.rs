//! TLS settings, where the mode says which fields mean something (DR-14, GW-03 to GW-07).

use super::{at_most, exclusive, set};
use crate::diagnostic::Code;
use crate::istio::gateway::{ServerTls, ServerTlsMode, TlsVersion};
use crate::istio::traffic_policy::{ClientTls, ClientTlsMode};
use crate::report::Report;

/// Most certificates of one server (the schema's bound): one for each algorithm.
const MOST_CERTIFICATES: usize = 2;

/// Checks TLS toward endpoints.
pub(super) fn client(r: &mut Report, tls: &ClientTls) {
    let ClientTls {
        mode,
        client_certificate,
        private_key,
        ca_certificates,
        ca_crl,
        credential_name,
        subject_alt_names: _,
        sni: _,
        insecure_skip_verify,
    } = tls;
    let own = [("clientCertificate", client_certificate.is_some()), ("privateKey", private_key.is_some())];
    let files =
        [&own[..], &[("caCertificates", ca_certificates.is_some()), ("caCrl", ca_crl.is_some())]].concat();
    let secret = [("credentialName", credential_name.is_some())];
    match mode {
        ClientTlsMode::Disable => refuse(r, &[&files[..], &secret].concat(), "DISABLE"),
        ClientTlsMode::IstioMutual => refuse(r, &[&files[..], &secret].concat(), "ISTIO_MUTUAL"),
        ClientTlsMode::Simple => {
            refuse(r, &own, "SIMPLE");
            secret_or_files(r, credential_name.is_some(), &files);
        }
        ClientTlsMode::Mutual => {
            secret_or_files(r, credential_name.is_some(), &files);
            if credential_name.is_none() {
                require(r, &own, "MUTUAL");
            }
        }
    }
    if *insecure_skip_verify == Some(true) && ca_certificates.is_some() {
        r.error(Code::Tls, "insecureSkipVerify makes caCertificates useless");
    }
}

/// Checks TLS of a server.
pub(super) fn server(r: &mut Report, tls: &ServerTls) {
    check_certificates(r, tls);
    check_versions(r, tls);
    for (field, digests, length) in [
        // 32 bytes in base64 and in hex; the latter may have colons between.
        ("verifyCertificateSpki", &tls.verify_certificate_spki, &[44][..]),
        ("verifyCertificateHash", &tls.verify_certificate_hash, &[64, 95][..]),
    ] {
        r.each(field, digests, |r, digest| {
            if !length.contains(&digest.len()) {
                r.error(Code::Tls, "not a SHA-256 digest");
            }
        });
    }
}

fn check_certificates(r: &mut Report, tls: &ServerTls) {
    let own =
        [("serverCertificate", tls.server_certificate.is_some()), ("privateKey", tls.private_key.is_some())];
    let authorities = [
        ("caCertificates", tls.ca_certificates.is_some()),
        ("caCertCredentialName", tls.ca_cert_credential_name.is_some()),
    ];
    let sets = [
        ("credentialName", tls.credential_name.is_some()),
        ("credentialNames", !tls.credential_names.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
    ];
    exclusive(r, &sets);
    r.within("credentialNames", |r| at_most(r, tls.credential_names.len(), MOST_CERTIFICATES, "names"));
    r.within("tlsCertificates", |r| {
        at_most(r, tls.tls_certificates.len(), MOST_CERTIFICATES, "certificates");
    });
    r.each("tlsCertificates", &tls.tls_certificates, |r, files| {
        let own = [
            ("serverCertificate", files.server_certificate.is_some()),
            ("privateKey", files.private_key.is_some()),
        ];
        require(r, &own, "a certificate");
    });
    let from_secret = tls.credential_name.is_some() || !tls.credential_names.is_empty();
    match tls.mode {
        // A server that only redirects needs no certificate, and its mode is PASSTHROUGH by default.
        ServerTlsMode::Passthrough if tls.https_redirect => {}
        ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough => {
            refuse(r, &[&own[..], &authorities, &sets].concat(), tls.mode.as_str());
        }
        ServerTlsMode::IstioMutual => refuse(r, &[&own[..], &authorities, &sets].concat(), "ISTIO_MUTUAL"),
        ServerTlsMode::Simple => {
            if !from_secret && tls.tls_certificates.is_empty() {
                require(r, &own, "SIMPLE");
            }
        }
        ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual => {
            if !from_secret && tls.tls_certificates.is_empty() {
                require(r, &own, tls.mode.as_str());
            }
            let with_files = tls.tls_certificates.iter().any(|files| files.ca_certificates.is_some());
            if !from_secret && !with_files && set(&authorities).is_empty() {
                let message = format!("{} needs caCertificates to check clients by", tls.mode.as_str());
                r.error(Code::Tls, message);
            }
        }
    }
}

fn check_versions(r: &mut Report, tls: &ServerTls) {
    let (least, most) = (tls.min_protocol_version, tls.max_protocol_version);
    if most != TlsVersion::Auto && least > most {
        let message = format!("{} is higher than maxProtocolVersion {}", least.as_str(), most.as_str());
        r.error_at("minProtocolVersion", Code::Tls, message);
    }
    if least != TlsVersion::Auto && least < TlsVersion::V1_2 {
        let message = format!("{} is no longer safe", least.as_str());
        r.warn_at("minProtocolVersion", Code::Tls, message);
    }
    r.each("cipherSuites", &tls.cipher_suites, |r, suite| {
        if !SUITES.contains(&suite.as_str()) {
            r.warn(Code::Tls, format!("{suite:?} is not a known cipher suite, and is left out"));
        }
    });
}

/// Suites that may be listed (Envoy's with BoringSSL, as Istio names them).
const SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

/// Refuses fields that a mode has no use for.
fn refuse(r: &mut Report, fields: &[(&'static str, bool)], mode: &str) {
    for field in set(fields) {
        r.error_at(field, Code::Tls, format!("has no meaning with mode {mode}"));
    }
}

/// Requires fields that a mode cannot do without.
fn require(r: &mut Report, fields: &[(&'static str, bool)], mode: &str) {
    for (field, _) in fields.iter().filter(|(_, set)| !set) {
        r.error(Code::Tls, format!("{mode} needs {field}"));
    }
}

/// A secret holds everything that files could.
fn secret_or_files(r: &mut Report, secret: bool, files: &[(&'static str, bool)]) {
    if secret {
        for field in set(files) {
            r.error_at(field, Code::Tls, "credentialName already names a secret that holds it");
        }
    }
}
