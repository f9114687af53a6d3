//! The agent put together: identity, sockets, bootstrap, Envoy.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;
use tokio::sync::watch;
use weft_types::random::SplitMix;

use crate::address::reach;
use crate::backoff;
use crate::bootstrap::{self, AGENT_PORT, BootstrapArgs, METRICS_PORT};
use crate::envoy::{self, EnvoyConfig, EnvoyError, Orders};
use crate::forward::{ForwardConfig, Forwarder};
use crate::identity::{Certificates, Identity};
use crate::metrics::Scrape;
use crate::node;
use crate::probes::{MalformedProbe, Probers};
use crate::sds::SecretServer;
use crate::settings::Settings;
use crate::socket::{self, BoundSocket, SocketError};
use crate::status::{self, Status};

/// Where a SPIRE agent puts its socket; one that somebody listens to wins over our own service.
pub const WORKLOAD_SOCKET: &str = "/run/secrets/workload-spiffe-uds/socket";

/// What is to be run.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Settings of the proxy.
    pub settings: Settings,
    /// The Envoy program.
    pub envoy: PathBuf,
    /// What stands before Envoy's own command: a program that becomes Envoy; empty: nothing does.
    pub launcher: Vec<OsString>,
    /// Socket of a SPIRE agent to look for, by custom [`WORKLOAD_SOCKET`].
    pub workload_socket: PathBuf,
    /// The environment, for what only the agent reads (`ISTIO_PROMETHEUS_ANNOTATIONS`,
    /// `ISTIO_KUBE_APP_PROBERS`, `EXIT_ON_ZERO_ACTIVE_CONNECTIONS`).
    pub environment: BTreeMap<String, String>,
    /// Seed of jitter.
    pub seed: u64,
}

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No private folder.
    #[error("cannot make a private folder under {}: {source}", folder.display())]
    Folder {
        /// Where.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A service does not start.
    #[error("cannot serve on a socket: {0}")]
    Serve(std::io::Error),
    /// The agent's port is taken.
    #[error(
        "cannot listen on {address}: {source}; another agent may run there: choose another address with --bind"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No bootstrap.
    #[error(transparent)]
    Bootstrap(#[from] bootstrap::BootstrapError),
    /// A variable cannot be read.
    #[error("{0}")]
    Variable(String),
    /// The application's probes cannot be read.
    #[error(transparent)]
    Probes(#[from] MalformedProbe),
    /// No Envoy.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
}

/// Runs until Envoy ends for good, or the agent is ordered to end and the drain is over; returns the exit
/// code.
///
/// # Errors
/// Something that is needed from the start is not there; the control plane is not among it.
pub async fn run(config: AgentConfig, mut orders: Orders) -> Result<u8, AgentError> {
    let AgentConfig { settings, envoy, launcher, workload_socket, environment, seed } = config;
    let variable = |name: &str| environment.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let application = variable("ISTIO_PROMETHEUS_ANNOTATIONS").map(Scrape::read).transpose();
    let application = application.map_err(AgentError::Variable)?.flatten();
    let probers = Probers::of_environment(&environment, settings.pod_ip())?;
    let until_idle = variable("EXIT_ON_ZERO_ACTIVE_CONNECTIONS") == Some("true");
    // The folder's mode is 0700: nobody else comes to the sockets in it.
    let folder = tempfile::Builder::new().prefix("weft-agent-").tempdir();
    let folder = folder.map_err(|source| AgentError::Folder { folder: std::env::temp_dir(), source })?;
    let own = SocketAddr::new(settings.bind, AGENT_PORT);
    let listener =
        TcpListener::bind(own).await.map_err(|source| AgentError::Listen { address: own, source })?;

    let secrets = secrets(&settings, &workload_socket, folder.path(), seed)?;
    let xds_socket = folder.path().join("XDS");
    let forward = ForwardConfig {
        server: settings.discovery_server(),
        token: settings.token.clone(),
        certificates: secrets.certificates.clone(),
        cluster_id: settings.node.cluster_id.clone(),
    };
    let random = SplitMix::new(seed ^ 1);
    let _forwarder =
        Forwarder::start(BoundSocket::bind(&xds_socket)?, forward, random).map_err(AgentError::Serve)?;

    let proxy_config = settings.node.proxy_config.as_ref();
    let args = BootstrapArgs {
        node: node::node(&settings.node),
        admin: settings.admin,
        bind: settings.bind,
        agent: own,
        xds_socket,
        sds_socket: secrets.socket.clone(),
        stats_matcher: proxy_config.and_then(|config| config.get("proxyStatsMatcher")).cloned(),
    };
    let file = folder.path().join("envoy-bootstrap.json");
    write(&file, &bootstrap::to_json(&args)?)
        .map_err(|source| AgentError::Folder { folder: file.clone(), source })?;

    let status = Arc::new(Status {
        admin: reach(settings.admin),
        metrics: reach(SocketAddr::new(settings.bind, METRICS_PORT)),
        application,
        probers,
        certificates: secrets.certificates.clone(),
        problem: secrets.problem.clone(),
        configured: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        quit: orders.giver(),
    });
    let pages = tokio::spawn(status::serve(listener, status.clone()));
    let config = EnvoyConfig {
        program: envoy,
        launcher,
        bootstrap: file,
        admin: reach(settings.admin),
        concurrency: settings.concurrency,
        drain_time: settings.drain_time,
        termination_drain: settings.termination_drain,
        until_idle,
        log_level: envoy::log_level(&settings.log_level),
    };
    let mut random = SplitMix::new(seed ^ 2);
    let draining = || status.draining.store(true, Ordering::Relaxed);
    let ended = envoy::supervise(&config, &mut orders, draining, || backoff::dice(&mut random)).await;
    pages.abort();
    Ok(envoy::code(ended?))
}

type Unchanging = (watch::Sender<Option<Arc<weft_ca::WorkloadCertificate>>>, watch::Sender<Option<String>>);

/// Where Envoy's secrets come from.
struct Secrets {
    socket: PathBuf,
    certificates: Certificates,
    problem: watch::Receiver<Option<String>>,
    _own: Option<(Identity, SecretServer)>,
    /// Keeps the watches of a foreign agent's secrets open; they never change.
    _foreign: Option<Unchanging>,
}

fn secrets(
    settings: &Settings,
    workload_socket: &Path,
    folder: &Path,
    seed: u64,
) -> Result<Secrets, AgentError> {
    if let Ok(true) = socket::listens(workload_socket) {
        tracing::info!(socket = %workload_socket.display(), "secrets come from the agent that is there");
        let (sender, certificates) = watch::channel(None);
        let (trouble, problem) = watch::channel(None);
        return Ok(Secrets {
            socket: workload_socket.to_owned(),
            certificates,
            problem,
            _own: None,
            _foreign: Some((sender, trouble)),
        });
    }
    let identity = Identity::start(settings.identity(), SplitMix::new(seed));
    let socket = folder.join("SDS");
    let server = SecretServer::start(BoundSocket::bind(&socket)?, identity.certificates())
        .map_err(AgentError::Serve)?;
    Ok(Secrets {
        socket,
        certificates: identity.certificates(),
        problem: identity.problem(),
        _own: Some((identity, server)),
        _foreign: None,
    })
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}
