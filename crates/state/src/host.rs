//! What the process knows of one upstream host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use weft_tables::address::SocketAddress;
use weft_tables::cluster::Transport;

use crate::instant::AtomicInstant;
use crate::outlier::OutlierCounters;
use crate::padded::Padded;

/// What makes a host the same one across configurations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostKey {
    /// Address.
    pub address: SocketAddress,
    /// Transport to it.
    pub transport: Transport,
}

/// A reason for a host to get less traffic than others, beyond what configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthFlag {
    /// The active health check fails (or has not passed yet).
    FailedActiveCheck = 1,
    /// Outlier detection ejected it.
    FailedOutlierCheck = 2,
    /// The active health check says degraded.
    DegradedActiveCheck = 4,
    /// The first active health check is still to come.
    PendingActiveCheck = 8,
    /// Left out of all percentages (`x-envoy-immediate-health-check-fail`, or new hosts that are to
    /// be ignored until their first check).
    Excluded = 16,
}

/// Runtime state of one host, shared by all workers.
#[derive(Debug)]
pub struct HostState {
    key: HostKey,
    created: Instant,
    /// Of the whole cluster; a change of any host's flags counts it up.
    health_version: Arc<Padded<AtomicU64>>,
    flags: AtomicU32,
    healthy_since: AtomicInstant,
    last_used: AtomicInstant,
    /// Requests under way.
    pub active_requests: Padded<Level>,
    /// Open connections.
    pub active_connections: Padded<Level>,
    /// Totals for the admin page.
    pub totals: HostTotals,
    /// Outlier detection.
    pub outlier: OutlierCounters,
}

/// Totals of a host since its state was made (Envoy `/clusters`).
#[derive(Debug, Default)]
pub struct HostTotals {
    /// Connections opened.
    pub connections: AtomicU64,
    /// Connections that failed to open.
    pub connect_failures: AtomicU64,
    /// Requests.
    pub requests: AtomicU64,
    /// Requests with a non-5xx response.
    pub successes: AtomicU64,
    /// Requests with a 5xx response or a reset.
    pub errors: AtomicU64,
    /// Requests that timed out.
    pub timeouts: AtomicU64,
}

impl HostState {
    pub(crate) fn new(key: HostKey, health_version: Arc<Padded<AtomicU64>>, now: Instant) -> Self {
        Self {
            key,
            created: now,
            health_version,
            flags: AtomicU32::new(0),
            healthy_since: AtomicInstant::default(),
            last_used: AtomicInstant::default(),
            active_requests: Padded::default(),
            active_connections: Padded::default(),
            totals: HostTotals::default(),
            outlier: OutlierCounters::default(),
        }
    }

    /// Address and transport.
    #[must_use]
    pub fn key(&self) -> &HostKey {
        &self.key
    }

    /// When the host became known; slow start counts from here, or from [`Self::healthy_since`].
    #[must_use]
    pub fn created(&self) -> Instant {
        self.created
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn has(&self, flag: HealthFlag) -> bool {
        self.flags.load(Relaxed) & flag as u32 != 0
    }

    /// Sets the flag; returns whether that changed anything. A change makes balancers look again.
    pub fn set(&self, flag: HealthFlag) -> bool {
        let changed = self.flags.fetch_or(flag as u32, Relaxed) & flag as u32 == 0;
        self.announce(changed)
    }

    /// Clears the flag; returns whether that changed anything.
    pub fn clear(&self, flag: HealthFlag) -> bool {
        let changed = self.flags.fetch_and(!(flag as u32), Relaxed) & flag as u32 != 0;
        self.announce(changed)
    }

    /// Notes that the host turned healthy by an active check.
    pub fn set_healthy_since(&self, time: Instant) {
        self.healthy_since.set(self.created, time);
    }

    /// When the host last turned healthy, or became known.
    #[must_use]
    pub fn healthy_since(&self) -> Instant {
        self.healthy_since.get(self.created).unwrap_or(self.created)
    }

    /// Notes a use.
    pub fn set_last_used(&self, time: Instant) {
        self.last_used.set(self.created, time);
    }

    /// When it was last used.
    #[must_use]
    pub fn last_used(&self) -> Option<Instant> {
        self.last_used.get(self.created)
    }

    /// The origin of times that [`AtomicInstant`]s of this host are kept by.
    #[must_use]
    pub fn origin(&self) -> Instant {
        self.created
    }

    fn announce(&self, changed: bool) -> bool {
        if changed {
            self.health_version.fetch_add(1, std::sync::atomic::Ordering::Release);
        }
        changed
    }
}

/// A count of things under way on a host.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// How many there are.
    #[must_use]
    pub fn current(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn enter(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A request or connection counted on a host for as long as this lives.
#[derive(Debug)]
pub struct HostGuard {
    host: Arc<HostState>,
    level: fn(&HostState) -> &Level,
}

impl HostState {
    /// Counts a request until the guard is dropped.
    #[must_use]
    pub fn begin_request(self: &Arc<Self>) -> HostGuard {
        self.totals.requests.fetch_add(1, Relaxed);
        self.guard(|host| &host.active_requests)
    }

    /// Counts a connection until the guard is dropped.
    #[must_use]
    pub fn begin_connection(self: &Arc<Self>) -> HostGuard {
        self.totals.connections.fetch_add(1, Relaxed);
        self.guard(|host| &host.active_connections)
    }

    fn guard(self: &Arc<Self>, level: fn(&HostState) -> &Level) -> HostGuard {
        level(self).enter();
        HostGuard { host: Arc::clone(self), level }
    }
}

impl Drop for HostGuard {
    fn drop(&mut self) {
        (self.level)(&self.host).leave();
    }
}
