//! Upstream connections kept for the next request: one pool for a cluster on a worker.
//!
//! HTTP/1.x connections serve one request at a time: they are taken out by [`Pool::checkout`] and come
//! back by [`Pool::put`], last in first out, so that the surplus grows old and goes. HTTP/2 connections
//! stay in and are shared up to their stream limit. The pool opens no socket: whoever asks brings the
//! way to connect.

mod entry;

use std::cell::RefCell;
use std::future::Future;
use std::hash::Hash;
use std::rc::Rc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::{ClientConn, ConnError};
use entry::Entry;

/// What a pool keeps and for how long.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// Idle HTTP/1.x connections kept for one key (default 1024; surplus is closed).
    pub max_idle_per_key: usize,
    /// How long a connection without streams is kept (default 1 h; Envoy
    /// `common_http_protocol_options.idle_timeout`); `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// Requests that one connection serves (default unlimited; Envoy `max_requests_per_connection`).
    pub max_requests_per_connection: Option<u64>,
    /// Longest life of a connection (default unlimited; Envoy `max_connection_duration`): after it,
    /// open streams go on and no new one begins.
    pub max_age: Option<Duration>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_idle_per_key: 1024,
            idle_timeout: Some(Duration::from_secs(3600)),
            max_requests_per_connection: None,
            max_age: None,
        }
    }
}

/// How many connections a pool knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// All that are open, in use or not.
    pub open: usize,
    /// HTTP/1.x connections waiting for a request.
    pub idle: usize,
    /// HTTP/2 connections that take requests.
    pub shared: usize,
    /// Shared connects under way.
    pub connecting: usize,
}

/// The connections of one cluster on one worker by key (host, transport, source identity …). Clones
/// are the same pool. `E` is how a connect fails.
pub struct Pool<K, E = ConnError> {
    entries: Rc<RefCell<HashMap<K, Entry<E>>>>,
    options: Rc<PoolOptions>,
}

impl<K, E> Clone for Pool<K, E> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), options: self.options.clone() }
    }
}

impl<K: Eq + Hash + Clone + 'static, E: Clone + 'static> Pool<K, E> {
    /// An empty pool.
    #[must_use]
    pub fn new(options: PoolOptions) -> Self {
        Self { entries: Rc::default(), options: Rc::new(options) }
    }

    /// A connection that takes a request now: a shared one with a free stream, else the idle one used
    /// last. Send the request before the next await, or a shared stream may be gone
    /// ([`ConnError::NotOpen`]: ask again).
    #[must_use]
    pub fn checkout(&self, key: &K, now: Instant) -> Option<ClientConn> {
        self.entries.borrow_mut().get_mut(key)?.checkout(&self.options, now)
    }

    /// Takes note of a connection that was just made; a multiplexed one is shared from now on.
    pub fn adopt(&self, key: &K, conn: &ClientConn) {
        self.with_entry(key, |entry| entry.adopt(conn));
    }

    /// Gives back an HTTP/1.x connection whose exchange is over. It is closed instead if it cannot be
    /// used again, has served enough or is one too many.
    pub fn put(&self, key: &K, conn: ClientConn, now: Instant) {
        self.with_entry(key, |entry| entry.put(conn, &self.options, now));
    }

    /// A connection for a request: from the pool, else a new one. With `multiplexed` (HTTP/2 is
    /// expected) callers at the same time share one connect, which goes on even if they are cancelled;
    /// must then be called within a `tokio::task::LocalSet`. If the peer turns out to speak HTTP/1.x,
    /// connects for its key are not shared any more.
    ///
    /// # Errors
    /// The connect failed; those who shared it get the same error.
    pub async fn get<F>(&self, key: &K, multiplexed: bool, connect: impl Fn() -> F) -> Result<ClientConn, E>
    where
        F: Future<Output = Result<ClientConn, E>> + 'static,
    {
        loop {
            if let Some(conn) = self.checkout(key, crate::clock::now()) {
                return Ok(conn);
            }
            if !multiplexed || self.with_entry(key, |entry| entry.speaks_http1) {
                let conn = connect().await?;
                self.adopt(key, &conn);
                return Ok(conn);
            }
            let running = self.with_entry(key, |entry| entry.running());
            let mut attempt = running.unwrap_or_else(|| self.start(key, connect()));
            // A closed channel means that the attempt's task is gone: make another.
            if let Ok(outcome) = attempt.wait_for(Option::is_some).await
                && let Some(Err(error)) = &*outcome
            {
                return Err(error.clone());
            }
        }
    }

    /// Connects in a task of its own.
    fn start<F>(&self, key: &K, connecting: F) -> entry::Attempt<E>
    where
        F: Future<Output = Result<ClientConn, E>> + 'static,
    {
        let (tell, attempt) = watch::channel(None);
        self.with_entry(key, |entry| entry.connecting = Some(attempt.clone()));
        let (pool, key) = (self.clone(), key.clone());
        tokio::task::spawn_local(async move {
            let outcome = connecting.await.map(|conn| {
                pool.adopt(&key, &conn);
                if !conn.is_multiplexed() {
                    pool.with_entry(&key, |entry| entry.speaks_http1 = true);
                    pool.put(&key, conn, crate::clock::now());
                }
            });
            pool.with_entry(&key, |entry| entry.connecting = None);
            tell.send_replace(Some(outcome));
        });
        attempt
    }

    /// Closes what has been idle too long or was closed by the peer. Call it about once a second.
    pub fn sweep(&self, now: Instant) {
        self.entries.borrow_mut().retain(|_, entry| {
            entry.sweep(&self.options, now);
            !entry.is_empty()
        });
    }

    /// Lets go of all connections of a key: idle ones close, others when their streams have ended.
    pub fn drain(&self, key: &K) {
        if let Some(mut entry) = self.entries.borrow_mut().remove(key) {
            entry.drain();
        }
    }

    /// [`Pool::drain`] for every key for which `keep` is false.
    pub fn retain(&self, mut keep: impl FnMut(&K) -> bool) {
        self.entries.borrow_mut().retain(|key, entry| {
            let kept = keep(key);
            if !kept {
                entry.drain();
            }
            kept
        });
    }

    /// The connections of a key.
    #[must_use]
    pub fn counts(&self, key: &K) -> PoolCounts {
        self.entries.borrow().get(key).map(Entry::counts).unwrap_or_default()
    }

    /// All connections.
    #[must_use]
    pub fn total(&self) -> PoolCounts {
        let mut total = PoolCounts::default();
        for entry in self.entries.borrow().values() {
            let counts = entry.counts();
            total.open += counts.open;
            total.idle += counts.idle;
            total.shared += counts.shared;
            total.connecting += counts.connecting;
        }
        total
    }

    fn with_entry<R>(&self, key: &K, act: impl FnOnce(&mut Entry<E>) -> R) -> R {
        let mut entries = self.entries.borrow_mut();
        if let Some(entry) = entries.get_mut(key) {
            return act(entry);
        }
        act(entries.entry(key.clone()).or_default())
    }
}

impl<K, E> std::fmt::Debug for Pool<K, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} keys)", self.entries.borrow().len())
    }
}
