//! Active health checks: one task for each cluster that wants them, for the whole process, on the main
//! thread; workers see the results in the state of the hosts.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use weft_balance::HostHandle;
use weft_balance::health::{Course, Reading, Transition, next_check, part};
use weft_balance::outlier::Detector;
use weft_state::{HealthFlag, HostState};
use weft_tables::cluster::HealthCheck;
use weft_telemetry::stats::names::{HealthCheckStats, Scope};
use weft_types::random::SplitMix;

use super::cluster::ClusterRuntime;
use super::probe::{Miss, Prober};
use super::shared::ClusterShared;
use crate::process::Process;
use crate::stats::Counting;

/// Time between two looks at whether the cluster is still configured so.
const STILL_THERE: Duration = Duration::from_secs(1);

/// Checks the members of a cluster for as long as it is configured as it is.
pub(crate) async fn run(process: Arc<Process>, cluster: Arc<ClusterShared>, counting: Counting) {
    cluster.resolved().await;
    let mut sessions = Sessions::new(&process, &cluster, counting);
    while process.cluster_now(&cluster.config.name).is_some_and(|now| Arc::ptr_eq(&now, &cluster)) {
        let changed = cluster.membership.notified();
        sessions.follow();
        if sessions.checker.waiting.get() == 0 {
            cluster.set_checked();
        }
        // A change that falls between the two is seen at the next look.
        let _ = timeout(STILL_THERE, changed).await;
    }
    cluster.set_checked();
}

/// The members that are being checked.
struct Sessions {
    checker: Rc<Checker>,
    running: Vec<Session>,
}

struct Session {
    host: Arc<HostState>,
    task: JoinHandle<()>,
}

/// What the sessions of a cluster share.
struct Checker {
    cluster: Rc<ClusterRuntime>,
    counting: Counting,
    stats: HealthCheckStats,
    seed: Cell<u64>,
    /// Members without a result.
    waiting: Cell<usize>,
}

impl Sessions {
    fn new(process: &Arc<Process>, cluster: &Arc<ClusterShared>, counting: Counting) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let seed = u64::try_from(now & u128::from(u64::MAX)).unwrap_or(0);
        let scope = Scope::cluster(&counting.registry, &cluster.config.stat_name);
        let mut dice = SplitMix::new(seed);
        let runtime =
            ClusterRuntime::new(cluster.clone(), process.clone(), counting.clone(), &mut dice, None);
        let checker = Checker {
            cluster: runtime,
            stats: HealthCheckStats::new(&scope.part("health_check")),
            counting,
            seed: Cell::new(seed),
            waiting: Cell::new(0),
        };
        Self { checker: Rc::new(checker), running: Vec::new() }
    }

    /// Ends the sessions of hosts that are no members any more, and begins those of new ones.
    fn follow(&mut self) {
        let members = self.checker.cluster.shared().members();
        let is_member = |state: &Arc<HostState>| members.hosts().any(|h| Arc::ptr_eq(&h.state, state));
        self.running.retain(|session| {
            let stays = is_member(&session.host);
            if !stays {
                session.end(&self.checker);
            }
            stays
        });
        for host in members.hosts() {
            if self.running.iter().any(|session| Arc::ptr_eq(&session.host, &host.state)) {
                continue;
            }
            let begins = self.checker.clone().check(host.clone());
            let task = tokio::task::spawn_local(begins);
            self.running.push(Session { host: host.state.clone(), task });
        }
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        for session in &self.running {
            session.end(&self.checker);
        }
    }
}

impl Session {
    fn end(&self, checker: &Checker) {
        self.task.abort();
        if !self.host.has(HealthFlag::FailedActiveCheck) {
            checker.counting.shard.gauge_dec(checker.stats.healthy);
        }
    }
}

/// A member that waits for its first result, until this is dropped.
struct First(Rc<Checker>);

impl First {
    fn new(checker: &Rc<Checker>) -> Self {
        checker.waiting.set(checker.waiting.get() + 1);
        Self(checker.clone())
    }
}

impl Drop for First {
    fn drop(&mut self) {
        let left = self.0.waiting.get().saturating_sub(1);
        self.0.waiting.set(left);
        if left == 0 {
            self.0.cluster.shared().set_checked();
        }
    }
}

impl Checker {
    /// Checks one host for ever.
    fn check(self: Rc<Self>, host: HostHandle) -> impl Future<Output = ()> {
        // Made at once and not at the first poll: whoever looks next must see that it waits.
        let mut first = Some(First::new(&self));
        if !host.state.has(HealthFlag::FailedActiveCheck) {
            self.counting.shard.gauge_inc(self.stats.healthy);
        }
        async move {
            let Some(config) = self.cluster.config().health_check.clone() else { return };
            let mut prober = Prober::new(self.cluster.clone(), host.clone());
            let mut course = Course::default();
            sleep(part(config.intervals.initial_jitter, &mut self.dice())).await;
            loop {
                self.counting.shard.inc(self.stats.attempt);
                let answer = match timeout(config.timeout, prober.ask(&config)).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        prober.give_up();
                        Err(Miss("timeout".to_owned()))
                    }
                };
                let reading = self.count(&host, answer);
                let transition = course.record(&host.state, reading, &config);
                self.apply(&host, reading, transition);
                drop(first.take());
                sleep(self.pause(&config, reading, transition)).await;
            }
        }
    }

    fn dice(&self) -> SplitMix {
        self.seed.set(self.seed.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        SplitMix::new(self.seed.get())
    }

    fn count(&self, host: &HostHandle, answer: Result<Reading, Miss>) -> Reading {
        let (shard, stats) = (&self.counting.shard, &self.stats);
        let reading = answer.unwrap_or_else(|Miss(reason)| {
            let (cluster, address) = (&self.cluster.config().name, &host.endpoint.address);
            tracing::debug!(%cluster, %address, %reason, "health check");
            shard.inc(stats.network_failure);
            Reading::Missed
        });
        shard.inc(if reading.passed() { stats.success } else { stats.failure });
        reading
    }

    /// Tells those whom the result concerns.
    fn apply(&self, host: &HostHandle, reading: Reading, transition: Transition) {
        let (cluster, address) = (&self.cluster.config().name, &host.endpoint.address);
        let shared = self.cluster.shared();
        let fails = host.state.has(HealthFlag::FailedActiveCheck);
        if transition == Transition::Changed {
            tracing::info!(%cluster, %address, healthy = !fails, "health check");
        }
        if transition == Transition::Changed && fails {
            shared.host_failed.notify_waiters();
        }
        if !reading.passed() {
            return;
        }
        if transition == Transition::Changed && !fails {
            host.state.set_healthy_since(Instant::now());
        }
        if let Some(config) = &self.cluster.config().outlier {
            let members = shared.members();
            let event = Detector { config, hosts: &members }.active_check_passed(&host.state, Instant::now());
            self.cluster.stats.outlier(event.as_slice());
        }
    }

    fn pause(&self, config: &HealthCheck, reading: Reading, transition: Transition) -> Duration {
        let members = self.cluster.shared().members();
        let traffic = members.hosts().any(|host| host.state.totals.connections.load(Relaxed) > 0);
        next_check(&config.intervals, reading.passed(), transition, traffic, &mut self.dice())
    }
}
