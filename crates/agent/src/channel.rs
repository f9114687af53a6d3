//! A gRPC channel to the control plane over TLS.
//!
//! One call is one connection. It does not come back by itself: roots and certificates rotate, so whoever
//! loses a connection connects anew, with what is in the files by then.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower_service::Service;
use weft_ca::WorkloadCertificate;

/// How long name look-up, connection and handshake may take together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause of a silent connection after which it is probed (HTTP/2 PING).
pub const KEEPALIVE: Duration = Duration::from_secs(30);
/// Longest file of roots, bytes.
pub const MAX_ROOTS_BYTES: u64 = 1024 * 1024;
/// Flow-control window of a stream, bytes. Source: Istio's agent.
const WINDOW: u32 = 1024 * 1024;

/// A control plane, and how to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// DNS name (or IP address) that its certificate must carry.
    pub name: String,
    /// PEM file with the roots to trust.
    pub roots: PathBuf,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file of roots cannot be used.
    #[error("root certificate file {}: {reason}; it has to hold the mesh's root (ConfigMap istio-ca-root-cert, or weftd's STATE/root-cert.pem)", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The name to verify is no name.
    #[error("--discovery-name {0:?} is neither a DNS name nor an IP address")]
    Name(String),
    /// Our own certificate cannot be shown.
    #[error("the workload's certificate cannot be used: {0}")]
    Certificate(String),
    /// No connection.
    #[error("cannot connect to {address}: {source}")]
    Tcp {
        /// The control plane's address.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is somebody whom our roots do not know.
    #[error("{address} shows a certificate that no root in {} has signed: it belongs to another mesh, or the file is out of date", roots.display())]
    OtherMesh {
        /// The control plane's address.
        address: String,
        /// The file of roots.
        roots: PathBuf,
    },
    /// It has another name.
    #[error("{address} shows a certificate that is not for {name:?}: {reason}")]
    OtherName {
        /// The control plane's address.
        address: String,
        /// The name that was wanted.
        name: String,
        /// What the verifier says.
        reason: String,
    },
    /// The handshake failed otherwise.
    #[error("TLS with {address} failed: {reason}")]
    Tls {
        /// The control plane's address.
        address: String,
        /// What the library says.
        reason: String,
    },
    /// HTTP/2 did not begin.
    #[error("HTTP/2 with {address} failed: {reason}")]
    Http2 {
        /// The control plane's address.
        address: String,
        /// What the library says.
        reason: String,
    },
    /// It took longer than [`CONNECT_TIMEOUT`].
    #[error("no connection to {address} within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout {
        /// The control plane's address.
        address: String,
    },
}

/// Connects. With a certificate, it is shown when the server asks for one.
///
/// # Errors
/// See [`ConnectError`]; all but [`ConnectError::Name`] may pass with time.
pub async fn connect(
    server: &Server,
    certificate: Option<&WorkloadCertificate>,
) -> Result<Channel, ConnectError> {
    let address = server.address.clone();
    tokio::time::timeout(CONNECT_TIMEOUT, connect_unhurried(server, certificate))
        .await
        .unwrap_or(Err(ConnectError::Timeout { address }))
}

async fn connect_unhurried(
    server: &Server,
    certificate: Option<&WorkloadCertificate>,
) -> Result<Channel, ConnectError> {
    let address = &server.address;
    let name =
        ServerName::try_from(server.name.clone()).map_err(|_| ConnectError::Name(server.name.clone()))?;
    let config = tls(&server.roots, certificate).await?;
    let stream = TcpStream::connect(address.as_str())
        .await
        .map_err(|source| ConnectError::Tcp { address: address.clone(), source })?;
    stream.set_nodelay(true).map_err(|source| ConnectError::Tcp { address: address.clone(), source })?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| of_handshake(&error, server))?;
    let failed = |reason: String| ConnectError::Http2 { address: address.clone(), reason };
    if stream.get_ref().1.alpn_protocol().is_some_and(|protocol| protocol != b"h2") {
        return Err(failed("the server agreed on another protocol".to_owned()));
    }
    // The scheme here is the connector's business; `origin` is what the server sees.
    let uri = |scheme| Uri::builder().scheme(scheme).authority(authority(server)).path_and_query("/").build();
    let inner = uri("http").map_err(|error| failed(error.to_string()))?;
    let outer = uri("https").map_err(|error| failed(error.to_string()))?;
    Endpoint::from(inner)
        .origin(outer)
        .user_agent(concat!("weft-agent/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| failed(error.to_string()))?
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .connect_with_connector(Connected(Some(stream)))
        .await
        .map_err(|error| failed(crate::channel::causes(&error)))
}

/// `:authority`: the name that is verified, with the port.
fn authority(server: &Server) -> String {
    let port = server.address.rsplit_once(':').map_or("15012", |(_, port)| port);
    if server.name.contains(':') {
        format!("[{}]:{port}", server.name)
    } else {
        format!("{}:{port}", server.name)
    }
}

async fn tls(roots: &Path, certificate: Option<&WorkloadCertificate>) -> Result<ClientConfig, ConnectError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::Certificate(error.to_string()))?
        .with_root_certificates(store(roots).await?);
    let mut config = match certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let unusable = |error: String| ConnectError::Certificate(error);
            let chain = CertificateDer::pem_reader_iter(Cursor::new(&certificate.chain))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| unusable(error.to_string()))?;
            let key = PrivateKeyDer::from_pem_slice(certificate.key.pem().as_bytes())
                .map_err(|error| unusable(error.to_string()))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| unusable(error.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

async fn store(path: &Path) -> Result<RootCertStore, ConnectError> {
    use tokio::io::AsyncReadExt as _;
    let unusable = |reason: String| ConnectError::Roots { path: path.to_owned(), reason };
    let mut text = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(|error| unusable(error.to_string()))?;
    file.take(MAX_ROOTS_BYTES + 1)
        .read_to_end(&mut text)
        .await
        .map_err(|error| unusable(error.to_string()))?;
    if text.len() as u64 > MAX_ROOTS_BYTES {
        return Err(unusable(format!("longer than {MAX_ROOTS_BYTES} bytes")));
    }
    let mut store = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(&text) {
        let der = der.map_err(|error| unusable(error.to_string()))?;
        store.add(der).map_err(|error| unusable(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unusable("no certificate in it".to_owned()));
    }
    Ok(store)
}

fn of_handshake(error: &std::io::Error, server: &Server) -> ConnectError {
    let address = server.address.clone();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        // Two meshes whose roots have the same subject differ by signature alone.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => ConnectError::OtherMesh { address, roots: server.roots.clone() },
        Some(rustls::Error::InvalidCertificate(
            reason @ (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
        )) => ConnectError::OtherName { address, name: server.name.clone(), reason: reason.to_string() },
        _ => ConnectError::Tls { address, reason: error.to_string() },
    }
}

/// An error with all its causes: the gRPC library's own text names only the outermost.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// Hands out the one connection that is there.
struct Connected(Option<TlsStream<TcpStream>>);

impl Service<Uri> for Connected {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let ended = || std::io::Error::new(std::io::ErrorKind::NotConnected, "the connection has ended");
        std::future::ready(self.0.take().map(TokioIo::new).ok_or_else(ended))
    }
}
