//! All of it put together.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::sync::{mpsc as mpsc_async, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Router;
use weft_ca_service::CertificateService;
use weft_model::MeshConfig;
use weft_xds::server::{Ads, Limits, Streams};

use crate::callers::Callers;
use crate::certificates::Certificates;
use crate::debug::{self, Pages};
use crate::kubernetes::Cluster;
use crate::leases::Leases;
use crate::nodes::Nodes;
use crate::secrets::WithSecrets;
use crate::settings::Settings;
use crate::tokens::TokenFile;
use crate::world::{self, Sources};
use crate::{listen, mesh_config};

/// Pause of a silent connection after which it is probed.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long a probe may go unanswered.
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(20);
/// Flow-control windows, bytes. Source: Istio's agent, for its own end.
const WINDOW: u32 = 1 << 20;
/// Streams of one connection at a time.
const STREAMS: u32 = 100;
/// Longest head of a request, bytes; tokens are in it.
const HEAD: u32 = 64 << 10;
/// Connections of one port.
type Connections = mpsc_async::Receiver<std::io::Result<listen::Connection>>;
/// How long streams may take to end when we stop.
const STOP: Duration = Duration::from_secs(3);

/// A running control plane; dropping it leaves its tasks to the runtime, [`Weftd::stop`] ends them.
#[derive(Debug)]
pub struct Weftd {
    /// Where the TLS port listens.
    pub grpc: SocketAddr,
    /// Where the pages are.
    pub http: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    renewal: JoinHandle<()>,
    sources: Sources,
    leases: Option<Leases>,
}

impl Weftd {
    /// Ends streams and connections, in order, and then everything.
    pub async fn stop(self) {
        let Self { grpc: _, http: _, stop, tasks, renewal, sources, leases } = self;
        renewal.abort();
        stop.send_replace(true);
        if let Some(leases) = leases {
            leases.release().await;
        }
        for task in tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(STOP, task).await.is_err() {
                abort.abort();
            }
        }
        // Joins threads.
        drop(tokio::task::spawn_blocking(move || drop(sources)).await);
    }
}

/// Reads everything, listens, and serves.
///
/// # Errors
/// What cannot be read, written or listened on, by name.
pub async fn start(settings: Settings) -> Result<Weftd> {
    let Settings {
        config_dirs,
        state_dir,
        grpc,
        http,
        plain,
        cacerts,
        trust_domain,
        token_auth_file,
        mesh_config,
        kubernetes,
        log_level: _,
        log_json: _,
        keepalive_max_server_connection_age: age,
    } = settings;
    let mesh = mesh(mesh_config.as_deref(), trust_domain.clone())?;
    let at = |port| match kubernetes.kubernetes {
        true => SocketAddr::from(([0, 0, 0, 0], port)),
        false => SocketAddr::from(([127, 0, 0, 1], port)),
    };
    let (grpc, http) = (grpc.unwrap_or_else(|| at(15012)), http.unwrap_or_else(|| at(15014)));
    let (send, updates) = mpsc::channel();
    let place = config_dirs.len();
    let (mesh, cluster) = match kubernetes.kubernetes {
        true => {
            let (mesh, cluster) =
                Cluster::start(&kubernetes, mesh, trust_domain, place, send.clone()).await?;
            (mesh, Some(cluster))
        }
        false => (mesh, None),
    };
    let trust_domain = mesh.trust_domain.clone();

    let grpc_listener = TcpListener::bind(grpc).await.with_context(|| format!("--grpc {grpc}"))?;
    let http_listener = TcpListener::bind(http).await.with_context(|| format!("--http {http}"))?;
    let plain = match plain.or_else(|| kubernetes.kubernetes.then(|| at(15010))) {
        Some(plain) => Some(TcpListener::bind(plain).await.with_context(|| format!("--plain {plain}"))?),
        None => None,
    };
    let (grpc, http) = (grpc_listener.local_addr()?, http_listener.local_addr()?);
    let (certificates, serving) = match &cluster {
        // A folder of the user's goes before Secrets.
        Some(cluster) if cacerts.is_none() => {
            let authority = cluster.authority(&trust_domain).await?;
            Certificates::with(authority, None, &state_dir, grpc, cluster.names())?
        }
        _ => Certificates::open(&state_dir, cacerts, &trust_domain, grpc)?,
    };
    let certificates = Arc::new(certificates);
    let leases = cluster.as_ref().map(Cluster::leases);
    let (reviews, mut extra) = match (&cluster, &leases) {
        (Some(cluster), Some(leases)) => {
            (Some(cluster.reviews()), cluster.serve(&certificates, leases).await?)
        }
        _ => (None, Vec::new()),
    };
    let statuses =
        cluster.as_ref().zip(leases.as_ref()).and_then(|(cluster, leases)| cluster.statuses(leases));
    let client = cluster.as_ref().map(Cluster::client);
    let channel = (send, updates);
    let follow = move || world::follow(&config_dirs, cluster, mesh, channel);
    let (sources, worlds) = tokio::task::spawn_blocking(follow).await??;

    let tokens = token_auth_file.map(|path| Arc::new(TokenFile::new(path, &*trust_domain)));
    let callers = Callers::new(tokens, &trust_domain).with_reviews(reviews);
    let nodes = Arc::new(Nodes::new(worlds.clone(), callers.clone()));
    let streams = Streams::default();
    let (stop, stopped) = watch::channel(false);
    let provider = Arc::new(WithSecrets::new(nodes.clone(), worlds.clone(), client));
    let ads = Ads::new(provider.clone(), streams.clone(), Limits::default(), stopped.clone());
    let authority = CertificateService::new(certificates.authority(), callers);

    let (ready, connections) = listen::queue();
    let accepting = tokio::spawn(listen::accept(grpc_listener, Some(certificates.clone()), ready, age));
    let services = server().add_service(ads.into_server()).add_service(authority);
    let mut tasks = vec![tokio::spawn(serve("TLS", services, connections, accepting, stopped.clone()))];
    if let Some(listener) = plain {
        tracing::info!(address = %listener.local_addr()?, "xDS without TLS");
        // No certificates there: what is asked in the open can be changed on the way.
        let ads = Ads::new(provider, streams.clone(), Limits::default(), stopped.clone());
        let (ready, connections) = listen::queue();
        let accepting = tokio::spawn(listen::accept(listener, None, ready, age));
        let services = server().add_service(ads.into_server());
        tasks.push(tokio::spawn(serve("plain", services, connections, accepting, stopped.clone())));
    }
    if let Some(statuses) = statuses {
        tasks.push(tokio::spawn(statuses.keep(worlds.clone(), nodes.clone(), streams.clone())));
    }
    let pages = debug::router(Pages { worlds, nodes, streams, local: http.ip().is_loopback() });
    for listener in extra.drain(..) {
        let (pages, mut until) = (pages.clone(), stopped.clone());
        tasks.push(tokio::spawn(async move {
            let end = async move { drop(until.wait_for(|stop| *stop).await) };
            let service = pages.into_make_service_with_connect_info::<SocketAddr>();
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(end).await {
                tracing::error!(%error, "health is told no more");
            }
        }));
    }
    let mut until = stopped;
    let pages_task = tokio::spawn(async move {
        let end = async move { drop(until.wait_for(|stop| *stop).await) };
        if let Err(error) =
            axum::serve(http_listener, pages.into_make_service_with_connect_info::<SocketAddr>())
                .with_graceful_shutdown(end)
                .await
        {
            tracing::error!(%error, "the pages are served no more");
        }
    });
    tasks.push(pages_task);
    let renewal = tokio::spawn(async move { certificates.keep(serving).await });
    Ok(Weftd { grpc, http, stop, tasks, renewal, sources, leases })
}

fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEAD)
}

/// Serves the connections of one port until we stop.
async fn serve(
    port: &str,
    services: Router,
    connections: Connections,
    accepting: JoinHandle<()>,
    mut until: watch::Receiver<bool>,
) {
    let end = async move { drop(until.wait_for(|stop| *stop).await) };
    let served = services.serve_with_incoming_shutdown(ReceiverStream::new(connections), end).await;
    accepting.abort();
    if let Err(error) = served {
        tracing::error!(%error, "the {port} port serves no more");
    }
}

fn mesh(path: Option<&std::path::Path>, trust_domain: Option<String>) -> Result<MeshConfig> {
    let mut mesh = MeshConfig::default();
    if let Some(path) = path {
        let place = || format!("--mesh-config {}", path.display());
        let text = std::fs::read_to_string(path).with_context(place)?;
        let (read, findings) = mesh_config::parse(&text).map_err(anyhow::Error::msg).with_context(place)?;
        for finding in findings {
            tracing::warn!("{finding}");
        }
        mesh = read;
    }
    if let Some(trust_domain) = trust_domain {
        mesh.trust_domain = trust_domain.into();
    }
    Ok(mesh)
}
