//! The end of the request path: what happened goes to logs and counters, exactly once.

use std::rc::Rc;

use tokio::time::Instant;
use weft_http::ConnError;
use weft_http::clock;
use weft_route::matching::is_grpc;
use weft_tables::filter::{HttpFilter, HttpFilterConfig};
use weft_tables::route::Template;
use weft_telemetry::log::LogRecord;
use weft_telemetry::log::record::{
    CertificateFacts, DownstreamFacts, TimePoint, Times, TlsFacts, UpstreamFacts, WireBytes,
};
use weft_telemetry::log::template::format_template;
use weft_tls::{Certificate, HandshakeError, PeerFacts};
use weft_types::{Detail, Headers, ResponseFlag, ResponseFlags};

use super::connection::HttpConn;
use super::exchange::Downstream;
use crate::listen::accepted::ConnFacts;
use crate::log::Logs;
use crate::tcp::TcpRecord;
use crate::worker::Worker;

impl Drop for Downstream {
    fn drop(&mut self) {
        self.conn.stats.request_ended(self.record.start);
        if self.record.response.is_none() && self.record.detail.is_none() {
            self.record.flag(ResponseFlag::DownstreamConnectionTermination);
            self.record.detail = Some(Detail::word("downstream_remote_disconnect"));
        }
        self.take_notes();
        self.count_grpc();
        crate::istio::count(self);
        self.log();
    }
}

impl Downstream {
    /// Writes the exchange, as it is now, to the logs.
    pub(crate) fn log(&mut self) {
        if self.conn.logs.is_empty() {
            return;
        }
        let counters = self.reply.counters();
        // What lay ready when the answer was made counts only if there was time to read it.
        let arrived =
            if self.record.upstream.attempts > 0 || self.cut_short { counters.body_received } else { 0 };
        self.record.bytes_received = self.received.get().max(arrived);
        self.record.downstream_wire_received = counters.wire_received;
        self.record.downstream_wire_sent = counters.wire_sent;
        let conn = self.conn.clone();
        with_record(self, |record| conn.logs.write(record, &conn.worker));
    }

    /// Counts a gRPC call, where the filter for it is in the chain.
    fn count_grpc(&self) {
        let counts = |f: &HttpFilter| matches!(f.config, HttpFilterConfig::GrpcStats);
        let (Some(cluster), true) = (&self.cluster, self.conn.manager.filters.iter().any(counts)) else {
            return;
        };
        if !is_grpc(&self.record.request) {
            return;
        }
        let read = |fields: &Headers| fields.get_str("grpc-status").and_then(|s| s.parse().ok());
        let response = self.record.response.as_ref();
        let status =
            self.record.trailers.as_ref().and_then(read).or_else(|| response.and_then(|r| read(&r.headers)));
        if let Some(status) = status {
            cluster.stats.grpc(self.record.request.path_only(), status);
        }
    }
}

/// Shows an exchange as a log record.
pub(crate) fn with_record<R>(down: &Downstream, show: impl FnOnce(&LogRecord<'_>) -> R) -> R {
    let record = &down.record;
    let since = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(record.start));
    let mut times = Times::default();
    for (point, at) in [
        (TimePoint::DownstreamRxEnd, record.times.request_complete),
        (TimePoint::UpstreamTxStart, record.times.upstream_first_sent),
        (TimePoint::UpstreamTxEnd, record.times.upstream_last_sent),
        (TimePoint::UpstreamRxStart, record.times.upstream_head),
        (TimePoint::UpstreamRxEnd, record.times.upstream_complete),
        (TimePoint::DownstreamTxStart, record.times.downstream_first_sent),
        (TimePoint::DownstreamTxEnd, record.times.downstream_complete),
    ] {
        if let Some(at) = since(at) {
            times.set(point, at);
        }
    }
    let upstream = &record.upstream;
    let cluster = upstream.cluster.as_deref().unwrap_or_default();
    let config = down.cluster.as_ref().map(|cluster| cluster.config());
    let endpoint = upstream.endpoint.as_ref().map(|host| &*host.endpoint);
    let names = upstream.peer.as_deref().map(Names::of);
    let unique;
    let view = LogRecord {
        start: Some(record.began),
        now: Some(clock::wall()),
        duration: Some(
            record
                .times
                .downstream_complete
                .unwrap_or_else(Instant::now)
                .saturating_duration_since(record.start),
        ),
        times,
        request: Some(&record.request),
        response: record.response.as_ref(),
        trailers: record.trailers.as_ref(),
        protocol: Some(record.request.version),
        status: record.response.as_ref().map(|r| r.status),
        flags: record.flags,
        detail: record.detail.as_ref(),
        bytes_received: record.bytes_received,
        bytes_sent: record.bytes_sent,
        downstream_wire: WireBytes {
            received: record.downstream_wire_received,
            sent: record.downstream_wire_sent,
            ..WireBytes::default()
        },
        upstream_wire: WireBytes {
            received: upstream.wire_received,
            sent: upstream.wire_sent,
            ..WireBytes::default()
        },
        local_reply_body: &record.local_body,
        route_name: record.route.as_deref().unwrap_or_default(),
        route_metadata: down.choice.as_ref().map(|c| &c.route.metadata),
        stream_id: record.request.headers.get_str("x-request-id").unwrap_or_default(),
        unique_id: {
            unique = weft_route::forwarded::uuid(&mut down.conn.worker.dice());
            &unique
        },
        hostname: &down.conn.worker.process.hostname,
        log_type: "DownstreamEnd",
        downstream: DownstreamFacts {
            remote: record.client,
            ..downstream(&down.conn.connection, &down.conn.facts.peer_uris, &down.conn.facts.peer_dns)
        },
        upstream: UpstreamFacts {
            cluster,
            cluster_stat_name: cluster,
            cluster_metadata: config.as_ref().map(|c| &c.metadata),
            host: upstream.host.as_ref(),
            host_name: endpoint.map_or("", |e| &e.hostname),
            host_metadata: endpoint.map(|e| &e.metadata),
            attempts: upstream.attempts,
            local: upstream.local,
            remote: upstream.host.as_ref().and_then(weft_tables::address::SocketAddress::ip),
            protocol: upstream.version,
            failure: upstream.transport_failure.as_deref().unwrap_or_default(),
            tls: upstream.peer.as_deref().zip(names.as_ref()).map(|(peer, names)| names.facts(peer)),
            ..UpstreamFacts::default()
        },
        ..LogRecord::default()
    };
    down.filters.context(|cx| {
        show(&LogRecord { dynamic_metadata: Some(&cx.metadata), filter_state: Some(&cx.state), ..view })
    })
}

fn downstream<'a>(facts: &'a ConnFacts, uris: &'a [Box<str>], dns: &'a [Box<str>]) -> DownstreamFacts<'a> {
    DownstreamFacts {
        connection_id: facts.id,
        remote: facts.source,
        direct_remote: facts.direct_remote,
        local: facts.local,
        direct_local: facts.local,
        server_name: facts.server_name.as_deref().unwrap_or_default(),
        filter_chain: &facts.chain,
        failure: "",
        tls: facts.peer.as_deref().map(|peer| tls(peer, uris, dns, &facts.local_uris)),
    }
}

/// The names in both certificates of a connection to an endpoint.
struct Names {
    uris: Vec<Box<str>>,
    dns: Vec<Box<str>>,
    local_uris: Vec<Box<str>>,
}

impl Names {
    fn of(peer: &PeerFacts) -> Self {
        let boxed = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
        let of = |certificate: Option<&Certificate>, names: fn(&Certificate) -> &[String]| {
            certificate.map(|c| boxed(names(c))).unwrap_or_default()
        };
        Self {
            uris: of(peer.certificate.as_deref(), |c| &c.uri_sans),
            dns: of(peer.certificate.as_deref(), |c| &c.dns_sans),
            local_uris: of(peer.local.as_deref(), |c| &c.uri_sans),
        }
    }

    fn facts<'a>(&'a self, peer: &'a PeerFacts) -> TlsFacts<'a> {
        tls(peer, &self.uris, &self.dns, &self.local_uris)
    }
}

fn tls<'a>(
    peer: &'a PeerFacts,
    uris: &'a [Box<str>],
    dns: &'a [Box<str>],
    local_uris: &'a [Box<str>],
) -> TlsFacts<'a> {
    let certificate = |c: Option<&'a Certificate>| match c {
        Some(c) => CertificateFacts {
            subject: &c.subject,
            issuer: &c.issuer,
            serial: &c.serial,
            ..CertificateFacts::default()
        },
        None => CertificateFacts::default(),
    };
    TlsFacts {
        version: peer.version,
        cipher: peer.cipher,
        peer: CertificateFacts { uris, dns, ..certificate(peer.certificate.as_deref()) },
        local: CertificateFacts { uris: local_uris, ..certificate(peer.local.as_deref()) },
        ..TlsFacts::default()
    }
}

/// The client broke the protocol; the codec has answered. An error within an exchange is told of by
/// the exchange.
pub(crate) fn protocol_error(conn: &Rc<HttpConn>, error: &ConnError) {
    conn.stats.inc(|s| s.downstream_cx_protocol_error);
    let ConnError::Codec(codec) = error else { return };
    if codec.in_head {
        if let Some(status) = codec.status {
            conn.stats.responded(status);
        }
        let sent = codec.reply_body().len() as u64;
        // A head that is late breaks no rule of the protocol.
        let late = codec.word == super::connection::HEAD_LATE;
        let flags = if late { ResponseFlags::NONE } else { ResponseFlag::DownstreamProtocolError.into() };
        unborn(conn, codec.word, flags, codec.status, sent);
    }
}

/// A request was refused by its head; the connection goes on.
pub(crate) fn refused(conn: &Rc<HttpConn>, word: &'static str, malformed: bool) {
    let flag =
        if malformed { ResponseFlag::DownstreamProtocolError } else { ResponseFlag::DownstreamRemoteReset };
    unborn(conn, word, flag.into(), None, 0);
}

/// A request that no exchange came of: it counts as one all the same.
fn unborn(conn: &Rc<HttpConn>, word: &'static str, flags: ResponseFlags, status: Option<u16>, sent: u64) {
    conn.stats.inc(|s| s.downstream_rq_rx_reset);
    conn.stats.request_began(conn.version());
    conn.stats.request_ended(clock::now());
    let detail = Detail::word(word);
    let record = LogRecord {
        protocol: Some(conn.version()),
        status,
        flags,
        detail: Some(&detail),
        bytes_sent: sent,
        ..base(&conn.worker, &conn.connection)
    };
    conn.logs.write(&record, &conn.worker);
}

fn base<'a>(worker: &'a Worker, facts: &'a ConnFacts) -> LogRecord<'a> {
    LogRecord {
        start: Some(facts.began),
        now: Some(clock::wall()),
        duration: Some(clock::now().saturating_duration_since(facts.start)),
        hostname: &worker.process.hostname,
        termination: &facts.termination,
        downstream: downstream(facts, &[], &[]),
        ..LogRecord::default()
    }
}

/// Writes a template out for a connection.
pub(crate) fn for_connection(worker: &Worker, facts: &ConnFacts, template: &Template) -> String {
    let value = format_template(template, &base(worker, facts));
    String::from_utf8_lossy(&value).into_owned()
}

/// No chain took the connection.
pub(crate) fn no_chain(worker: &Rc<Worker>, facts: &ConnFacts) {
    let detail = Detail::word("filter_chain_not_found");
    let record = LogRecord {
        flags: ResponseFlags::from(ResponseFlag::NoRouteFound),
        detail: Some(&detail),
        ..base(worker, facts)
    };
    Logs::new(&facts.listener.access_log, worker).write(&record, worker);
}

/// The handshake failed.
pub(crate) fn handshake_failed(worker: &Rc<Worker>, facts: &ConnFacts, error: &HandshakeError) {
    tracing::debug!(listener = %facts.listener.name, %error, "handshake");
    let reason = error.reason();
    let mut record = base(worker, facts);
    record.downstream.failure = &reason;
    Logs::new(&facts.listener.access_log, worker).write(&record, worker);
}

/// A TCP connection ended.
pub(crate) fn tcp(worker: &Rc<Worker>, logs: &Logs, facts: &ConnFacts, record: &TcpRecord) {
    if logs.is_empty() {
        return;
    }
    let cluster = record.cluster.as_deref().unwrap_or_default();
    let filter_facts = facts.filter_facts();
    let names = record.peer.as_deref().map(Names::of);
    let endpoint = record.endpoint.as_ref().map(|host| &*host.endpoint);
    let view = LogRecord {
        start: Some(record.began),
        duration: Some(clock::now().saturating_duration_since(record.start)),
        flags: record.flags,
        detail: record.detail.as_ref(),
        bytes_received: record.received,
        bytes_sent: record.sent,
        log_type: "TcpConnectionEnd",
        downstream: downstream(facts, &filter_facts.peer_uris, &filter_facts.peer_dns),
        upstream: UpstreamFacts {
            cluster,
            cluster_stat_name: cluster,
            host: record.host.as_ref(),
            host_name: endpoint.map_or("", |e| &e.hostname),
            host_metadata: endpoint.map(|e| &e.metadata),
            attempts: record.attempts,
            local: record.local,
            failure: record.transport_failure.as_deref().unwrap_or_default(),
            tls: record.peer.as_deref().zip(names.as_ref()).map(|(peer, names)| names.facts(peer)),
            ..UpstreamFacts::default()
        },
        ..base(worker, facts)
    };
    logs.write(&view, worker);
}
