//! A cluster as one worker uses it: balancer, pools, counters.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use weft_balance::outlier::{Detector, Outcome};
use weft_balance::{Balancer, Host, HostHandle, HostSet, NoHost, PickContext, Settings};
use weft_http::clock;
use weft_http::{Pool, PoolOptions};
use weft_state::{ClusterState, HealthFlag, HostState, Priority};
use weft_tables::address::SocketAddress;
use weft_tables::cluster::{Breakers, Cluster, Discovery, Endpoint};
use weft_tables::hcm::CodecOptions;
use weft_tables::tls::ClientTls;
use weft_tls::{ClientConnector, ClientContext, ContextError};
use weft_types::{FractionalPercent, ResponseHead};

use super::lease::PoolKey;
use super::shared::ClusterShared;
use crate::http::failure::Failure;
use crate::process::Process;
use crate::stats::{ClusterCounters, Counting};
use crate::worker::Dice;

/// A cluster on one worker.
pub(crate) struct ClusterRuntime {
    shared: Arc<ClusterShared>,
    pub(crate) state: Arc<ClusterState>,
    pub(crate) stats: Rc<ClusterCounters>,
    balancer: RefCell<Balancer>,
    pub(crate) pool: Pool<PoolKey, Failure>,
    members_seen: RefCell<Arc<HostSet>>,
    /// Told when a connection comes free or goes.
    pub(crate) freed: Rc<Notify>,
    process: Arc<Process>,
    health_seen: Cell<u64>,
    /// Of the layers of its hosts: no more than the cluster has transports.
    tls: RefCell<Vec<(Arc<ClientTls>, Arc<ClientContext>)>>,
}

impl std::fmt::Debug for ClusterRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterRuntime").field("name", &self.shared.config.name).finish_non_exhaustive()
    }
}

impl ClusterRuntime {
    pub(crate) fn new(
        shared: Arc<ClusterShared>,
        process: Arc<Process>,
        counting: Counting,
        dice: &mut Dice,
        previous: Option<&Self>,
    ) -> Rc<Self> {
        let config = &shared.config;
        // What connections depend on is the same: those that are there serve the new configuration.
        let kept = previous.filter(|p| {
            Arc::ptr_eq(&p.state, &shared.state) && pool_limits(p.config()) == pool_limits(config)
        });
        Rc::new(Self {
            state: shared.state.clone(),
            stats: Rc::new(ClusterCounters::new(config, counting)),
            balancer: RefCell::new(Balancer::new(Settings::from(&**config), dice)),
            pool: kept.map_or_else(|| Pool::new(pool_options(config)), |p| p.pool.clone()),
            freed: kept.map(|p| p.freed.clone()).unwrap_or_default(),
            members_seen: RefCell::new(shared.members()),
            process,
            health_seen: Cell::new(0),
            tls: RefCell::default(),
            shared,
        })
    }

    pub(crate) fn shared(&self) -> &Arc<ClusterShared> {
        &self.shared
    }

    pub(crate) fn config(&self) -> &Cluster {
        &self.shared.config
    }

    /// The connector of a TLS layer.
    pub(crate) fn client_tls(&self, config: &Arc<ClientTls>) -> Result<Arc<ClientConnector>, ContextError> {
        let mut contexts = self.tls.borrow_mut();
        let known = contexts.iter().find(|(of, _)| Arc::ptr_eq(of, config));
        if let Some((_, context)) = known {
            return context.connector();
        }
        // Asking the process means comparing whole configurations.
        let context = self.process.client_tls(config);
        contexts.push((config.clone(), context.clone()));
        context.connector()
    }

    /// Circuit breakers of a priority.
    pub(crate) fn breakers(&self, priority: Priority) -> &Breakers {
        match priority {
            Priority::Default => &self.config().breakers,
            Priority::High => &self.config().breakers_high,
        }
    }

    /// Lets go of connections that are idle for too long or too old, and of those to hosts that fail:
    /// were a path to them broken, new ones might find another.
    pub(crate) fn tend_pool(&self) {
        self.pool.sweep(clock::now());
        self.leave_former_members();
        let version = self.state.health_version();
        if self.health_seen.replace(version) == version {
            return;
        }
        let fails = |host: &HostState| {
            host.has(HealthFlag::FailedActiveCheck) || host.has(HealthFlag::FailedOutlierCheck)
        };
        let failing: Vec<_> = self.state.hosts().into_iter().filter(|host| fails(host)).collect();
        self.pool.retain(|key| !failing.iter().any(|host| Arc::ptr_eq(host, &key.host)));
    }

    /// Lets go of all connections: the cluster is configured no more. Exchanges go on to their end.
    pub(crate) fn close_pool(&self) {
        self.pool.retain(|_| false);
    }

    /// Lets go of connections to hosts that are members no more; exchanges on them go on to their end.
    fn leave_former_members(&self) {
        if matches!(self.config().discovery, Discovery::OriginalDst { .. }) {
            return;
        }
        let members = self.shared.members();
        if Arc::ptr_eq(&*self.members_seen.borrow(), &members) {
            return;
        }
        let addresses: HashSet<&SocketAddress> = members.hosts().map(|host| &host.endpoint.address).collect();
        self.pool.retain(|key| addresses.contains(&key.host.key().address));
        *self.members_seen.borrow_mut() = members.clone();
    }

    /// Chooses a host. `original` is the connection's original destination, for clusters that go there.
    pub(crate) fn pick(
        &self,
        context: &PickContext<'_>,
        original: Option<SocketAddr>,
        dice: &mut Dice,
    ) -> Result<HostHandle, NoHost> {
        if let Discovery::OriginalDst { port, .. } = &self.config().discovery {
            let mut address = original.ok_or(NoHost::Empty)?;
            if let Some(port) = port {
                address.set_port(*port);
            }
            return Ok(self.original_host(address));
        }
        let members = self.shared.members();
        let pick = self.balancer.borrow_mut().pick(&members, context, dice)?;
        if pick.panic {
            self.stats.inc(|s| s.lb_healthy_panic);
        }
        Ok(pick.host)
    }

    fn original_host(&self, address: SocketAddr) -> HostHandle {
        let endpoint = Arc::new(Endpoint {
            address: SocketAddress::Ip(address),
            hostname: "".into(),
            health: weft_tables::cluster::Health::Unknown,
            weight: 1,
            metadata: Default::default(),
        });
        let state = self.state.host(&endpoint.address, &self.config().transport, clock::now().into_std());
        Arc::new(Host { endpoint, state, locality: Arc::default(), priority: 0 })
    }

    /// The share of requests that EDS says to drop.
    pub(crate) fn drop_overload(&self, dice: u64) -> Option<weft_filter::LocalReply> {
        let endpoints = self.shared.endpoints();
        let dropped = |(_, share): &(Box<str>, FractionalPercent)| share.includes(dice);
        endpoints.drop_overloads.iter().any(dropped).then(|| {
            weft_filter::LocalReply::new(503, "drop overload", "drop_overload")
                .flag(weft_types::ResponseFlag::DropOverLoad)
        })
    }

    /// A host answered with a final head.
    pub(crate) fn responded(&self, host: &HostHandle, head: &ResponseHead, dice: &mut Dice) {
        let totals = &host.state.totals;
        let total = if head.status >= 500 { &totals.errors } else { &totals.successes };
        total.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.observe(host, Outcome::Response(status_for_outlier(head)), dice);
    }

    /// A host brought no response.
    pub(crate) fn failed(&self, host: &HostHandle, failure: &Failure, dice: &mut Dice) {
        host.state.totals.errors.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.stats.failed(failure);
        if let Some(outcome) = failure.for_outlier() {
            self.observe(host, outcome, dice);
        }
    }

    /// Tells outlier detection what came of a try.
    pub(crate) fn observe(&self, host: &HostHandle, outcome: Outcome, dice: &mut Dice) {
        let Some(config) = &self.config().outlier else { return };
        let members = self.shared.members();
        let events =
            Detector { config, hosts: &members }.record(&host.state, outcome, clock::now().into_std(), dice);
        if !events.is_empty() {
            self.stats.outlier(&events);
        }
    }

    /// Brings hosts back and compares rates, as is due each interval.
    pub(crate) fn sweep(&self, dice: &mut Dice) {
        let Some(config) = &self.config().outlier else { return };
        let members = self.shared.members();
        let events = Detector { config, hosts: &members }.sweep(clock::now().into_std(), dice);
        if !events.is_empty() {
            self.stats.outlier(&events);
        }
    }
}

/// What the pool of a cluster is told.
fn pool_options(config: &Cluster) -> PoolOptions {
    PoolOptions {
        idle_timeout: config.idle_timeout,
        max_requests_per_connection: Some(u64::from(config.max_requests_per_connection)).filter(|n| *n > 0),
        max_age: config.max_connection_duration,
        ..PoolOptions::default()
    }
}

/// The settings that make it another pool; how connections are made is in the hash of the cluster's state.
fn pool_limits(
    config: &Cluster,
) -> (Option<std::time::Duration>, u32, Option<std::time::Duration>, &CodecOptions, u32) {
    let Cluster { idle_timeout, max_requests_per_connection, max_connection_duration, .. } = config;
    let (options, buffer) = (&config.http.options, config.buffer_limit);
    (*idle_timeout, *max_requests_per_connection, *max_connection_duration, options, buffer)
}

/// The status that counts: a gRPC error in the head stands for an HTTP one.
fn status_for_outlier(head: &ResponseHead) -> u16 {
    let grpc = head.headers.get("content-type").is_some_and(weft_types::grpc::is_content_type);
    match head.headers.get_str("grpc-status").and_then(|s| s.parse::<u32>().ok()) {
        Some(status) if grpc => weft_types::grpc::http_status(status),
        _ => head.status,
    }
}
