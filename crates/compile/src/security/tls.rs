//! TLS of servers in the mesh: certificates of the workload's own, clients known by theirs (PA-04).

use weft_proto::envoy::config::core::v3::TransportSocket;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use weft_proto::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::tls_parameters::TlsProtocol;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SubjectAltNameMatcher,
    TlsParameters,
};
use weft_proto::google::protobuf::BoolValue;

use super::{TrustDomains, text};
use crate::filter::source;

/// Name of the transport socket.
pub const TLS_SOCKET: &str = "envoy.transport_sockets.tls";
/// Suites for TLS 1.2, as Istio's servers offer them.
const CIPHER_SUITES: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// What a server of the mesh negotiates by ALPN on chains with HTTP.
pub const HTTP_ALPN: [&str; 2] = ["h2", "http/1.1"];
/// The name by which both ends agree to tell who they are on opaque connections.
pub const PEER_EXCHANGE: &str = "istio-peer-exchange";

/// TLS 1.2 to 1.3 with the workload's certificate; clients need one of the mesh.
#[must_use]
pub fn mutual(domains: &TrustDomains, alpn: &[&str]) -> DownstreamTlsContext {
    let names = domains.names().iter().map(|name| SubjectAltNameMatcher {
        san_type: SanType::Uri.into(),
        matcher: Some(text::prefix(format!("spiffe://{name}/"))),
        ..SubjectAltNameMatcher::default()
    });
    let validation = CombinedCertificateValidationContext {
        default_validation_context: Some(CertificateValidationContext {
            match_typed_subject_alt_names: names.collect(),
            ..CertificateValidationContext::default()
        }),
        validation_context_sds_secret_config: Some(source::workload_secret(source::ROOT_SECRET)),
        ..CombinedCertificateValidationContext::default()
    };
    DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(TlsParameters {
                tls_minimum_protocol_version: TlsProtocol::TlSv12.into(),
                tls_maximum_protocol_version: TlsProtocol::TlSv13.into(),
                cipher_suites: CIPHER_SUITES.iter().map(|suite| (*suite).to_owned()).collect(),
                ..TlsParameters::default()
            }),
            tls_certificate_sds_secret_configs: vec![source::workload_secret(source::WORKLOAD_SECRET)],
            alpn_protocols: alpn.iter().map(|name| (*name).to_owned()).collect(),
            validation_context_type: Some(ValidationContextType::CombinedValidationContext(validation)),
            ..CommonTlsContext::default()
        }),
        require_client_certificate: Some(BoolValue { value: true }),
        ..DownstreamTlsContext::default()
    }
}

/// The transport socket of a context.
#[must_use]
pub fn socket(context: &DownstreamTlsContext) -> TransportSocket {
    source::transport_socket(TLS_SOCKET, context)
}
