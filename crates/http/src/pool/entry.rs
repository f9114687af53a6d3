//! The connections of one key: which to hand out, which to keep, which to let go.

use tokio::sync::watch;
use tokio::time::Instant;

use super::{PoolCounts, PoolOptions};
use crate::ClientConn;
use crate::client::WeakConn;

/// Known connections at which the gone ones among them are looked for the first time.
const FIRST_PRUNE: usize = 16;

/// A shared connect under way, and how it ended.
pub(super) type Attempt<E> = watch::Receiver<Option<Result<(), E>>>;

/// An HTTP/1.x connection that waits for a request.
struct Idle {
    conn: ClientConn,
    since: Instant,
}

/// The connections of one key.
pub(super) struct Entry<E> {
    idle: Vec<Idle>,
    shared: Vec<ClientConn>,
    /// All, also those in use, for drains and counts.
    known: Vec<WeakConn>,
    prune_at: usize,
    pub(super) connecting: Option<Attempt<E>>,
    /// A connect that expected HTTP/2 found HTTP/1.x.
    pub(super) speaks_http1: bool,
}

impl<E> Default for Entry<E> {
    fn default() -> Self {
        Self {
            idle: Vec::new(),
            shared: Vec::new(),
            known: Vec::new(),
            prune_at: FIRST_PRUNE,
            connecting: None,
            speaks_http1: false,
        }
    }
}

impl<E> Entry<E> {
    pub(super) fn checkout(&mut self, options: &PoolOptions, now: Instant) -> Option<ClientConn> {
        self.shared.retain(|conn| is_lasting(conn, options, now));
        if let Some(conn) = self.shared.iter().find(|conn| conn.can_open()) {
            return Some(conn.clone());
        }
        while let Some(idle) = self.idle.pop() {
            if !is_expired(idle.since, options, now)
                && !is_old(&idle.conn, options, now)
                && idle.conn.check_idle()
                && idle.conn.can_open()
            {
                return Some(idle.conn);
            }
        }
        None
    }

    pub(super) fn adopt(&mut self, conn: &ClientConn) {
        if self.known.len() >= self.prune_at {
            self.prune();
        }
        self.known.push(conn.downgrade());
        if conn.is_multiplexed() {
            self.shared.push(conn.clone());
        }
    }

    pub(super) fn put(&mut self, conn: ClientConn, options: &PoolOptions, now: Instant) {
        let usable = !conn.is_multiplexed() && conn.can_open() && is_lasting(&conn, options, now);
        if usable && self.idle.len() < options.max_idle_per_key {
            self.idle.push(Idle { conn, since: now });
        }
    }

    pub(super) fn sweep(&mut self, options: &PoolOptions, now: Instant) {
        self.idle.retain(|idle| {
            !is_expired(idle.since, options, now)
                && !is_old(&idle.conn, options, now)
                && idle.conn.check_idle()
        });
        self.shared.retain(|conn| {
            let active = conn.open_streams() > 0;
            let since = conn.handle().last_activity();
            is_lasting(conn, options, now) && (active || since.is_some_and(|s| !is_expired(s, options, now)))
        });
        self.prune();
    }

    pub(super) fn drain(&mut self) {
        for conn in self.known.iter().filter_map(WeakConn::upgrade) {
            conn.start_drain();
        }
        self.idle.clear();
        self.shared.clear();
    }

    pub(super) fn counts(&self) -> PoolCounts {
        PoolCounts {
            open: self.known.iter().filter_map(WeakConn::upgrade).filter(|c| !c.is_closed()).count(),
            idle: self.idle.len(),
            shared: self.shared.iter().filter(|c| !c.is_closed() && !c.is_draining()).count(),
            connecting: usize::from(self.connecting.is_some()),
        }
    }

    /// The shared connect under way, unless its task is gone.
    pub(super) fn running(&self) -> Option<Attempt<E>> {
        self.connecting.clone().filter(|attempt| attempt.has_changed().is_ok())
    }

    /// Whether nothing is known of the key but what a connect would find out again.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.idle.is_empty() && self.shared.is_empty() && self.connecting.is_none()
    }

    fn prune(&mut self) {
        self.known.retain(|conn| conn.upgrade().is_some_and(|c| !c.is_closed()));
        self.prune_at = (self.known.len() * 2).max(FIRST_PRUNE);
    }
}

/// Whether the connection may get further requests, now or later.
fn is_lasting(conn: &ClientConn, options: &PoolOptions, now: Instant) -> bool {
    let served = options.max_requests_per_connection.is_some_and(|max| conn.requests() >= max);
    !served && !is_old(conn, options, now) && !conn.is_closed() && !conn.is_draining()
}

fn is_old(conn: &ClientConn, options: &PoolOptions, now: Instant) -> bool {
    options.max_age.is_some_and(|max| now.saturating_duration_since(conn.born()) >= max)
}

fn is_expired(since: Instant, options: &PoolOptions, now: Instant) -> bool {
    options.idle_timeout.is_some_and(|timeout| now.saturating_duration_since(since) >= timeout)
}
