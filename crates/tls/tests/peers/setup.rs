//! Configuration in few words, and both of our sides against each other.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weft_match::StringMatcher;
use weft_tables::tls::{
    ClientTls, SanKind, SanMatcher, Secret, SecretSource, ServerTls, TlsCommon, TlsVersion, Validation,
    ValidationSource,
};
use weft_tls::{ClientConnector, ConnectOptions, HandshakeError, PeerFacts, ServerAcceptor};

use crate::pki::{Authority, Leaf};

pub(crate) const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn common() -> TlsCommon {
    TlsCommon {
        min_version: TlsVersion::V1_2,
        max_version: TlsVersion::V1_3,
        cipher_suites: vec![],
        curves: vec![],
        alpn: vec![],
        certificates: vec![],
        validation: ValidationSource::None,
    }
}

pub(crate) fn secret(leaf: &Leaf) -> Arc<Secret> {
    Arc::new(Secret::Certificate { chain: leaf.chain.clone().into(), key: leaf.key.clone().into() })
}

pub(crate) fn trusting(authority: &Authority) -> Validation {
    Validation { roots: Some(authority.pem.clone().into()), ..Validation::default() }
}

pub(crate) fn checked(validation: Validation) -> ValidationSource {
    ValidationSource::One(SecretSource::Inline(Arc::new(Secret::Validation(validation))))
}

pub(crate) fn matcher(kind: SanKind, exact: &str) -> SanMatcher {
    SanMatcher { kind, matcher: StringMatcher::Exact(exact.into(), false) }
}

pub(crate) fn server(own: &[&Leaf], validation: ValidationSource) -> ServerTls {
    let certificates = own.iter().map(|leaf| SecretSource::Inline(secret(leaf))).collect();
    ServerTls {
        common: TlsCommon { certificates, validation, ..common() },
        require_client_certificate: false,
        require_sni: false,
        disable_tickets: false,
    }
}

pub(crate) fn client(own: &[&Leaf], validation: ValidationSource) -> ClientTls {
    let certificates = own.iter().map(|leaf| SecretSource::Inline(secret(leaf))).collect();
    ClientTls {
        common: TlsCommon { certificates, validation, ..common() },
        sni: "good.example".into(),
        auto_host_sni: false,
        auto_sni_san_validation: false,
        max_session_keys: 1,
        allow_renegotiation: false,
    }
}

pub(crate) fn acceptor(tls: &ServerTls) -> ServerAcceptor {
    ServerAcceptor::new(tls, &|_| None).unwrap()
}

pub(crate) fn connector(tls: &ClientTls) -> ClientConnector {
    ClientConnector::new(tls, &|_| None).unwrap()
}

/// What each side found.
pub(crate) struct Outcome {
    pub(crate) server: Result<PeerFacts, HandshakeError>,
    /// After an exchange of one byte each way: a TLS 1.3 client learns only then that it was refused.
    pub(crate) client: Result<PeerFacts, HandshakeError>,
}

/// Lets both sides meet.
pub(crate) async fn meet(
    acceptor: &ServerAcceptor,
    connector: &ClientConnector,
    options: ConnectOptions<'_>,
) -> Outcome {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let serve = async {
        let (mut stream, facts) = acceptor.accept(far, LIMIT).await?;
        let byte = stream.read_u8().await.map_err(|e| HandshakeError::from_io(e, None))?;
        stream.write_u8(byte + 1).await.map_err(|e| HandshakeError::from_io(e, None))?;
        stream.shutdown().await.map_err(|e| HandshakeError::from_io(e, None))?;
        Ok(facts)
    };
    let call = async {
        let (mut stream, facts) = connector.connect(near, options, LIMIT).await?;
        stream.write_u8(1).await.map_err(|e| HandshakeError::from_io(e, None))?;
        let byte = stream.read_u8().await.map_err(|e| HandshakeError::from_io(e, None))?;
        assert_eq!(byte, 2);
        Ok(facts)
    };
    let (server, client) = tokio::join!(serve, call);
    Outcome { server, client }
}
