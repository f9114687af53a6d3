//! A client's HTTP connection: takes requests until it ends.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::{Instant, sleep_until, timeout};
use weft_codec::Limits;
use weft_filter::Facts;
use weft_http::clock;
use weft_http::{AnyCodec, ConnError, ConnHandle, ConnOptions, ErrorFields, Io, ServerConn};
use weft_route::forwarded::Hop;
use weft_tables::cluster::{Cluster, Discovery};
use weft_tables::filter::HttpFilterConfig;
use weft_tables::hcm::{HttpManager, Underscores};
use weft_tables::istio::IstioStats;
use weft_types::{Headers, RequestHead, Version};

use super::exchange::serve;
use super::filters::FilterRun;
use crate::drain::Drain;
use crate::listen::accepted::ConnFacts;
use crate::listen::seldom::Seldom;
use crate::log::Logs;
use crate::stats::HttpCounters;
use crate::worker::Worker;

/// Envoy's detail word for a head that did not come in time.
pub(crate) const HEAD_LATE: &str = "request_header_timeout";

/// What the exchanges of a connection share.
#[derive(Debug)]
pub(crate) struct HttpConn {
    pub(crate) worker: Rc<Worker>,
    pub(crate) manager: Arc<HttpManager>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) connection: Rc<ConnFacts>,
    pub(crate) stats: Rc<HttpCounters>,
    pub(crate) logs: Rc<Logs>,
    /// How Istio counts its exchanges; `None`: not at all.
    pub(crate) istio: Option<Arc<IstioStats>>,
    pub(crate) certificate_presented: bool,
    pub(crate) buffer_limit: usize,
    /// The filters of an exchange that has none.
    pub(crate) unfiltered: Rc<FilterRun>,
    version: Cell<Version>,
    drain: Drain,
    closing: Cell<bool>,
}

impl HttpConn {
    pub(crate) fn new(
        worker: Rc<Worker>,
        manager: Arc<HttpManager>,
        connection: Rc<ConnFacts>,
        drain: Drain,
    ) -> Rc<Self> {
        let stats = worker.http_counters(&manager, &connection.listener);
        let logs = worker.logs(&manager, &manager.access_log);
        let istio = manager.filters.iter().find_map(|filter| match &filter.config {
            HttpFilterConfig::IstioStats(config) => Some(config.clone()),
            _ => None,
        });
        Rc::new(Self {
            facts: connection.filter_facts(),
            certificate_presented: connection.peer.as_ref().is_some_and(|p| p.presented()),
            buffer_limit: connection.listener.buffer_limit as usize,
            unfiltered: Rc::default(),
            version: Cell::new(Version::Http11),
            closing: Cell::new(false),
            worker,
            manager,
            connection,
            stats,
            logs,
            istio,
            drain,
        })
    }

    pub(crate) fn version(&self) -> Version {
        self.version.get()
    }

    /// The fields of replies to broken input.
    fn error_fields(self: &Rc<Self>) -> ErrorFields {
        let conn = Rc::downgrade(self);
        ErrorFields(Rc::new(move || {
            let mut fields = Headers::new();
            if let Some(conn) = conn.upgrade() {
                fields.append("date", &*conn.worker.date());
                fields.append("server", conn.manager.server_name.as_bytes());
            }
            fields
        }))
    }

    /// Whether the client should open a new connection after this response.
    pub(crate) fn should_close(&self) -> bool {
        self.closing.get() || self.drain.is_on() || self.worker.process.is_failing()
    }

    /// A request was so wrong that no other may come by this connection (HTTP/1).
    pub(crate) fn close_after_response(&self) {
        if self.version() < Version::Http2 {
            self.closing.set(true);
        }
    }

    pub(crate) fn hop(&self) -> Hop<'_> {
        let node = &self.worker.process.node;
        Hop {
            remote: self.facts.source.map(|a| a.ip()),
            local: self.worker.process.own_address,
            port: self.facts.local.map(|a| a.port()),
            tls: self.facts.tls,
            node: &node.node_id,
            node_cluster: &node.node_cluster,
        }
    }

    /// The client's address with a port: the connection's own if it is the connection's peer.
    pub(crate) fn client_address(&self, ip: IpAddr) -> SocketAddr {
        match self.facts.source {
            Some(source) if source.ip() == ip => source,
            _ => SocketAddr::new(ip, 0),
        }
    }

    /// Sets `x-forwarded-client-cert` as configured.
    pub(crate) fn client_certificate(&self, head: &mut RequestHead) {
        crate::http::xfcc::apply(head, self.manager.xfcc, self.connection.peer.as_deref());
    }

    /// Where the connection was going before redirection, for clusters that send it there.
    pub(crate) fn original_destination(&self, head: &RequestHead, cluster: &Cluster) -> Option<SocketAddr> {
        let Discovery::OriginalDst { header, .. } = &cluster.discovery else { return None };
        if let Some(name) = header {
            return head.headers.get_str(&**name)?.parse().ok();
        }
        self.connection.original
    }
}

/// Serves a connection to its end.
pub(crate) async fn run(conn: Rc<HttpConn>, io: impl Io, http2: bool, prefix: BytesMut) {
    let manager = conn.manager.clone();
    let reject_underscores = manager.underscores == Underscores::Reject;
    let limits = Limits { reject_underscores, ..crate::limits::of(&manager.options, false) };
    let scheme = if conn.facts.tls { "https" } else { "http" };
    let side = weft_codec::Side::Server;
    let codec =
        if http2 { AnyCodec::http2(side, limits, scheme) } else { AnyCodec::http1(side, limits, scheme) };
    let options = ConnOptions {
        high_watermark: conn.buffer_limit.max(16 * 1024),
        buffers: conn.worker.buffers.clone(),
        error_fields: Some(conn.error_fields()),
        ..ConnOptions::default()
    };
    let plain = !conn.facts.tls;
    let mut server = ServerConn::new(io, codec, options, prefix);
    conn.version.set(server.version());
    conn.stats.connection_began(http2, conn.facts.tls);
    let handle = server.handle();
    let began = clock::now();
    let mut counted = (0, 0);
    let mut served = 0u32;
    let mut last_call: Option<Instant> = None;
    let interruption =
        |last_call| Seldom::new(Box::pin(interrupted(conn.clone(), handle.clone(), began, http2, last_call)));
    let mut interrupted = interruption(None);
    loop {
        let next = tokio::select! {
            biased;
            next = server.accept() => next,
            why = &mut interrupted => {
                let now = clock::now();
                let ends = match why {
                    Interruption::Idle if handle.counters().received == 0 => break,
                    Interruption::Lost => break,
                    // Its end was decided since this was waited for.
                    Interruption::Idle | Interruption::Old | Interruption::Drain if conn.closing.get() => {
                        interrupted = interruption(last_call);
                        continue;
                    }
                    Interruption::Idle => {
                        conn.stats.inc(|s| s.downstream_cx_idle_timeout);
                        Some(now + manager.drain_timeout)
                    }
                    Interruption::HeadLate => {
                        handle.refuse(HEAD_LATE, 408, "request header timeout");
                        conn.stats.inc(|s| s.downstream_rq_header_timeout);
                        last_call
                    }
                    Interruption::Old => Some(now + manager.drain_timeout),
                    Interruption::Drain => Some(now + manager.drain_timeout.min(conn.drain.time())),
                    Interruption::LastCall => {
                        server.start_drain(true);
                        None
                    }
                };
                if matches!(why, Interruption::Idle | Interruption::Old | Interruption::Drain) {
                    conn.closing.set(true);
                    server.start_drain(false);
                }
                last_call = ends;
                interrupted = interruption(last_call);
                continue;
            }
        };
        match next {
            None => break,
            Some(Err(ConnError::Refused { word, malformed })) => {
                crate::http::report::refused(&conn, word, malformed);
            }
            Some(Err(error)) => {
                crate::http::report::protocol_error(&conn, &error);
                break;
            }
            Some(Ok(exchange)) => {
                served += 1;
                if manager.max_requests_per_connection > 0 && served >= manager.max_requests_per_connection {
                    conn.closing.set(true);
                    if http2 {
                        server.start_drain(true);
                    }
                }
                let end = exchange.body.is_end();
                if http2 {
                    // A task moves its future about when it is made and when it ends; this one is large.
                    tokio::task::spawn_local(clock::turns(Box::pin(serve(exchange, conn.clone(), end))));
                } else {
                    serve(exchange, conn.clone(), end).await;
                }
                conn.stats.bytes(&mut counted, handle.counters());
            }
        }
    }
    conn.stats.bytes(&mut counted, handle.counters());
    conn.stats.connection_ended(http2, conn.facts.tls, began.elapsed());
    if !(plain && server.close_at_once()) {
        let _ = timeout(manager.delayed_close_timeout, server.close()).await;
    }
}

/// What happens to a connection beside its requests.
enum Interruption {
    /// It has had no stream for the idle time.
    Idle,
    /// A head did not come in time.
    HeadLate,
    /// It has lived as long as it may.
    Old,
    /// Its listener, chain or process drains.
    Drain,
    /// The peer answers no ping.
    Lost,
    /// The drain's time is over.
    LastCall,
}

/// Waits for the next of them. It is one future that is polled only when it was woken: setting up, or only
/// asking, several timers and watches for each request would cost more than the request's own decisions.
async fn interrupted(
    conn: Rc<HttpConn>,
    handle: ConnHandle,
    began: Instant,
    http2: bool,
    last_call: Option<Instant>,
) -> Interruption {
    let manager = &conn.manager;
    let lives = !conn.closing.get();
    tokio::select! {
        biased;
        () = until_idle(&handle, manager), if lives => Interruption::Idle,
        () = until_head_is_late(&handle, manager) => Interruption::HeadLate,
        () = until(manager.max_connection_duration.map(|d| began + d)), if lives => Interruption::Old,
        () = conn.drain.started(), if lives => Interruption::Drain,
        () = crate::heartbeat::lost(handle.clone(), manager.options.keepalive.filter(|_| http2)) => {
            Interruption::Lost
        }
        () = until(last_call) => Interruption::LastCall,
    }
}

/// Waits until the connection has had no stream for the idle time, or forever.
async fn until_idle(handle: &ConnHandle, manager: &HttpManager) {
    let Some(limit) = manager.idle_timeout else { return std::future::pending().await };
    loop {
        let Some(last) = handle.last_activity() else { return };
        let at = last + limit;
        if at <= clock::now() && handle.open_streams() == 0 {
            return;
        }
        sleep_until(at.max(clock::now() + std::time::Duration::from_millis(10))).await;
    }
}

/// Waits until a head has been incomplete for the time that is allowed, or forever.
async fn until_head_is_late(handle: &ConnHandle, manager: &HttpManager) {
    let Some(limit) = manager.request_headers_timeout else { return std::future::pending().await };
    loop {
        let since = handle.partial_since();
        let at = since.map(|since| since + limit);
        if at.is_some_and(|at| at <= clock::now()) {
            return;
        }
        // Without a head under way: look again before the next one could be late.
        sleep_until(at.unwrap_or_else(|| clock::now() + limit / 4)).await;
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
