//! Real Envoy takes its certificate by our secret service, and serves mutual TLS with it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use weft_agent::identity::{Identity, obtain};
use weft_agent::sds::SecretServer;
use weft_agent::socket::BoundSocket;
use weft_ca::WorkloadCertificate;
use weft_tls::Certificate;
use weft_types::random::SplitMix;

use crate::envoy;
use crate::identity::{PATIENCE, next};
use crate::plane::{Plane, id};

/// An Envoy that serves one word by mutual TLS, its secrets named so.
fn config(port: u16, socket: &Path, certificate: &str, roots: &str, api: &str) -> String {
    json!({"node": {"id": "a", "cluster": "a"}, "static_resources": {
        "clusters": [{
            "name": "sds-grpc",
            "type": "STATIC",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }},
            "load_assignment": {"cluster_name": "sds-grpc", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"pipe": {"path": socket}}}}
            ]}]},
        }],
        "listeners": [listener(([127, 0, 0, 1], port).into(), certificate, roots, api, "here")],
    }})
    .to_string()
}

/// A listener that says one word by mutual TLS.
pub(crate) fn listener(address: SocketAddr, certificate: &str, roots: &str, api: &str, word: &str) -> Value {
    let source = json!({"api_config_source": {
        "api_type": api,
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
    }, "resource_api_version": "V3"});
    let secret = |name: &str| json!({"name": name, "sds_config": source});
    json!({
        "name": "mtls",
        "address": {"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}},
        "filter_chains": [{
            "transport_socket": {"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "require_client_certificate": true,
                "common_tls_context": {
                    "tls_certificate_sds_secret_configs": [secret(certificate)],
                    "validation_context_sds_secret_config": secret(roots),
                },
            }},
            "filters": [{"name": "hcm", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "a",
                "route_config": {"virtual_hosts": [{"name": "a", "domains": ["*"], "routes": [
                    {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": word}}}
                ]}]},
                "http_filters": [{"name": "router", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
            }}],
        }],
    })
}

pub(crate) fn client(own: &WorkloadCertificate) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(own.roots.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Anyone(provider.clone()));
    let chain = CertificateDer::pem_slice_iter(own.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(own.key.pem().as_bytes()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(chain, key)
        .unwrap();
    // Each handshake shows the certificate of its time.
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// Takes any server: the tests look at what it showed.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

pub(crate) type Connection = TlsStream<TcpStream>;

pub(crate) async fn connect(connector: &TlsConnector, address: SocketAddr) -> std::io::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    let mut stream = connector.connect(ServerName::try_from("reviews.default.svc").unwrap(), stream).await?;
    // TLS 1.3 tells a client only afterwards that it is refused.
    call(&mut stream).await?;
    Ok(stream)
}

/// One request on a connection that stays open.
pub(crate) async fn call(stream: &mut Connection) -> std::io::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(b"here") {
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await??;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&buffer[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

pub(crate) async fn connect_patiently(connector: &TlsConnector, address: SocketAddr) -> Connection {
    let begun = Instant::now();
    loop {
        match connect(connector, address).await {
            Ok(stream) => return stream,
            Err(error) if begun.elapsed() > PATIENCE => panic!("no mutual TLS with Envoy: {error}"),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

pub(crate) fn shown(stream: &Connection) -> Certificate {
    Certificate::of_chain(stream.get_ref().1.peer_certificates().unwrap()).unwrap()
}

#[tokio::test]
async fn envoy_serves_by_our_secrets_and_a_rotation_drops_nothing() {
    for api in ["GRPC", "DELTA_GRPC"] {
        let plane = Plane::start().await;
        let identity = Identity::start(plane.config(5), SplitMix::new(1));
        let mut certificates = identity.certificates();
        let first = next(&mut certificates).await;
        let socket = plane.folder.path().join("sds");
        let _secrets =
            SecretServer::start(BoundSocket::bind(&socket).unwrap(), identity.certificates()).unwrap();
        let port = envoy::free_port();
        let _envoy = envoy::start(plane.folder.path(), &config(port, &socket, "default", "ROOTCA", api));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mine = obtain(&plane.config(600), None).await.unwrap();
        let connector = client(&mine);
        let mut open = connect_patiently(&connector, address).await;
        let before = shown(&open);
        assert_eq!(before.identity(), Some(id("reviews")));
        let mut chains = vec![first.chain.clone()];
        let (mut calls, mut handshakes, mut serials) = (0, 0, std::collections::BTreeSet::new());
        while chains.len() < 4 {
            call(&mut open).await.unwrap_or_else(|error| panic!("{api}: dropped at call {calls}: {error}"));
            let fresh = connect(&connector, address).await;
            let fresh = fresh.unwrap_or_else(|error| panic!("{api}: handshake {handshakes}: {error}"));
            serials.insert(shown(&fresh).fingerprint());
            (calls, handshakes) = (calls + 1, handshakes + 1);
            if certificates.has_changed().unwrap() {
                chains.push(next(&mut certificates).await.chain.clone());
            }
            sleep(Duration::from_millis(20)).await;
        }
        let begun = Instant::now();
        loop {
            let now = shown(&connect(&connector, address).await.unwrap());
            let newest = CertificateDer::from_pem_slice(chains[3].as_bytes()).unwrap();
            if now.fingerprint() == Certificate::of_chain(&[newest]).unwrap().fingerprint() {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{api}: the newest certificate is not shown");
        }
        call(&mut open).await.unwrap();
        assert!(serials.len() >= 3, "{api}: {} certificates in {handshakes} handshakes", serials.len());
        assert_eq!(shown(&open).fingerprint(), before.fingerprint());
    }
}

#[tokio::test]
async fn who_belongs_to_another_mesh_is_refused_by_envoy() {
    let (plane, other) = (Plane::start().await, Plane::start().await);
    let identity = Identity::start(plane.config(600), SplitMix::new(1));
    let socket = plane.folder.path().join("sds");
    let _secrets = SecretServer::start(BoundSocket::bind(&socket).unwrap(), identity.certificates()).unwrap();
    let port = envoy::free_port();
    let _envoy = envoy::start(plane.folder.path(), &config(port, &socket, "default", "ROOTCA", "GRPC"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let friend = obtain(&plane.config(600), None).await.unwrap();
    connect_patiently(&client(&friend), address).await;
    let stranger = obtain(&other.config(600), None).await.unwrap();
    assert!(connect(&client(&stranger), address).await.is_err());
}

#[tokio::test]
async fn secrets_of_files_are_served_and_pushed_when_they_change() {
    let plane = Plane::start().await;
    let folder = plane.folder.path();
    let write = |certificate: &WorkloadCertificate| {
        std::fs::write(folder.join("key.pem"), certificate.key.pem()).unwrap();
        std::fs::write(folder.join("ca.pem"), &certificate.roots).unwrap();
        std::fs::write(folder.join("cert.pem"), &certificate.chain).unwrap();
    };
    let first = obtain(&plane.config(600), None).await.unwrap();
    write(&first);
    let (_nobody, none) = tokio::sync::watch::channel(None);
    let socket = folder.join("sds");
    let _secrets = SecretServer::start(BoundSocket::bind(&socket).unwrap(), none).unwrap();
    let port = envoy::free_port();
    let (certificate, roots) = (
        format!("file-cert:{0}/cert.pem~{0}/key.pem", folder.display()),
        format!("file-root:{}/ca.pem", folder.display()),
    );
    let _envoy = envoy::start(folder, &config(port, &socket, &certificate, &roots, "GRPC"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let connector = client(&first);
    let before = shown(&connect_patiently(&connector, address).await).fingerprint();
    write(&obtain(&plane.config(600), None).await.unwrap());
    let begun = Instant::now();
    while shown(&connect_patiently(&connector, address).await).fingerprint() == before {
        assert!(begun.elapsed() < PATIENCE, "the changed file is not shown");
        sleep(Duration::from_millis(100)).await;
    }
}
