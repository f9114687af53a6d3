//! TLS of the client. It accepts every certificate and reports which one it was shown: a row is about
//! what the proxy does, and says itself which certificate it expects.

use crate::certs::Certs;
use crate::table::TlsCall;
use crate::wire::Wire;
use anyhow::{Result, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme, version};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// Shakes hands on a plain connection.
///
/// # Errors
/// When the handshake fails, in rustls' words.
pub(crate) async fn wrap(wire: Wire, settings: &TlsCall, certs: &Certs) -> Result<Wire> {
    let Wire::Plain(tcp) = wire else { bail!("already TLS") };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[_] = match settings.max.as_deref() {
        Some("1.2") => &[&version::TLS12],
        _ => &[&version::TLS12, &version::TLS13],
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)));
    let mut config = match &settings.cert {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let (chain, key) = certs.identity(name)?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    config.alpn_protocols = settings.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    config.enable_sni = !settings.sni.is_empty();
    let name = if settings.sni.is_empty() { "unnamed.test" } else { &settings.sni };
    let name = ServerName::try_from(name.to_owned())?;
    Ok(Wire::Client(Box::new(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?)))
}

/// Trusts anyone who holds the key of the certificate they show.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
