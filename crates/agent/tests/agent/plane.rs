//! A control plane's certificate service: the real service and authority, behind real TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::server::Connected;
use tonic::{Extensions, Status};
use weft_agent::channel::Server;
use weft_agent::identity::{IdentityConfig, Proof};
use weft_ca::Authority;
use weft_ca_service::{Authenticate, CertificateService};
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::resource::ResourceSet;
use weft_tls::Certificate;
use weft_types::SpiffeId;
use weft_xds::server::{Ads, Limits, Provider, Streams};

pub(crate) const TOKEN: &str = "token-of-reviews";
pub(crate) const NAME: &str = "istiod.istio-system.svc";

/// Who called, by what.
#[derive(Clone, Default)]
pub(crate) struct Calls(pub(crate) Arc<Mutex<Vec<Proof>>>);

impl Authenticate for Calls {
    async fn caller(&self, metadata: &MetadataMap, peer: &Extensions) -> Result<SpiffeId, Status> {
        if let Some(Peer(Some(id))) = peer.get::<Peer>() {
            self.0.lock().unwrap().push(Proof::Certificate);
            return Ok(id.clone());
        }
        let token = metadata.get("authorization").and_then(|value| value.to_str().ok());
        if token != Some(&format!("Bearer {TOKEN}")) {
            return Err(Status::unauthenticated("the token is not known"));
        }
        self.0.lock().unwrap().push(Proof::Token);
        Ok(id("reviews"))
    }
}

pub(crate) fn id(account: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://cluster.local/ns/default/sa/{account}")).unwrap()
}

pub(crate) struct Plane {
    pub(crate) address: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) calls: Calls,
    pub(crate) connections: Arc<AtomicUsize>,
    /// What every node gets by ADS.
    pub(crate) resources: watch::Sender<Arc<ResourceSet>>,
    authority: Arc<ArcSwap<Authority>>,
    task: JoinHandle<()>,
}

impl Plane {
    pub(crate) async fn start() -> Self {
        let life = Duration::from_secs(3600);
        let authority = Authority::self_signed("cluster.local", SystemTime::now(), life).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root-cert.pem"), authority.roots_pem()).unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut plane = Self {
            address,
            folder,
            calls: Calls::default(),
            connections: Arc::default(),
            resources: watch::channel(Arc::default()).0,
            authority: Arc::new(ArcSwap::from_pointee(authority)),
            task: tokio::spawn(async {}),
        };
        plane.task = plane.serve(listener);
        plane
    }

    /// Ends, with all connections; [`Self::come_back`] begins anew at the same address.
    pub(crate) async fn go_away(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    pub(crate) async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = self.serve(listener);
    }

    fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        let acceptor = TlsAcceptor::from(Arc::new(tls(&self.authority.load())));
        let service = CertificateService::new(self.authority.clone(), self.calls.clone());
        let (_go_on, stop) = watch::channel(false);
        let nodes = Arc::new(Nodes { calls: self.calls.clone(), resources: self.resources.subscribe() });
        let ads = Ads::new(nodes, Streams::default(), Limits::default(), stop).into_server();
        let count = self.connections.clone();
        let (sender, receiver) = tokio::sync::mpsc::channel(8);
        tokio::spawn(async move {
            let serving = tonic::transport::Server::builder()
                .add_service(service)
                .add_service(ads)
                .serve_with_incoming_shutdown(ReceiverStream::new(receiver), std::future::pending());
            let accepting = async {
                let _go_on = _go_on;
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    count.fetch_add(1, Ordering::Relaxed);
                    let Ok(stream) = acceptor.accept(stream).await else { continue };
                    sender.send(Ok::<_, io::Error>(Accepted(stream))).await.unwrap();
                }
            };
            tokio::select! { _ = serving => {}, () = accepting => {} }
        })
    }

    pub(crate) fn config(&self, validity: u64) -> IdentityConfig {
        IdentityConfig {
            server: Server {
                address: self.address.to_string(),
                name: NAME.to_owned(),
                roots: self.folder.path().join("root-cert.pem"),
            },
            token: self.folder.path().join("token"),
            id: id("reviews"),
            cluster_id: "Kubernetes".to_owned(),
            validity: Some(Duration::from_secs(validity)),
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The nodes of the mesh: all get the same.
struct Nodes {
    calls: Calls,
    resources: watch::Receiver<Arc<ResourceSet>>,
}

impl Provider for Nodes {
    type Caller = SpiffeId;

    async fn authenticate(&self, metadata: &MetadataMap, peer: &Extensions) -> Result<SpiffeId, Status> {
        self.calls.caller(metadata, peer).await
    }

    async fn open(
        &self,
        node: &Node,
        caller: &SpiffeId,
    ) -> Result<watch::Receiver<Arc<ResourceSet>>, Status> {
        if !node.id.ends_with(&format!("~{0}.svc.cluster.local", caller.namespace)) {
            return Err(Status::permission_denied("the node is not the caller's"));
        }
        Ok(self.resources.clone())
    }
}

/// A server's side that asks for client certificates of its own mesh and does without.
fn tls(authority: &Authority) -> ServerConfig {
    let issuer_key = KeyPair::from_pem(&authority.key_pem()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate_pem(), issuer_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.roots_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Whom TLS found.
#[derive(Clone)]
struct Peer(Option<SpiffeId>);

struct Accepted(TlsStream<TcpStream>);

impl Connected for Accepted {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        let chain = self.0.get_ref().1.peer_certificates().unwrap_or_default();
        Peer(Certificate::of_chain(chain).and_then(|certificate| certificate.identity()))
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
