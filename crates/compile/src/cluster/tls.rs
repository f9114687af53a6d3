//! Transports as transport sockets.

use weft_api::istio::traffic_policy::{ClientTls, ClientTlsMode, ProxyVersion};
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::cluster::v3::cluster::TransportSocketMatch;
use weft_proto::envoy::config::core::v3::data_source::Specifier;
use weft_proto::envoy::config::core::v3::proxy_protocol_config::Version;
use weft_proto::envoy::config::core::v3::{DataSource, ProxyProtocolConfig, TransportSocket};
use weft_proto::envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
use weft_proto::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::certificate_validation_context::TrustChainVerification;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use weft_proto::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::tls_parameters::TlsProtocol;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, TlsCertificate, TlsParameters,
    UpstreamTlsContext,
};
use weft_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use weft_proto::google::protobuf::Struct;
use weft_proto::hbone::{UPSTREAM, Upstream};

use super::pool::HttpVersion;
use super::transport::{Mutual, Transport};
use crate::capabilities::Capabilities;
use crate::filter::source;
use crate::message::{structure, text};
use crate::security::tls::TLS_SOCKET;

/// Authorities of public servers, where a rule names none.
pub const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The key in an endpoint's metadata that chooses the socket, and its value for Istio's mutual TLS.
pub(crate) const TLS_MODE: (&str, &str) = ("tlsMode", "istio");
/// The same for HBONE, beside it.
pub(crate) const TUNNEL: (&str, &str) = ("tunnel", "http");

const RAW_SOCKET: &str = "envoy.transport_sockets.raw_buffer";
const PROXY_SOCKET: &str = "envoy.transport_sockets.upstream_proxy_protocol";

/// What a socket is rendered for.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) capabilities: Capabilities,
    pub(crate) http: Option<HttpVersion>,
    pub(crate) proxy_header: Option<ProxyVersion>,
    /// Opaque connections go as streams of HBONE to endpoints whose proxies take that.
    pub(crate) hbone: bool,
}

/// Sets the transport sockets of a cluster.
pub(crate) fn apply(cluster: &mut Cluster, transport: &Transport<'_>, offer: Offer) {
    let wrap = |socket: TransportSocket| match offer.proxy_header {
        Some(version) => with_header(socket, version),
        None => socket,
    };
    match transport {
        Transport::Plain if offer.proxy_header.is_none() => {}
        Transport::Plain => cluster.transport_socket = Some(wrap(raw())),
        Transport::Mutual(mutual) => cluster.transport_socket = Some(wrap(istio(mutual, offer))),
        Transport::Tls(tls, names) => cluster.transport_socket = Some(wrap(originate(tls, names, offer))),
        Transport::Auto(mutual) => {
            let (key, value) = TLS_MODE;
            if offer.hbone {
                let both = structure([(key, text(value)), (TUNNEL.0, text(TUNNEL.1))]);
                let config = Upstream { transport_socket: Some(istio(mutual, offer)), ..Upstream::default() };
                let socket = source::transport_socket(UPSTREAM, &config);
                cluster.transport_socket_matches = vec![chosen("hbone", both, socket)];
            }
            cluster.transport_socket_matches.extend([
                chosen("tlsMode-istio", structure([(key, text(value))]), wrap(istio(mutual, offer))),
                chosen("tlsMode-disabled", Struct::default(), wrap(raw())),
            ]);
        }
    }
}

fn chosen(name: &str, criteria: Struct, socket: TransportSocket) -> TransportSocketMatch {
    TransportSocketMatch { name: name.to_owned(), r#match: Some(criteria), transport_socket: Some(socket) }
}

fn raw() -> TransportSocket {
    source::transport_socket(RAW_SOCKET, &RawBuffer {})
}

fn with_header(inner: TransportSocket, version: ProxyVersion) -> TransportSocket {
    let version = match version {
        ProxyVersion::V1 => Version::V1,
        ProxyVersion::V2 => Version::V2,
    };
    let config = ProxyProtocolUpstreamTransport {
        config: Some(ProxyProtocolConfig { version: version.into(), ..Default::default() }),
        transport_socket: Some(inner),
        ..Default::default()
    };
    source::transport_socket(PROXY_SOCKET, &config)
}

fn istio(mutual: &Mutual, offer: Offer) -> TransportSocket {
    let mut alpn: Vec<String> = offer.capabilities.tcp_alpn().iter().map(|n| (*n).to_owned()).collect();
    if offer.http == Some(HttpVersion::Http2) {
        alpn.push("h2".to_owned());
    }
    let validation = CombinedCertificateValidationContext {
        default_validation_context: Some(CertificateValidationContext {
            match_typed_subject_alt_names: mutual.identities.iter().map(|n| named(n, SanType::Uri)).collect(),
            ..Default::default()
        }),
        validation_context_sds_secret_config: Some(source::workload_secret(source::ROOT_SECRET)),
        ..Default::default()
    };
    let context = CommonTlsContext {
        tls_params: Some(parameters()),
        alpn_protocols: alpn,
        tls_certificate_sds_secret_configs: vec![source::workload_secret(source::WORKLOAD_SECRET)],
        validation_context_type: Some(ValidationContextType::CombinedValidationContext(validation)),
        ..Default::default()
    };
    client(context, &mutual.server_name)
}

fn originate(tls: &ClientTls, names: &[String], offer: Offer) -> TransportSocket {
    let alpn = if offer.http == Some(HttpVersion::Http2) { vec!["h2".to_owned()] } else { Vec::new() };
    let mut context =
        CommonTlsContext { tls_params: Some(parameters()), alpn_protocols: alpn, ..Default::default() };
    let names: Vec<SubjectAltNameMatcher> = names.iter().map(|n| san(n)).collect();
    let credential = tls.credential_name.as_deref().filter(|name| !name.is_empty());
    match credential {
        Some(name) => {
            if tls.mode == ClientTlsMode::Mutual {
                let own = format!("kubernetes://{name}");
                context.tls_certificate_sds_secret_configs = vec![source::control_plane_secret(&own)];
            }
            let roots = format!("kubernetes://{name}-cacert");
            let validation = CombinedCertificateValidationContext {
                default_validation_context: Some(CertificateValidationContext {
                    match_typed_subject_alt_names: names,
                    ..Default::default()
                }),
                validation_context_sds_secret_config: Some(source::control_plane_secret(&roots)),
                ..Default::default()
            };
            context.validation_context_type =
                Some(ValidationContextType::CombinedValidationContext(validation));
        }
        None => {
            let path = |path: &Option<String>| path.as_deref().filter(|p| !p.is_empty()).map(file);
            if tls.mode == ClientTlsMode::Mutual {
                context.tls_certificates = vec![TlsCertificate {
                    certificate_chain: path(&tls.client_certificate),
                    private_key: path(&tls.private_key),
                    ..Default::default()
                }];
            }
            let mut validation = CertificateValidationContext {
                trusted_ca: path(&tls.ca_certificates).or_else(|| Some(file(SYSTEM_ROOTS))),
                crl: path(&tls.ca_crl),
                match_typed_subject_alt_names: names,
                ..Default::default()
            };
            if tls.insecure_skip_verify == Some(true) {
                validation.trust_chain_verification = TrustChainVerification::AcceptUntrusted.into();
                validation.match_typed_subject_alt_names.clear();
            }
            context.validation_context_type = Some(ValidationContextType::ValidationContext(validation));
        }
    }
    client(context, tls.sni.as_deref().unwrap_or_default())
}

fn client(context: CommonTlsContext, server_name: &str) -> TransportSocket {
    let config = UpstreamTlsContext {
        common_tls_context: Some(context),
        sni: server_name.to_owned(),
        ..Default::default()
    };
    source::transport_socket(TLS_SOCKET, &config)
}

/// Envoy's client would go no higher than TLS 1.2 by itself.
fn parameters() -> TlsParameters {
    TlsParameters {
        tls_minimum_protocol_version: TlsProtocol::TlSv12.into(),
        tls_maximum_protocol_version: TlsProtocol::TlSv13.into(),
        ..Default::default()
    }
}

fn file(path: &str) -> DataSource {
    DataSource { specifier: Some(Specifier::Filename(path.to_owned())), ..Default::default() }
}

fn named(name: &str, kind: SanType) -> SubjectAltNameMatcher {
    SubjectAltNameMatcher {
        san_type: kind.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(MatchPattern::Exact(name.to_owned())),
            ignore_case: false,
        }),
        ..Default::default()
    }
}

/// A name that a rule wants in the certificate: an identity, an address or a DNS name.
fn san(name: &str) -> SubjectAltNameMatcher {
    let kind = if name.contains("://") {
        SanType::Uri
    } else if name.parse::<std::net::IpAddr>().is_ok() {
        SanType::IpAddress
    } else {
        SanType::Dns
    };
    named(name, kind)
}
