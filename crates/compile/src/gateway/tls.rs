//! TLS of a Gateway's servers, and of Sidecar.ingress (GW-04 to GW-08, SC-02).

use weft_api::istio::gateway::{ServerTls, ServerTlsMode, TlsVersion};
use weft_proto::envoy::config::core::v3::DataSource;
use weft_proto::envoy::config::core::v3::data_source::Specifier;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::certificate_validation_context::TrustChainVerification;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use weft_proto::envoy::extensions::transport_sockets::tls::v3::tls_parameters::TlsProtocol;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SubjectAltNameMatcher,
    TlsCertificate, TlsParameters, subject_alt_name_matcher::SanType,
};

use crate::filter::source;
use crate::message::bool_value;
use crate::security::{TrustDomains, tls as mesh};

/// How secrets of the cluster are called (GW-05).
const SECRET_PREFIX: &str = "kubernetes://";
/// What is added to a secret's name for the one with authorities alone.
const AUTHORITIES_SUFFIX: &str = "-cacert";
/// What a server negotiates by ALPN.
const ALPN: [&str; 2] = ["h2", "http/1.1"];

/// The context of a server that ends TLS.
#[must_use]
pub fn context(tls: &ServerTls, domains: &TrustDomains) -> DownstreamTlsContext {
    if tls.mode == ServerTlsMode::IstioMutual {
        let mut context = mesh::mutual(domains, &mesh::HTTP_ALPN);
        if let Some(common) = &mut context.common_tls_context {
            common.tls_params = Some(parameters(tls));
        }
        return context;
    }
    let names = secret_names(tls);
    let mut common = CommonTlsContext {
        tls_params: Some(parameters(tls)),
        alpn_protocols: ALPN.iter().map(|name| (*name).to_owned()).collect(),
        tls_certificate_sds_secret_configs: names.iter().map(|name| secret(name)).collect(),
        ..CommonTlsContext::default()
    };
    if names.is_empty() {
        common.tls_certificates = file_certificates(tls);
    }
    common.validation_context_type = validation(tls, names.first());
    DownstreamTlsContext {
        common_tls_context: Some(common),
        require_client_certificate: Some(bool_value(tls.mode == ServerTlsMode::Mutual)),
        ..DownstreamTlsContext::default()
    }
}

/// Names of secrets that a server needs, without prefix.
#[must_use]
pub fn secret_names(tls: &ServerTls) -> Vec<&str> {
    let one = tls.credential_name.as_deref();
    let names = tls.credential_names.iter().map(String::as_str).chain(one);
    names.filter(|name| !name.is_empty()).collect()
}

fn secret(name: &str) -> weft_proto::envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig {
    if name.contains("://") {
        return source::control_plane_secret(name);
    }
    source::control_plane_secret(&format!("{SECRET_PREFIX}{name}"))
}

fn file_certificates(tls: &ServerTls) -> Vec<TlsCertificate> {
    let pair = |chain: &Option<String>, key: &Option<String>| {
        Some(TlsCertificate {
            certificate_chain: Some(file(chain.as_deref()?)),
            private_key: Some(file(key.as_deref()?)),
            ..TlsCertificate::default()
        })
    };
    let more = tls.tls_certificates.iter().map(|one| pair(&one.server_certificate, &one.private_key));
    std::iter::once(pair(&tls.server_certificate, &tls.private_key)).chain(more).flatten().collect()
}

fn file(path: &str) -> DataSource {
    DataSource { specifier: Some(Specifier::Filename(path.to_owned())), ..DataSource::default() }
}

/// How clients are known; `None` if nothing is asked of them.
fn validation(tls: &ServerTls, secret_name: Option<&&str>) -> Option<ValidationContextType> {
    if !matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual) {
        return None;
    }
    let names = tls.subject_alt_names.iter().flat_map(|name| {
        // The kind of a name is not told: any kind may hold it.
        [SanType::Uri, SanType::Dns].map(|kind| SubjectAltNameMatcher {
            san_type: kind.into(),
            matcher: Some(exact(name)),
            ..SubjectAltNameMatcher::default()
        })
    });
    let checks = CertificateValidationContext {
        match_typed_subject_alt_names: names.collect(),
        verify_certificate_spki: tls.verify_certificate_spki.clone(),
        verify_certificate_hash: tls.verify_certificate_hash.clone(),
        trust_chain_verification: match tls.insecure_skip_verify {
            Some(true) => TrustChainVerification::AcceptUntrusted.into(),
            _ => TrustChainVerification::VerifyTrustChain.into(),
        },
        crl: tls.ca_crl.as_deref().map(file),
        ..CertificateValidationContext::default()
    };
    let authorities = match (&tls.ca_cert_credential_name, secret_name) {
        (Some(name), _) if !name.is_empty() => Some(secret(name)),
        (_, Some(name)) => Some(secret(&format!("{name}{AUTHORITIES_SUFFIX}"))),
        _ => None,
    };
    Some(match authorities {
        Some(dynamic) => {
            ValidationContextType::CombinedValidationContext(CombinedCertificateValidationContext {
                default_validation_context: Some(checks),
                validation_context_sds_secret_config: Some(dynamic),
                ..CombinedCertificateValidationContext::default()
            })
        }
        None => ValidationContextType::ValidationContext(CertificateValidationContext {
            trusted_ca: tls.ca_certificates.as_deref().map(file),
            ..checks
        }),
    })
}

fn exact(text: &str) -> weft_proto::envoy::r#type::matcher::v3::StringMatcher {
    use weft_proto::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
    weft_proto::envoy::r#type::matcher::v3::StringMatcher {
        ignore_case: false,
        match_pattern: Some(MatchPattern::Exact(text.to_owned())),
    }
}

fn parameters(tls: &ServerTls) -> TlsParameters {
    TlsParameters {
        tls_minimum_protocol_version: version(tls.min_protocol_version, TlsProtocol::TlSv12).into(),
        tls_maximum_protocol_version: version(tls.max_protocol_version, TlsProtocol::TlSv13).into(),
        cipher_suites: tls.cipher_suites.clone(),
        ..TlsParameters::default()
    }
}

fn version(version: TlsVersion, default: TlsProtocol) -> TlsProtocol {
    match version {
        TlsVersion::Auto => default,
        TlsVersion::V1_0 => TlsProtocol::TlSv10,
        TlsVersion::V1_1 => TlsProtocol::TlSv11,
        TlsVersion::V1_2 => TlsProtocol::TlSv12,
        TlsVersion::V1_3 => TlsProtocol::TlSv13,
    }
}
