//! What all workers of the process share.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use weft_filter::OpenFilters;
use weft_filter::seam::Shared as FilterShared;
use weft_net::ListenerSource;
use weft_state::{ClusterStates, Resource};
use weft_tables::Tables;
use weft_tables::cluster::Discovery;
use weft_tables::tables::Bootstrap;
use weft_tables::tls::{ClientTls, ServerTls};
use weft_telemetry::stats::Registry;
use weft_tls::{ClientContext, SecretStore, ServerContext};
use weft_types::Name;

use crate::counted::CountedClusters;
use crate::listen::active::{ActiveListener, ListenerSet};
use crate::log::LogFiles;
use crate::stats::Counting;
use crate::upstream::shared::ClusterShared;

/// Configuration, state and edges of the process.
#[derive(Debug)]
pub(crate) struct Process {
    /// The current configuration, swapped as a whole (invariant 5).
    pub(crate) tables: ArcSwap<Tables>,
    pub(crate) states: ClusterStates,
    pub(crate) sockets: ListenerSource,
    /// The listeners in force; workers follow it.
    pub(crate) listeners: watch::Sender<Arc<ListenerSet>>,
    pub(crate) registry: Arc<Registry>,
    /// Clusters that have counters.
    pub(crate) counted: Arc<CountedClusters>,
    pub(crate) open_filters: OpenFilters,
    pub(crate) filter_shared: Arc<FilterShared>,
    pub(crate) secrets: Arc<SecretStore>,
    /// Who this process is: the same for its whole life.
    pub(crate) node: Arc<Bootstrap>,
    /// Our address as other proxies would see it.
    pub(crate) own_address: Option<IpAddr>,
    /// Name of this machine, for logs.
    pub(crate) hostname: String,
    /// Access logs.
    pub(crate) log_files: LogFiles,
    clusters: Mutex<HashMap<Name, Arc<ClusterShared>>>,
    swept: Mutex<HashSet<Name>>,
    connection_limits: weft_state::Registry<(Name, Name), Resource>,
    unchecked: UnboundedSender<Arc<ClusterShared>>,
    to_check: Mutex<Option<UnboundedReceiver<Arc<ClusterShared>>>>,
    server_tls: Mutex<HashMap<Arc<ServerTls>, Arc<ServerContext>>>,
    client_tls: Mutex<HashMap<Arc<ClientTls>, Arc<ClientContext>>>,
    runtime: tokio::runtime::Handle,
    started: tokio::sync::watch::Sender<usize>,
    ready: AtomicBool,
    failing: AtomicBool,
    slack: AtomicBool,
}

impl Process {
    pub(crate) fn new(
        tables: Tables,
        registry: Arc<Registry>,
        open_filters: OpenFilters,
        runtime: tokio::runtime::Handle,
    ) -> Arc<Self> {
        let filter_shared = FilterShared {
            node_cluster: tables.bootstrap.node_cluster.as_str().into(),
            node: Arc::new(weft_filter::peers::Node::new(&tables.bootstrap)),
            ..FilterShared::default()
        };
        let secrets = Arc::new(SecretStore::new());
        secrets.set_all(&*tables.secrets);
        // No more waits in it than clusters are configured.
        let (unchecked, to_check) = tokio::sync::mpsc::unbounded_channel();
        Arc::new(Self {
            node: tables.bootstrap.clone(),
            tables: ArcSwap::from_pointee(tables),
            states: ClusterStates::new(),
            sockets: ListenerSource::new(),
            listeners: watch::Sender::default(),
            registry,
            counted: Arc::default(),
            open_filters,
            filter_shared: Arc::new(filter_shared),
            secrets,
            own_address: own_address(),
            hostname: hostname(),
            log_files: LogFiles::default(),
            clusters: Mutex::default(),
            swept: Mutex::default(),
            connection_limits: weft_state::Registry::default(),
            unchecked,
            to_check: Mutex::new(Some(to_check)),
            server_tls: Mutex::default(),
            client_tls: Mutex::default(),
            runtime,
            started: tokio::sync::watch::Sender::new(0),
            ready: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            slack: AtomicBool::new(false),
        })
    }

    /// The cluster of that name in the current configuration, made ready at its first use: memory
    /// follows what is called, not what is configured (invariant 9).
    pub(crate) async fn cluster(&self, name: &Name) -> Option<Arc<ClusterShared>> {
        let shared = self.cluster_now(name)?;
        shared.warm().await;
        Some(shared)
    }

    /// As [`Self::cluster`], for those who need not wait.
    pub(crate) fn cluster_now(&self, name: &Name) -> Option<Arc<ClusterShared>> {
        // Locked before the tables are read: who changes them changes the clusters in use afterwards.
        let mut clusters = lock(&self.clusters);
        let tables = self.tables.load();
        let config = tables.clusters.get(name)?;
        let known = clusters.get(name);
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.config, config)) {
            return Some(known.clone());
        }
        let delivered = match &config.discovery {
            Discovery::Eds(name) => tables.endpoints.get(name).cloned(),
            _ => None,
        };
        let previous = known.map(|known| &**known);
        let shared = ClusterShared::new(config.clone(), delivered, &self.states, previous);
        clusters.insert(name.clone(), shared.clone());
        drop(clusters);
        crate::upstream::discover::start(&shared, &self.runtime);
        if shared.config.health_check.is_some() {
            // Fails only when the process ends.
            let _ = self.unchecked.send(shared.clone());
        }
        Some(shared)
    }

    /// Puts the next configuration in force, but for its listeners.
    pub(crate) fn apply(&self, tables: Tables) {
        let tables = Arc::new(tables);
        let before = self.tables.swap(tables.clone());
        let mut clusters = lock(&self.clusters);
        clusters.retain(|name, _| tables.clusters.contains_key(name));
        for cluster in clusters.values() {
            if let Discovery::Eds(name) = &cluster.config.discovery
                && let Some(endpoints) = tables.endpoints.get(name)
            {
                cluster.set_endpoints(endpoints.clone());
            }
        }
        drop(clusters);
        if !Arc::ptr_eq(&before.clusters, &tables.clusters) {
            // Hosts are checked before anybody asks for them.
            for cluster in tables.clusters.values().filter(|c| c.health_check.is_some()) {
                self.cluster_now(&cluster.name);
            }
        }
        lock(&self.server_tls).retain(|config, _| Arc::strong_count(config) > 1);
        lock(&self.client_tls).retain(|config, _| Arc::strong_count(config) > 1);
    }

    /// Clusters whose members are to be checked from now on; for the one task that does.
    pub(crate) fn unchecked(&self) -> Option<UnboundedReceiver<Arc<ClusterShared>>> {
        lock(&self.to_check).take()
    }

    /// Where one thread counts.
    pub(crate) fn counting(&self) -> Counting {
        let shard = Rc::new(self.registry.shard());
        Counting { registry: self.registry.clone(), shard, clusters: self.counted.clone() }
    }

    /// The connections that a `connection_limit` filter of a listener counts.
    pub(crate) fn connection_limit(&self, listener: &Name, stat_prefix: &Name) -> Arc<Resource> {
        self.connection_limits.get_or_make((listener.clone(), stat_prefix.clone()), |_| Resource::default())
    }

    /// Whether the caller is to sweep the cluster's outliers: nobody else does.
    pub(crate) fn claims_sweep(&self, name: &Name) -> bool {
        lock(&self.swept).insert(name.clone())
    }

    /// The cluster is swept no more.
    pub(crate) fn release_sweep(&self, name: &Name) {
        lock(&self.swept).remove(name);
    }

    /// The clusters in use.
    pub(crate) fn clusters_in_use(&self) -> Vec<Arc<ClusterShared>> {
        lock(&self.clusters).values().cloned().collect()
    }

    /// The listener that a connection to that destination belongs to, for listeners that hand over by
    /// original destination.
    pub(crate) fn listener_for(&self, to: SocketAddr) -> Option<Arc<ActiveListener>> {
        self.listeners.borrow().for_destination(to)
    }

    /// The listener of that name.
    pub(crate) fn listener_named(&self, name: &Name) -> Option<Arc<ActiveListener>> {
        self.listeners.borrow().named(name)
    }

    /// The context that terminates TLS as configured.
    pub(crate) fn server_tls(&self, config: &Arc<ServerTls>) -> Arc<ServerContext> {
        let mut contexts = lock(&self.server_tls);
        contexts
            .entry(config.clone())
            .or_insert_with(|| Arc::new(ServerContext::new((**config).clone(), self.secrets.clone())))
            .clone()
    }

    /// The context that originates TLS as configured.
    pub(crate) fn client_tls(&self, config: &Arc<ClientTls>) -> Arc<ClientContext> {
        let mut contexts = lock(&self.client_tls);
        contexts
            .entry(config.clone())
            .or_insert_with(|| Arc::new(ClientContext::new((**config).clone(), self.secrets.clone())))
            .clone()
    }

    /// A worker accepts.
    pub(crate) fn worker_started(&self) {
        self.started.send_modify(|n| *n += 1);
    }

    /// Waits until that many workers accept.
    pub(crate) async fn wait_for_workers(&self, workers: usize) {
        let mut started = self.started.subscribe();
        let _ = started.wait_for(|n| *n >= workers).await;
    }

    /// All listeners serve. What only getting there needed is given back.
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
        weft_net::memory::give_back();
        weft_net::memory::give_back_code();
    }

    /// A worker holds memory of connections that have ended.
    pub(crate) fn set_slack(&self) {
        self.slack.store(true, Ordering::Relaxed);
    }

    /// Whether one has said so since this was last asked.
    pub(crate) fn take_slack(&self) -> bool {
        self.slack.swap(false, Ordering::Relaxed)
    }

    /// `/healthcheck/fail` and `/healthcheck/ok`.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Release);
        self.filter_shared.failing.store(failing, Ordering::Relaxed);
    }

    /// `/healthcheck/fail` was asked for: clients are told to go elsewhere.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// All listeners have served at some time.
    pub(crate) fn was_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && !self.failing.load(Ordering::Acquire)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The address of the interface that leads out, found without sending anything: connecting a UDP
/// socket only chooses a route.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_unspecified())
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
