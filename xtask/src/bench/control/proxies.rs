//! Proxies that only listen: each a connection with a stream, that subscribes as a proxy does and acknowledges.

use super::mesh::Mesh;
use super::wire;
use crate::bench::program::address;
use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// Windows of HTTP/2 as Istio's agent has them, bytes.
const WINDOW: u32 = 1 << 20;

/// Something that a proxy got.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) proxy: usize,
    /// The last part of the type.
    pub(super) kind: &'static str,
    pub(super) resources: usize,
    pub(super) bytes: usize,
    pub(super) at: SystemTime,
    /// It has all that it subscribed to.
    pub(super) synced: bool,
}

/// What all proxies share.
#[derive(Clone)]
pub(super) struct Ends {
    pub(super) mesh: Rc<Mesh>,
    pub(super) port: u16,
    pub(super) tls: Arc<rustls::ClientConfig>,
    pub(super) got: mpsc::UnboundedSender<Got>,
    /// Those from this number on do not read any more.
    pub(super) freeze_from: Rc<Cell<usize>>,
}

/// TLS that trusts a mesh's root.
pub(super) fn tls(roots: &Path) -> Result<Arc<rustls::ClientConfig>> {
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(roots).context("roots")? {
        store.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Lives until its stream ends, which is a failure.
pub(super) async fn live(proxy: usize, ends: Ends) -> Result<()> {
    let tcp = TcpStream::connect(address(ends.port)).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("istiod.istio-system.svc")?;
    let tls = tokio_rustls::TlsConnector::from(ends.tls.clone()).connect(name, tcp).await?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (mut sender, connection) = builder.handshake::<_, Bytes>(tls).await?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    let (service, pod) = ends.mesh.beside(proxy);
    let request = http::Request::post("https://istiod.istio-system.svc/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer token-{service}"))
        .body(())?;
    let (response, mut to) = sender.send_request(request, false)?;
    let namespace = Mesh::namespace(service);
    let ip = Mesh::address(service, pod);
    let id = format!("sidecar~{ip}~s{service}-a-{pod}.{namespace}~{namespace}.svc.cluster.local");
    let account = format!("sa-{service}");
    let node = wire::node(
        &id,
        &[("NAMESPACE", &namespace), ("SERVICE_ACCOUNT", &account), ("ISTIO_VERSION", "1.32.0")],
    );
    let all = ["*".to_owned()];
    to.send_data(wire::request(Some(&node), CLUSTER, &all, ""), false)?;
    let response = response.await?;
    if response.status() != 200 || response.headers().contains_key("grpc-status") {
        bail!("proxy {proxy}: {response:?}");
    }
    let mut body = response.into_body();
    let mut read = BytesMut::new();
    let mut state = State::default();
    while let Some(data) = body.data().await {
        let data = data?;
        if proxy >= ends.freeze_from.get() {
            // What it was given stays taken, and nobody asks for more.
            return std::future::pending().await;
        }
        body.flow_control().release_capacity(data.len())?;
        read.extend_from_slice(&data);
        while let Some(message) = wire::take(&mut read) {
            let response = wire::read(&message);
            let (kind, more) = state.take(&response, &ends.mesh);
            for (type_url, names) in more {
                to.send_data(wire::request(None, type_url, &names, ""), false)?;
            }
            to.send_data(wire::request(None, &response.type_url, &[], &response.nonce), false)?;
            let (resources, bytes) = (response.names.len(), message.len());
            let got = Got { proxy, kind, resources, bytes, at: SystemTime::now(), synced: state.synced() };
            if ends.got.send(got).is_err() {
                return Ok(());
            }
        }
    }
    bail!("proxy {proxy}: the stream ended: {:?}", body.trailers().await)
}

/// What a proxy waits for.
#[derive(Debug, Default)]
struct State {
    endpoints: usize,
    endpoints_wanted: usize,
    routes: usize,
    routes_wanted: usize,
    begun: bool,
}

impl State {
    /// What was got, and what is subscribed to for it.
    fn take(
        &mut self,
        response: &wire::Response,
        mesh: &Mesh,
    ) -> (&'static str, Vec<(&'static str, Vec<String>)>) {
        let first = !self.begun;
        match response.type_url.as_str() {
            CLUSTER => {
                let outbound = response.names.iter().filter(|name| name.starts_with("outbound|"));
                let names: Vec<String> = match self.synced() {
                    true => Vec::new(),
                    false => outbound.cloned().collect(),
                };
                self.endpoints_wanted += names.len();
                let mut more = Vec::new();
                if !names.is_empty() {
                    more.push((ENDPOINTS, names));
                }
                if first {
                    self.begun = true;
                    more.push((LISTENER, vec!["*".to_owned()]));
                }
                ("Cluster", more)
            }
            ENDPOINTS => {
                self.endpoints += response.names.len();
                ("Endpoints", Vec::new())
            }
            LISTENER if self.routes_wanted == 0 => {
                let names = mesh.routes();
                self.routes_wanted = names.len();
                ("Listener", vec![(ROUTE, names)])
            }
            LISTENER => ("Listener", Vec::new()),
            ROUTE => {
                self.routes += response.names.len();
                ("Routes", Vec::new())
            }
            _ => ("Other", Vec::new()),
        }
    }

    fn synced(&self) -> bool {
        self.routes_wanted > 0 && self.routes >= self.routes_wanted && self.endpoints >= self.endpoints_wanted
    }
}
