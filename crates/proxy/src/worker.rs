//! One worker: a thread with a runtime of its own and all that it need not share (invariant 6).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use weft_filter::OpenFilters;
use weft_filter::seam::Shared as FilterShared;
use weft_http::ReadBuffers;
use weft_tables::Tables;
use weft_tables::access_log::AccessLog;
use weft_tables::chain::HboneTerminal;
use weft_tables::hcm::HttpManager;
use weft_tables::listener::Listener;
use weft_tables::tcp::TcpProxy;
use weft_tables::tls::ServerTls;
use weft_tls::ServerContext;
use weft_types::Name;
use weft_types::random::{Random, SplitMix};

use crate::hbone::Tunnels;
use crate::log::{Logs, Sinks};
use crate::process::Process;
use crate::stats::{Counting, HttpCounters, TcpCounters};
use crate::timer::Timers;
use crate::upstream::cluster::ClusterRuntime;

/// So many connections, and half of all, have ended when their memory is worth giving back.
const SLACK: usize = 100;

/// The dice of one decision.
pub(crate) type Dice = SplitMix;

/// A worker.
#[derive(Debug)]
pub(crate) struct Worker {
    /// What all workers share.
    pub(crate) process: Arc<Process>,
    /// 0 for the first.
    pub(crate) index: usize,
    seed: Cell<u64>,
    streams: Cell<u64>,
    /// With the generation of the configuration in which each was looked up last.
    clusters: RefCell<HashMap<Name, (u64, Rc<ClusterRuntime>)>>,
    /// Spare read buffers of all its connections.
    pub(crate) buffers: ReadBuffers,
    /// Timers that exchanges hand on to each other.
    pub(crate) timers: Rc<Timers>,
    date: RefCell<(u64, Rc<str>)>,
    /// Where this worker counts.
    pub(crate) counting: Counting,
    http: RefCell<HashMap<(usize, usize), OwnedByTwo<HttpCounters>>>,
    tcp: RefCell<HashMap<usize, (Owner, Rc<TcpCounters>)>>,
    logs: RefCell<HashMap<usize, (Owner, Rc<Logs>)>>,
    tls: RefCell<HashMap<usize, (Owner, Arc<ServerContext>)>>,
    /// Istio's metrics that it has seen so far.
    pub(crate) istio: crate::istio::Counts,
    /// Log files that this worker writes.
    pub(crate) sinks: Sinks,
    /// Its connections that carry streams of HBONE.
    pub(crate) tunnels: Tunnels,
    connections: Cell<usize>,
    /// Most connections since memory of former ones was last found too much.
    most: Cell<usize>,
    idle: Notify,
}

/// The configuration that something was made for. It is known by its address, which nothing else has as
/// long as this is held.
type Owner = Weak<dyn Any + Send + Sync>;
/// Something that was made for two parts of the configuration together.
type OwnedByTwo<T> = ([Owner; 2], Rc<T>);

/// A connection that is being served, for the drain to wait for.
#[derive(Debug)]
pub(crate) struct Serving(Rc<Worker>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        if self.0.connections.get() == 0 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Worker {
    pub(crate) fn new(process: Arc<Process>, index: usize, seed: u64) -> Rc<Self> {
        let counting = process.counting();
        Rc::new(Self {
            istio: crate::istio::Counts::new(&process.registry),
            counting,
            http: RefCell::default(),
            tcp: RefCell::default(),
            logs: RefCell::default(),
            tls: RefCell::default(),
            sinks: Sinks::default(),
            tunnels: Tunnels::new(&process),
            connections: Cell::new(0),
            most: Cell::new(0),
            idle: Notify::new(),
            process,
            index,
            seed: Cell::new(seed),
            streams: Cell::new(0),
            clusters: RefCell::default(),
            buffers: ReadBuffers::default(),
            timers: Rc::default(),
            date: RefCell::new((0, "".into())),
        })
    }

    /// The current configuration.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.process.tables.load_full()
    }

    /// One uniform draw.
    pub(crate) fn draw(&self) -> u64 {
        let mut dice = SplitMix::new(self.seed.get());
        let drawn = dice.next_u64();
        self.seed.set(self.seed.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        drawn
    }

    /// Dice for one decision.
    pub(crate) fn dice(&self) -> Dice {
        SplitMix::new(self.draw())
    }

    /// A number for a connection, unlike any other of the process.
    pub(crate) fn next_connection_id(&self) -> u64 {
        let id = self.streams.get();
        self.streams.set(id + 1);
        ((self.index as u64) << 48) | id
    }

    /// The cluster of that name. Look-up may wait for discovery; with configuration from a file it is
    /// there or it is not (design 11.4).
    pub(crate) async fn cluster(self: &Rc<Self>, name: &Name) -> Option<Rc<ClusterRuntime>> {
        let generation = self.process.tables.load().generation;
        let known = self.clusters.borrow().get(name).cloned();
        if let Some((seen, known)) = known
            && seen == generation
        {
            // Nothing has changed since: what others share need not be asked.
            known.shared().warm().await;
            return Some(known);
        }
        let shared = Box::pin(self.process.cluster(name)).await?;
        if let Some((seen, known)) = self.clusters.borrow_mut().get_mut(name)
            && Arc::ptr_eq(known.shared(), &shared)
        {
            // The generation from before the look-up: a newer one is looked up again.
            *seen = generation;
            return Some(known.clone());
        }
        let previous = self.clusters.borrow().get(name).map(|(_, runtime)| runtime.clone());
        let (process, counting) = (self.process.clone(), self.counting.clone());
        let runtime = ClusterRuntime::new(shared, process, counting, &mut self.dice(), previous.as_deref());
        self.clusters.borrow_mut().insert(name.clone(), (generation, runtime.clone()));
        if self.process.claims_sweep(name) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self), self.process.clone(), name.clone()));
        }
        Some(runtime)
    }

    /// The counters of a connection manager on a listener.
    pub(crate) fn http_counters(
        &self,
        manager: &Arc<HttpManager>,
        listener: &Arc<Listener>,
    ) -> Rc<HttpCounters> {
        let key = (Arc::as_ptr(manager) as usize, Arc::as_ptr(listener) as usize);
        let make = || {
            let counters = Rc::new(HttpCounters::new(&manager.stat_prefix, listener, self.counting.clone()));
            ([owner(manager), owner(listener)], counters)
        };
        self.http.borrow_mut().entry(key).or_insert_with(make).1.clone()
    }

    /// The counters of HBONE's end on a listener.
    pub(crate) fn hbone_counters(
        &self,
        config: &Arc<HboneTerminal>,
        listener: &Arc<Listener>,
    ) -> Rc<HttpCounters> {
        let key = (Arc::as_ptr(config) as usize, Arc::as_ptr(listener) as usize);
        let make = || {
            let counters = Rc::new(HttpCounters::new(&config.stat_prefix, listener, self.counting.clone()));
            ([owner(config), owner(listener)], counters)
        };
        self.http.borrow_mut().entry(key).or_insert_with(make).1.clone()
    }

    /// The counters of a TCP proxy.
    pub(crate) fn tcp_counters(&self, config: &Arc<TcpProxy>) -> Rc<TcpCounters> {
        let make = || (owner(config), Rc::new(TcpCounters::new(config, self.counting.clone())));
        self.tcp.borrow_mut().entry(Arc::as_ptr(config) as usize).or_insert_with(make).1.clone()
    }

    /// The context that terminates TLS as configured. The process knows it by the whole configuration; here
    /// it is found by where that is.
    pub(crate) fn server_tls(&self, config: &Arc<ServerTls>) -> Arc<ServerContext> {
        let make = || (owner(config), self.process.server_tls(config));
        self.tls.borrow_mut().entry(Arc::as_ptr(config) as usize).or_insert_with(make).1.clone()
    }

    /// The logs that a part of the configuration has.
    pub(crate) fn logs<T: Any + Send + Sync>(&self, of: &Arc<T>, configs: &[AccessLog]) -> Rc<Logs> {
        let key = Arc::as_ptr(of) as usize;
        if let Some((_, logs)) = self.logs.borrow().get(&key) {
            return logs.clone();
        }
        let logs = Rc::new(Logs::new(configs, self));
        self.logs.borrow_mut().insert(key, (owner(of), logs.clone()));
        logs
    }

    /// Counts a connection until the guard is dropped.
    pub(crate) fn serving(self: &Rc<Self>) -> Serving {
        self.connections.set(self.connections.get() + 1);
        self.most.set(self.most.get().max(self.connections.get()));
        Serving(self.clone())
    }

    /// Waits until no connection is served, at most that long.
    pub(crate) async fn idle(&self, limit: Duration) {
        let wait = async {
            while self.connections.get() > 0 {
                self.idle.notified().await;
            }
        };
        let _ = tokio::time::timeout(limit, wait).await;
    }

    /// Looks after the pools of all clusters, and forgets what is configured no more.
    pub(crate) fn tend(&self) {
        let tables = self.tables();
        self.clusters.borrow_mut().retain(|name, (_, cluster)| {
            let stays = tables.clusters.contains_key(name);
            if !stays {
                cluster.close_pool();
            }
            stays
        });
        for (_, cluster) in self.clusters.borrow().values() {
            cluster.tend_pool();
        }
        self.tunnels.tend();
        let now = self.connections.get();
        if self.most.get().saturating_sub(now) >= SLACK.max(now) {
            self.most.set(now);
            self.process.set_slack();
        }
        let lives = |owner: &Owner| owner.strong_count() > 0;
        self.http.borrow_mut().retain(|_, (of, _)| of.iter().all(lives));
        self.tcp.borrow_mut().retain(|_, (config, _)| lives(config));
        self.logs.borrow_mut().retain(|_, (config, _)| lives(config));
        self.tls.borrow_mut().retain(|_, (config, _)| lives(config));
    }

    /// Writes out what log lines wait.
    pub(crate) fn flush_logs(&self) {
        self.sinks.flush();
    }

    /// Filters that the program registered.
    pub(crate) fn open_filters(&self) -> &OpenFilters {
        &self.process.open_filters
    }

    /// What filters share over the process.
    pub(crate) fn filter_shared(&self) -> Arc<FilterShared> {
        self.process.filter_shared.clone()
    }

    /// The `date` field's value now (RFC 9110 section 5.6.7), made once a second.
    pub(crate) fn date(&self) -> Rc<str> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let mut cached = self.date.borrow_mut();
        if cached.0 != seconds {
            *cached = (seconds, http_date(seconds).into());
        }
        cached.1.clone()
    }
}

/// A time in seconds since 1970 as HTTP writes it.
pub(crate) fn http_date(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map(|t| t.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}

fn owner<T: Any + Send + Sync>(config: &Arc<T>) -> Owner {
    let weak: Weak<T> = Arc::downgrade(config);
    weak
}

/// Sweeps a cluster's outliers each interval, for as long as this worker knows the cluster and it wants
/// that; one worker does it for the process.
async fn sweep(worker: std::rc::Weak<Worker>, process: Arc<Process>, name: Name) {
    while let Some(worker) = worker.upgrade() {
        let Some((_, cluster)) = worker.clusters.borrow().get(&name).cloned() else { break };
        let Some(interval) = cluster.config().outlier.as_ref().map(|o| o.interval) else { break };
        cluster.sweep(&mut worker.dice());
        drop((cluster, worker));
        tokio::time::sleep(interval.max(Duration::from_millis(1))).await;
    }
    process.release_sweep(&name);
}
