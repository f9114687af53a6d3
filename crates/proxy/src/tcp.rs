//! Opaque TCP: choose a cluster, connect, copy.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use weft_balance::outlier::Outcome;
use weft_balance::{HostHandle, PickContext};
use weft_http::clock;
use weft_net::copy::Meter;
use weft_net::{CopyOptions, CopyReport, Side};
use weft_state::{HostState, Priority};
use weft_tables::cluster::Metadata;
use weft_tables::tcp::{TcpProxy, TcpTarget};
use weft_tls::PeerFacts;
use weft_types::{Detail, Name, ResponseFlag, ResponseFlags};

use crate::http::failure::Failure;
use crate::istio::Report;
use crate::listen::accepted::ConnFacts;
use crate::listen::seldom::Seldom;
use crate::listen::serve::Io;
use crate::network::TCP_CLUSTER;
use crate::upstream::cluster::ClusterRuntime;
use crate::upstream::connect;
use crate::worker::Worker;

/// What a client of HBONE is told whose destination is not reached.
const UNREACHED: u16 = 503;

/// What became of a connection, for its log line.
#[derive(Debug)]
pub(crate) struct TcpRecord {
    pub(crate) began: std::time::SystemTime,
    pub(crate) start: Instant,
    pub(crate) flags: ResponseFlags,
    pub(crate) detail: Option<Detail>,
    pub(crate) cluster: Option<weft_types::Name>,
    pub(crate) host: Option<weft_tables::address::SocketAddress>,
    pub(crate) local: Option<std::net::SocketAddr>,
    pub(crate) attempts: u32,
    pub(crate) transport_failure: Option<String>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// The host with all that is known of it.
    pub(crate) endpoint: Option<HostHandle>,
    /// What TLS told of it; `None`: plaintext, or no connection.
    pub(crate) peer: Option<Rc<PeerFacts>>,
    /// Istio's metrics of the connection, from when it was open on both sides.
    report: Option<Report>,
}

impl TcpRecord {
    fn new() -> Self {
        Self {
            began: clock::wall(),
            start: clock::now(),
            flags: ResponseFlags::NONE,
            detail: None,
            cluster: None,
            host: None,
            local: None,
            attempts: 0,
            transport_failure: None,
            received: 0,
            sent: 0,
            endpoint: None,
            peer: None,
            report: None,
        }
    }
}

/// A network filter refused the connection: no host hears of it.
pub(crate) fn denied(worker: &Rc<Worker>, config: &Arc<TcpProxy>, facts: &ConnFacts) {
    let record = TcpRecord::new();
    if let Some(report) = Report::open(worker, facts, &record) {
        report.close(&record);
    }
    crate::http::report::tcp(worker, &worker.logs(config, &config.access_log), facts, &record);
}

/// Serves a connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, config: Arc<TcpProxy>, mut io: Io, facts: Rc<ConnFacts>) {
    let mut record = TcpRecord::new();
    let stats = worker.tcp_counters(&config);
    stats.inc(|s| s.downstream_cx_total);
    let reset = run(&worker, &config, &mut io, &facts, &mut record).await;
    stats.bytes(record.received, record.sent);
    if let Some(report) = record.report.take().or_else(|| Report::open(&worker, &facts, &record)) {
        report.close(&record);
    }
    crate::http::report::tcp(&worker, &worker.logs(&config, &config.access_log), &facts, &record);
    if reset {
        io.reset_on_close();
    } else {
        io.refuse(UNREACHED).await;
    }
    drop(io);
}

/// Whether the client is to see a reset instead of an end.
async fn run(
    worker: &Rc<Worker>,
    config: &TcpProxy,
    io: &mut Io,
    facts: &ConnFacts,
    record: &mut TcpRecord,
) -> bool {
    let Some(target) = choose(config, facts, worker.draw()) else { return false };
    let target = &*target;
    let Some(cluster) = worker.cluster(&target.cluster).await else {
        record.flags.insert(ResponseFlag::NoClusterFound);
        return false;
    };
    record.cluster = Some(target.cluster.clone());
    let (connected, host) = match connect_host(worker, config, target, &cluster, facts, record).await {
        Ok(connected) => connected,
        Err(flag) => {
            record.flags.insert(flag);
            return false;
        }
    };
    let connect::Opened { stream: mut upstream, counted: _counted, peer } = connected;
    // Only a log line tells it.
    record.local = if config.access_log.is_empty() { None } else { upstream.local_address() };
    record.peer = peer;
    record.report = Report::open(worker, facts, record);
    io.agree().await;
    let options = CopyOptions { idle: config.idle_timeout, ..CopyOptions::default() };
    let counts = Counts::default();
    let mut meter = &counts;
    let copying = io.copy_with(&mut upstream, options, &mut meter);
    let mut periodic = record.report.take();
    let ended = {
        let others = std::pin::pin!(async {
            tokio::select! {
                () = now_and_then(periodic.as_mut(), &counts) => None,
                cut = cut_off(config, &cluster, &host) => cut,
            }
        });
        tokio::select! {
            biased;
            report = copying => Ok(report),
            cut = Seldom::new(others) => Err(cut),
        }
    };
    record.report = periodic;
    let report = match ended {
        Ok(report) => report,
        Err(cut) => {
            if let Some(flag) = cut {
                record.flags.insert(flag);
            }
            record.received = counts.received.get();
            record.sent = counts.sent.get();
            return false;
        }
    };
    record.received = report.from_a;
    record.sent = report.from_b;
    if report.first == Some(Side::B) && report.b == weft_net::End::Reset {
        record.flags.insert(ResponseFlag::UpstreamRemoteReset);
    }
    cluster.stats.bytes(report.from_a, report.from_b);
    if report.first == Some(Side::A) && report.a == weft_net::End::Reset {
        // What broke at the client breaks at the server.
        upstream.reset_on_close();
    }
    was_reset(&report)
}

/// Waits until a connection must end that both sides would keep; where Envoy has a flag for the
/// reason, it comes back.
async fn cut_off(config: &TcpProxy, cluster: &ClusterRuntime, host: &HostState) -> Option<ResponseFlag> {
    let too_long = async {
        match config.max_connection_duration {
            Some(limit) => sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let failed = async {
        match cluster.config().close_on_unhealthy {
            true => cluster.shared().fails(host).await,
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        () = too_long => Some(ResponseFlag::DurationTimeout),
        () = failed => None,
    }
}

/// Reports what passed so far, as often as is wanted; never ends.
async fn now_and_then(report: Option<&mut Report>, counts: &Counts) {
    if let Some(report) = report
        && let Some(period) = report.period
    {
        loop {
            sleep(period).await;
            report.bytes(counts.received.get(), counts.sent.get());
        }
    }
    std::future::pending::<()>().await;
}

/// Bytes as they come, for a copy that is cut off.
#[derive(Debug, Default)]
struct Counts {
    received: Cell<u64>,
    sent: Cell<u64>,
}

impl Meter for &Counts {
    fn read(&mut self, side: Side, bytes: u64) {
        let count = if side == Side::A { &self.received } else { &self.sent };
        count.set(count.get() + bytes);
    }
}

fn was_reset(report: &CopyReport) -> bool {
    report.first == Some(Side::B) && report.b == weft_net::End::Reset
}

async fn connect_host(
    worker: &Rc<Worker>,
    config: &TcpProxy,
    target: &TcpTarget,
    cluster: &Rc<ClusterRuntime>,
    facts: &ConnFacts,
    record: &mut TcpRecord,
) -> Result<(connect::Opened, Arc<HostState>), ResponseFlag> {
    let resources = cluster.state.resources(Priority::Default);
    let mut tried = Vec::new();
    for attempt in 1..=config.max_connect_attempts.max(1) {
        let hash = config.hash_source_ip.then(|| source_hash(facts)).flatten();
        let subset = (!target.subset.is_empty()).then_some(&target.subset);
        let context =
            PickContext { hash, subset, tried: &tried, ..PickContext::new(clock::now().into_std()) };
        let original = facts.original.or(facts.local);
        let host = cluster.pick(&context, original, &mut worker.dice()).map_err(|_| {
            cluster.stats.inc(|s| s.upstream_cx_none_healthy);
            ResponseFlag::NoHealthyUpstream
        })?;
        let Some(permit) =
            resources.connections.try_acquire(cluster.breakers(Priority::Default).max_connections)
        else {
            cluster.stats.inc(|s| s.upstream_cx_overflow);
            return Err(ResponseFlag::UpstreamOverflow);
        };
        record.attempts = attempt;
        record.host = Some(host.endpoint.address.clone());
        record.endpoint = Some(host.clone());
        match crate::hbone::connect(worker, cluster, &host, facts, permit).await {
            Ok(opened) => {
                cluster.observe(&host, Outcome::ConnectedFinal, &mut worker.dice());
                return Ok((opened, host.state.clone()));
            }
            Err(failure) => {
                record.transport_failure = failure.transport().map(str::to_owned);
                cluster.failed(&host, &failure, &mut worker.dice());
                tried.push(host);
                // The next try comes at once; a pause here would only delay a failing client.
                tokio::time::sleep(Duration::ZERO).await;
            }
        }
    }
    record.flags.insert(Failure::ConnectTimeout.flag());
    Err(ResponseFlag::UpstreamRetryLimitExceeded)
}

/// The target that filters before named, else one of the configured ones.
fn choose<'a>(config: &'a TcpProxy, facts: &ConnFacts, dice: u64) -> Option<Cow<'a, TcpTarget>> {
    if let Some(cluster) = facts.state.get(TCP_CLUSTER) {
        let cluster = Name::from(&**cluster);
        return Some(Cow::Owned(TcpTarget { cluster, weight: 1, subset: Metadata::default() }));
    }
    let total: u64 = config.clusters.iter().map(|c| u64::from(c.weight)).sum();
    let mut point = dice % total.max(1);
    for target in &config.clusters {
        let weight = u64::from(target.weight);
        if point < weight {
            return Some(Cow::Borrowed(target));
        }
        point -= weight;
    }
    config.clusters.first().map(Cow::Borrowed)
}

fn source_hash(facts: &ConnFacts) -> Option<u64> {
    facts.source.map(|a| weft_balance::hash::xx(a.ip().to_string().as_bytes(), 0))
}
