//! The right to send one request on a connection: circuit breakers, the pool, the counts of a host.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant as Moment;
use weft_balance::HostHandle;
use weft_http::clock;
use weft_http::{ClientConn, ConnError, RecvResponse, SendBody};
use weft_state::host::HostGuard;
use weft_state::{HostState, Permit, Priority};
use weft_tables::cluster::UpstreamVersion;
use weft_tls::PeerFacts;
use weft_types::{RequestHead, Version};

use super::chosen::Chosen;
use super::cluster::ClusterRuntime;
use super::connect::{self, Wanted};
use crate::http::failure::Failure;
use crate::stats::ClusterCounters;

/// What tells connections of a cluster apart (design 11.5): by whom, where to, how.
#[derive(Clone, Debug)]
pub(crate) struct PoolKey {
    /// Identity of the workload for which it is made; `None`: the proxy's own.
    pub(crate) source: Option<Arc<str>>,
    /// Address and the layers on top of it. A cluster has one state for them while anybody holds it, so
    /// that its place stands for both: comparing whole transports for each request would cost more than
    /// the request.
    pub(crate) host: Arc<HostState>,
    /// HTTP/2 is wanted.
    pub(crate) http2: bool,
    /// What the request decided about TLS.
    pub(crate) chosen: Chosen,
    /// Priority: each has its own breakers and pools.
    pub(crate) high: bool,
}

impl PartialEq for PoolKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.host, &other.host)
            && (self.http2, self.high) == (other.http2, other.high)
            && self.source == other.source
            && self.chosen == other.chosen
    }
}

impl Eq for PoolKey {}

impl Hash for PoolKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.host) as usize, self.http2, self.high).hash(state);
        self.source.hash(state);
        self.chosen.hash(state);
    }
}

/// What a request wants of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) priority: Priority,
    /// Version by which the client came.
    pub(crate) version: Version,
    /// What a server name is made from.
    pub(crate) authority: &'a str,
    pub(crate) upgrade: bool,
    /// What filters decided about TLS.
    pub(crate) chosen: Chosen,
}

/// The right to use a connection for one request.
#[derive(Debug)]
pub(crate) struct Lease {
    conn: ClientConn,
    key: PoolKey,
    cluster: Rc<ClusterRuntime>,
    local: Option<SocketAddr>,
    _request: Permit,
    _host: HostGuard,
    done: bool,
}

impl ClusterRuntime {
    /// Waits for a connection to the host, within the limits of the circuit breakers.
    pub(crate) async fn lease(
        self: &Rc<Self>,
        host: &HostHandle,
        asked: Asked<'_>,
    ) -> Result<Lease, Failure> {
        let config = self.config();
        let http2 = match config.http.version {
            UpstreamVersion::Http1 => false,
            UpstreamVersion::Http2 => true,
            UpstreamVersion::Downstream => asked.version >= Version::Http2,
            // Settled by ALPN; until known, the first connection is shared if it turns out HTTP/2.
            UpstreamVersion::Alpn => true,
        };
        let key = PoolKey {
            source: None,
            host: host.state.clone(),
            http2,
            chosen: asked.chosen.clone().complete(config, host, asked.authority),
            high: asked.priority == Priority::High,
        };
        let resources = self.state.resources(asked.priority);
        let breakers = self.breakers(asked.priority);
        let overflow = || {
            self.stats.inc(|s| s.upstream_rq_pending_overflow);
            Failure::Overflow
        };
        let conn = match self.pool.checkout(&key, Moment::now()) {
            Some(conn) => conn,
            None => {
                let _pending =
                    resources.pending.try_acquire(breakers.max_pending_requests).ok_or_else(overflow)?;
                self.stats.pending_began();
                let waited = Pending(&self.stats);
                let conn = Box::pin(self.wait_for_connection(&key, host, asked, http2)).await?;
                drop(waited);
                conn
            }
        };
        let Some(request) = resources.requests.try_acquire(breakers.max_requests) else {
            self.stats.inc(|s| s.upstream_rq_active_overflow);
            self.give_back(&key, conn);
            return Err(Failure::RequestOverflow);
        };
        self.stats.request_began();
        host.state.set_last_used(clock::now().into_std());
        let local = conn.local();
        let host = host.state.begin_request();
        Ok(Lease { conn, key, cluster: self.clone(), local, _request: request, _host: host, done: false })
    }

    /// Puts a connection back that served nothing.
    fn give_back(&self, key: &PoolKey, conn: ClientConn) {
        if !conn.is_multiplexed() {
            conn.rest();
            self.pool.put(key, conn, Moment::now());
        }
        self.freed.notify_waiters();
    }

    async fn wait_for_connection(
        self: &Rc<Self>,
        key: &PoolKey,
        host: &HostHandle,
        asked: Asked<'_>,
        http2: bool,
    ) -> Result<ClientConn, Failure> {
        let resources = self.state.resources(asked.priority);
        let limit = self.breakers(asked.priority).max_connections;
        loop {
            let freed = self.freed.clone();
            let freed = freed.notified();
            if let Some(conn) = self.pool.checkout(key, Moment::now()) {
                return Ok(conn);
            }
            let permit = match resources.connections.try_acquire(limit) {
                Some(permit) => Some(permit),
                // A pool without any connection always gets its first one, or requests would wait
                // for connections of other hosts that never come to them.
                None if self.pool.counts(key).open == 0 => Some(resources.connections.acquire()),
                None => None,
            };
            let Some(permit) = permit else {
                self.stats.inc(|s| s.upstream_cx_overflow);
                freed.await;
                continue;
            };
            let wanted = Wanted {
                http2,
                alpn: self.config().http.version == UpstreamVersion::Alpn,
                upgrade: asked.upgrade,
            };
            let cluster = self.clone();
            let host = host.clone();
            let chosen = key.chosen.clone();
            let permit = Cell::new(Some(permit));
            let connect = || {
                // Asked again only when a shared connect went to others: then without a limit's unit.
                let permit = permit.take().unwrap_or_else(|| resources.connections.acquire());
                connect::http(cluster.clone(), host.clone(), wanted, chosen.clone(), permit)
            };
            return self.pool.get(key, http2, connect).await;
        }
    }
}

/// A request that waits for a connection.
struct Pending<'a>(&'a ClusterCounters);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.pending_ended();
    }
}

impl Lease {
    pub(crate) fn version(&self) -> Version {
        self.conn.version()
    }

    /// What TLS told of the other end; `None`: plaintext.
    pub(crate) fn peer(&self) -> Option<Rc<PeerFacts>> {
        self.conn.note()
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Sends the request's head.
    pub(crate) async fn send(
        &mut self,
        head: &RequestHead,
        end: bool,
    ) -> Result<(SendBody, RecvResponse), Failure> {
        self.conn.send_request(head, end).await.map_err(|error| match error {
            ConnError::Codec(_) => Failure::LocalReset,
            _ => Failure::Terminated,
        })
    }

    /// The exchange is over and its handles are dropped: others may use the connection.
    pub(crate) fn finished(mut self) {
        self.done = true;
        self.cluster.give_back(&self.key, self.conn.clone());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.cluster.stats.request_ended();
        if !self.done {
            self.cluster.freed.notify_waiters();
        }
    }
}
