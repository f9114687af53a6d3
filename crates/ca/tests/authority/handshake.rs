//! Certificates of the authority at work in mutual TLS, as proxies use them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weft_ca::{Authority, CertificateRequest, WorkloadCertificate};
use weft_match::StringMatcher;
use weft_tables::tls::{
    ClientTls, SanKind, SanMatcher, Secret, SecretSource, ServerTls, TlsCommon, TlsVersion, Validation,
    ValidationSource,
};
use weft_tls::{ClientConnector, ConnectOptions, HandshakeError, PeerFacts, ServerAcceptor, VerifyError};

use crate::setup::{authority, id, two_storeys};

const LIMIT: Duration = Duration::from_secs(10);

fn workload(authority: &Authority, account: &str) -> WorkloadCertificate {
    let now = SystemTime::now();
    let request = CertificateRequest::new(&id(account)).unwrap();
    let answer = authority.issue(request.csr_pem(), &id(account), None, now).unwrap();
    request.accept(&answer, now).unwrap()
}

/// TLS 1.3 with a workload's certificate, which takes peers of one name only.
fn tls(own: &WorkloadCertificate, peer: &str) -> TlsCommon {
    let exact = StringMatcher::Exact(id(peer).to_string().into(), false);
    let validation = Validation {
        roots: Some(own.roots.clone().into()),
        san_matchers: vec![SanMatcher { kind: SanKind::Uri, matcher: exact }],
        ..Validation::default()
    };
    let secret =
        Secret::Certificate { chain: own.chain.clone().into(), key: own.key.pem().to_owned().into() };
    TlsCommon {
        min_version: TlsVersion::V1_3,
        max_version: TlsVersion::V1_3,
        cipher_suites: vec![],
        curves: vec![],
        alpn: vec![],
        certificates: vec![SecretSource::Inline(Arc::new(secret))],
        validation: ValidationSource::One(SecretSource::Inline(Arc::new(Secret::Validation(validation)))),
    }
}

/// Lets both meet; what the server and the client found.
async fn meet(
    server: TlsCommon,
    client: TlsCommon,
) -> (Result<PeerFacts, HandshakeError>, Result<PeerFacts, HandshakeError>) {
    let server = ServerTls {
        common: server,
        require_client_certificate: true,
        require_sni: false,
        disable_tickets: false,
    };
    let client = ClientTls {
        common: client,
        sni: "".into(),
        auto_host_sni: false,
        auto_sni_san_validation: false,
        max_session_keys: 1,
        allow_renegotiation: false,
    };
    let acceptor = ServerAcceptor::new(&server, &|_| None).unwrap();
    let connector = ClientConnector::new(&client, &|_| None).unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let serve = async {
        let (mut stream, facts) = acceptor.accept(far, LIMIT).await?;
        stream.write_u8(1).await.map_err(|error| HandshakeError::from_io(error, None))?;
        stream.shutdown().await.map_err(|error| HandshakeError::from_io(error, None))?;
        Ok(facts)
    };
    let call = async {
        let (mut stream, facts) = connector.connect(near, ConnectOptions::default(), LIMIT).await?;
        // A TLS 1.3 client learns only now whether it was taken.
        stream.read_u8().await.map_err(|error| HandshakeError::from_io(error, None))?;
        Ok(facts)
    };
    tokio::join!(serve, call)
}

#[tokio::test]
async fn both_sides_know_each_other() {
    let now = SystemTime::now();
    for authority in [authority(now), two_storeys().2.load(now).unwrap()] {
        let (a, b) = (workload(&authority, "a"), workload(&authority, "b"));
        let (server, client) = meet(tls(&a, "b"), tls(&b, "a")).await;
        assert_eq!(server.unwrap().identity(), Some(id("b")));
        let client = client.unwrap();
        assert_eq!((client.identity(), client.version), (Some(id("a")), "TLSv1.3"));
    }
}

#[tokio::test]
async fn another_name_is_refused() {
    let authority = authority(SystemTime::now());
    let (a, b) = (workload(&authority, "a"), workload(&authority, "b"));
    let (server, client) = meet(tls(&a, "c"), tls(&b, "a")).await;
    assert!(server.is_err() && client.is_err());
    let (_, client) = meet(tls(&a, "b"), tls(&b, "c")).await;
    let refusal = client.unwrap_err();
    assert!(refusal.reason().contains("spiffe://cluster.local/ns/default/sa/a"), "{}", refusal.reason());
}

#[tokio::test]
async fn another_root_is_refused() {
    let now = SystemTime::now();
    let (ours, theirs) = (authority(now), authority(now));
    let (a, foreign) = (workload(&ours, "a"), workload(&theirs, "b"));
    let mut tls_of_foreign = tls(&foreign, "a");
    // It trusts us, so that the refusal is ours.
    tls_of_foreign.validation = tls(&a, "a").validation;
    let (server, client) = meet(tls(&a, "b"), tls_of_foreign).await;
    assert!(matches!(server.unwrap_err(), HandshakeError::Refused(VerifyError::Chain(_))));
    assert!(client.is_err());
}
