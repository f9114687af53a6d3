//! Counters of this worker, by what they count: handles resolved once, increments without lookup.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::HashMap;

use tokio::time::Instant;
use weft_balance::outlier::{Cause, Event, Verdict};
use weft_tables::cluster::Cluster;
use weft_tables::filter::Rbac;
use weft_tables::listener::Listener;
use weft_tables::tcp::TcpProxy;
use weft_telemetry::stats::names::{
    ClusterStats, HttpStats, ListenerHttpStats, ListenerStats, OutlierStats, Scope, StatusStats, TcpStats,
    TlsStats,
};
use weft_telemetry::stats::{Counter, Registry, Shard};
use weft_types::{Name, Version};

use crate::counted::{CountedClusters, Counts};
use crate::http::failure::Failure;

/// Where a worker counts.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    pub(crate) registry: Arc<Registry>,
    pub(crate) shard: Rc<Shard>,
    pub(crate) clusters: Arc<CountedClusters>,
}

/// Counters that filters name. A name is looked up in the registry once; filters and configurations have
/// few of them.
#[derive(Debug, Default)]
struct Named(RefCell<HashMap<Box<str>, Counter>>);

impl Named {
    fn get(&self, name: &str, make: impl FnOnce() -> Counter) -> Counter {
        if let Some(counter) = self.0.borrow().get(name) {
            return *counter;
        }
        let counter = make();
        self.0.borrow_mut().insert(name.into(), counter);
        counter
    }
}

/// Counts of a cluster.
#[derive(Debug)]
pub(crate) struct ClusterCounters {
    to: Counting,
    named: Named,
    stats: ClusterStats,
    outlier: OutlierStats,
    statuses: StatusStats,
    external: StatusStats,
    internal: StatusStats,
    tls: TlsStats,
    name: Name,
    _counts: Counts,
}

impl ClusterCounters {
    pub(crate) fn new(config: &Cluster, to: Counting) -> Self {
        let registry = to.registry.clone();
        let counts = to.clusters.enter(&config.stat_name);
        let scope = Scope::cluster(&registry, &config.stat_name);
        Self {
            stats: ClusterStats::new(&scope),
            outlier: OutlierStats::new(&scope.part("outlier_detection")),
            statuses: StatusStats::new(&scope),
            external: StatusStats::new(&scope.part("external")),
            internal: StatusStats::new(&scope.part("internal")),
            tls: TlsStats::new(&scope.part("ssl")),
            name: config.stat_name.clone(),
            _counts: counts,
            named: Named::default(),
            to,
        }
    }

    /// Counts one of what `which` names.
    pub(crate) fn inc(&self, which: impl FnOnce(&ClusterStats) -> Counter) {
        self.to.shard.inc(which(&self.stats));
    }

    /// A request is on its way on a connection.
    pub(crate) fn request_began(&self) {
        self.to.shard.inc(self.stats.upstream_rq_total);
        self.to.shard.gauge_inc(self.stats.upstream_rq_active);
    }

    pub(crate) fn request_ended(&self) {
        self.to.shard.gauge_dec(self.stats.upstream_rq_active);
    }

    pub(crate) fn pending_began(&self) {
        self.to.shard.inc(self.stats.upstream_rq_pending_total);
        self.to.shard.gauge_inc(self.stats.upstream_rq_pending_active);
    }

    pub(crate) fn pending_ended(&self) {
        self.to.shard.gauge_dec(self.stats.upstream_rq_pending_active);
    }

    /// A request was answered so: by the upstream, or by us in its place.
    pub(crate) fn responded(&self, status: u16, internal: bool) {
        let (registry, shard) = (&self.to.registry, &self.to.shard);
        self.statuses.record(registry, shard, status);
        if internal { &self.internal } else { &self.external }.record(registry, shard, status);
    }

    /// A final head came after so long.
    pub(crate) fn request_time(&self, took: std::time::Duration) {
        self.to.shard.record(self.stats.upstream_rq_time, millis(took));
    }

    /// An attempt brought no response.
    pub(crate) fn failed(&self, failure: &Failure) {
        match failure {
            Failure::RemoteReset | Failure::RemoteRefused | Failure::Terminated => {
                self.inc(|s| s.upstream_rq_rx_reset);
            }
            Failure::PerTryTimeout => {
                self.inc(|s| s.upstream_rq_per_try_timeout);
                self.inc(|s| s.upstream_rq_tx_reset);
            }
            Failure::LocalReset => self.inc(|s| s.upstream_rq_tx_reset),
            Failure::MaxStreamDuration => {
                self.inc(|s| s.upstream_rq_max_duration_reached);
                self.inc(|s| s.upstream_rq_tx_reset);
            }
            Failure::Protocol => self.inc(|s| s.upstream_cx_protocol_error),
            Failure::Connect(_)
            | Failure::Transport(_)
            | Failure::ConnectTimeout
            | Failure::Overflow
            | Failure::RequestOverflow => {}
        }
    }

    pub(crate) fn connecting(&self) {
        self.to.shard.inc(self.stats.upstream_cx_total);
        self.to.shard.gauge_inc(self.stats.upstream_cx_active);
    }

    pub(crate) fn connected(&self, took: std::time::Duration) {
        self.to.shard.record(self.stats.upstream_cx_connect_ms, millis(took));
    }

    pub(crate) fn connect_failed(&self, failure: &Failure) {
        self.inc(|s| s.upstream_cx_connect_fail);
        if *failure == Failure::ConnectTimeout {
            self.inc(|s| s.upstream_cx_connect_timeout);
        }
    }

    pub(crate) fn connection_closed(&self) {
        self.to.shard.gauge_dec(self.stats.upstream_cx_active);
        self.inc(|s| s.upstream_cx_destroy);
    }

    pub(crate) fn http_connection(&self, http2: bool) {
        self.inc(|s| if http2 { s.upstream_cx_http2_total } else { s.upstream_cx_http1_total });
    }

    /// A gRPC call ended with that status (`envoy.filters.http.grpc_stats`).
    pub(crate) fn grpc(&self, path: &str, status: u32) {
        let Some((service, method)) = path.trim_start_matches('/').split_once('/') else { return };
        let scope = Scope::cluster(&self.to.registry, &self.name)
            .part("grpc")
            .tag("envoy_grpc_bridge_service", service);
        let scope = scope.tag("envoy_grpc_bridge_method", method);
        for name in [status.to_string().as_str(), if status == 0 { "success" } else { "failure" }, "total"] {
            self.to.shard.inc(scope.counter(name));
        }
    }

    /// What a filter counted, relative to the cluster.
    pub(crate) fn filter_count(&self, name: &str, by: u64) {
        let make = || Scope::cluster(&self.to.registry, &self.name).counter(name);
        self.to.shard.add(self.named.get(name, make), by);
    }

    /// What outlier detection did.
    pub(crate) fn outlier(&self, events: &[Event]) {
        let (shard, s) = (&self.to.shard, &self.outlier);
        for event in events {
            let Event::Detected { cause, verdict, .. } = event else {
                shard.gauge_dec(s.ejections_active);
                continue;
            };
            let (detected, enforced) = match cause {
                Cause::Consecutive5xx => {
                    (s.ejections_detected_consecutive_5xx, s.ejections_enforced_consecutive_5xx)
                }
                Cause::ConsecutiveGatewayFailure => (
                    s.ejections_detected_consecutive_gateway_failure,
                    s.ejections_enforced_consecutive_gateway_failure,
                ),
                Cause::ConsecutiveLocalOriginFailure => (
                    s.ejections_detected_consecutive_local_origin_failure,
                    s.ejections_enforced_consecutive_local_origin_failure,
                ),
                Cause::SuccessRate => (s.ejections_detected_success_rate, s.ejections_enforced_success_rate),
                Cause::LocalOriginSuccessRate => (
                    s.ejections_detected_local_origin_success_rate,
                    s.ejections_enforced_local_origin_success_rate,
                ),
                Cause::FailurePercentage => {
                    (s.ejections_detected_failure_percentage, s.ejections_enforced_failure_percentage)
                }
                Cause::LocalOriginFailurePercentage => (
                    s.ejections_detected_local_origin_failure_percentage,
                    s.ejections_enforced_local_origin_failure_percentage,
                ),
            };
            shard.inc(detected);
            match verdict {
                Verdict::Ejected => {
                    shard.inc(enforced);
                    shard.inc(s.ejections_enforced_total);
                    shard.gauge_inc(s.ejections_active);
                }
                Verdict::Overflow => shard.inc(s.ejections_overflow),
                Verdict::Spared => {}
            }
        }
    }

    pub(crate) fn handshake(&self, fine: bool) {
        self.to.shard.inc(if fine { self.tls.handshake } else { self.tls.connection_error });
    }

    pub(crate) fn bytes(&self, sent: u64, received: u64) {
        self.to.shard.add(self.stats.upstream_cx_tx_bytes_total, sent);
        self.to.shard.add(self.stats.upstream_cx_rx_bytes_total, received);
    }
}

/// Counts of an HTTP connection manager.
#[derive(Debug)]
pub(crate) struct HttpCounters {
    to: Counting,
    stats: HttpStats,
    listener: ListenerHttpStats,
    prefix: String,
    named: Named,
    process: Named,
}

impl HttpCounters {
    /// Of what a listener serves under `prefix`: a connection manager, or the end of HBONE.
    pub(crate) fn new(prefix: &str, listener: &Listener, to: Counting) -> Self {
        let registry = to.registry.clone();
        Self {
            stats: HttpStats::new(&Scope::http(&registry, prefix)),
            listener: ListenerHttpStats::new(&Scope::listener_http(&registry, &listener.stat_prefix, prefix)),
            prefix: prefix.to_owned(),
            named: Named::default(),
            process: Named::default(),
            to,
        }
    }

    /// Counts one of what `which` names.
    pub(crate) fn inc(&self, which: impl FnOnce(&HttpStats) -> Counter) {
        self.to.shard.inc(which(&self.stats));
    }

    pub(crate) fn connection_began(&self, http2: bool, tls: bool) {
        let (shard, s) = (&self.to.shard, &self.stats);
        shard.inc(s.downstream_cx_total);
        shard.gauge_inc(s.downstream_cx_active);
        shard.inc(if http2 { s.downstream_cx_http2_total } else { s.downstream_cx_http1_total });
        shard.gauge_inc(if http2 { s.downstream_cx_http2_active } else { s.downstream_cx_http1_active });
        if tls {
            shard.inc(s.downstream_cx_ssl_total);
            shard.gauge_inc(s.downstream_cx_ssl_active);
        }
    }

    pub(crate) fn connection_ended(&self, http2: bool, tls: bool, length: std::time::Duration) {
        let (shard, s) = (&self.to.shard, &self.stats);
        shard.inc(s.downstream_cx_destroy);
        shard.gauge_dec(s.downstream_cx_active);
        shard.gauge_dec(if http2 { s.downstream_cx_http2_active } else { s.downstream_cx_http1_active });
        if tls {
            shard.gauge_dec(s.downstream_cx_ssl_active);
        }
        shard.record(s.downstream_cx_length_ms, millis(length));
    }

    pub(crate) fn request_began(&self, version: Version) {
        let (shard, s) = (&self.to.shard, &self.stats);
        shard.inc(s.downstream_rq_total);
        shard.gauge_inc(s.downstream_rq_active);
        shard.inc(if version >= Version::Http2 {
            s.downstream_rq_http2_total
        } else {
            s.downstream_rq_http1_total
        });
    }

    pub(crate) fn request_ended(&self, began: Instant) {
        self.to.shard.gauge_dec(self.stats.downstream_rq_active);
        self.to.shard.record(
            self.stats.downstream_rq_time,
            millis(weft_http::clock::now().saturating_duration_since(began)),
        );
    }

    /// A final response head goes to the client.
    pub(crate) fn responded(&self, status: u16) {
        let (s, l) = (&self.stats, &self.listener);
        let (here, there) = match status / 100 {
            1 => (s.downstream_rq_1xx, l.downstream_rq_1xx),
            2 => (s.downstream_rq_2xx, l.downstream_rq_2xx),
            3 => (s.downstream_rq_3xx, l.downstream_rq_3xx),
            4 => (s.downstream_rq_4xx, l.downstream_rq_4xx),
            _ => (s.downstream_rq_5xx, l.downstream_rq_5xx),
        };
        let shard = &self.to.shard;
        shard.inc(here);
        shard.inc(there);
        shard.inc(s.downstream_rq_completed);
        shard.inc(l.downstream_rq_completed);
    }

    /// Counts what went over a connection beyond `counted`.
    pub(crate) fn bytes(&self, counted: &mut (u64, u64), now: weft_http::ConnCounters) {
        self.to.shard.add(self.stats.downstream_cx_rx_bytes_total, now.received.saturating_sub(counted.0));
        self.to.shard.add(self.stats.downstream_cx_tx_bytes_total, now.sent.saturating_sub(counted.1));
        *counted = (now.received, now.sent);
    }

    /// What a filter counted, relative to the manager's prefix.
    pub(crate) fn filter_count(&self, name: &str, by: u64) {
        let make = || Scope::http(&self.to.registry, &self.prefix).counter(name);
        self.to.shard.add(self.named.get(name, make), by);
    }

    /// What a filter counted for the process, by a name of its configuration.
    pub(crate) fn process_count(&self, name: &str, by: u64) {
        let make = || Scope::root(&self.to.registry).counter(name);
        self.to.shard.add(self.process.get(name, make), by);
    }
}

/// Counts of a listener.
#[derive(Debug)]
pub(crate) struct ListenerCounters {
    to: Counting,
    stats: ListenerStats,
    tls: TlsStats,
}

impl ListenerCounters {
    pub(crate) fn new(listener: &Listener, to: Counting) -> Self {
        let registry = to.registry.clone();
        let scope = Scope::listener(&registry, &listener.stat_prefix);
        Self { stats: ListenerStats::new(&scope), tls: TlsStats::new(&scope.part("ssl")), to }
    }

    /// Counts one of what `which` names.
    pub(crate) fn inc(&self, which: impl FnOnce(&ListenerStats) -> Counter) {
        self.to.shard.inc(which(&self.stats));
    }

    /// Counts one about TLS.
    pub(crate) fn tls(&self, which: impl FnOnce(&TlsStats) -> Counter) {
        self.to.shard.inc(which(&self.tls));
    }

    pub(crate) fn connection_began(&self) {
        self.to.shard.inc(self.stats.downstream_cx_total);
        self.to.shard.gauge_inc(self.stats.downstream_cx_active);
    }

    pub(crate) fn connection_ended(&self) {
        self.to.shard.inc(self.stats.downstream_cx_destroy);
        self.to.shard.gauge_dec(self.stats.downstream_cx_active);
    }

    pub(crate) fn handshake_failed(&self, error: &weft_tls::HandshakeError) {
        use weft_tls::{HandshakeError, VerifyError};
        self.tls(|s| s.connection_error);
        match error {
            HandshakeError::Timeout(_) => self.inc(|s| s.downstream_cx_transport_socket_connect_timeout),
            HandshakeError::Refused(VerifyError::Names { .. }) => self.tls(|s| s.fail_verify_san),
            HandshakeError::Refused(_) => self.tls(|s| s.fail_verify_error),
            _ => {}
        }
    }

    /// A `connection_limit` filter lets a connection in (1), or it ends (-1).
    pub(crate) fn connection_limit(&self, prefix: &str, by: i64) {
        let scope = Scope::root(&self.to.registry).part("connection_limit").part(prefix);
        self.to.shard.gauge_add(scope.gauge("active_connections"), by);
    }

    /// A `connection_limit` filter refused a connection.
    pub(crate) fn connection_limited(&self, prefix: &str) {
        let scope = Scope::root(&self.to.registry).part("connection_limit").part(prefix);
        self.to.shard.inc(scope.counter("limited_connections"));
    }

    /// What the shadow rules of a network RBAC filter would have decided.
    pub(crate) fn rbac_shadow(&self, config: &Rbac, allowed: bool) {
        let scope = Scope::root(&self.to.registry).part(&format!("{}rbac", config.stat_prefix));
        let word = if allowed { "shadow_allowed" } else { "shadow_denied" };
        let prefix = config.shadow_stat_prefix.trim_end_matches('.');
        let scope = if prefix.is_empty() { scope } else { scope.part(prefix) };
        self.to.shard.inc(scope.counter(word));
    }

    /// What a network RBAC filter decided.
    pub(crate) fn rbac(&self, prefix: &str, allowed: bool) {
        let scope = Scope::root(&self.to.registry).part(&format!("{prefix}rbac"));
        self.to.shard.inc(scope.counter(if allowed { "allowed" } else { "denied" }));
    }
}

/// Counts of a TCP proxy.
#[derive(Debug)]
pub(crate) struct TcpCounters {
    to: Counting,
    pub(crate) stats: TcpStats,
}

impl TcpCounters {
    pub(crate) fn new(config: &TcpProxy, to: Counting) -> Self {
        let registry = to.registry.clone();
        Self { stats: TcpStats::new(&Scope::tcp(&registry, &config.stat_prefix)), to }
    }

    /// Counts one of what `which` names.
    pub(crate) fn inc(&self, which: impl FnOnce(&TcpStats) -> Counter) {
        self.to.shard.inc(which(&self.stats));
    }

    pub(crate) fn bytes(&self, received: u64, sent: u64) {
        self.to.shard.add(self.stats.downstream_cx_rx_bytes_total, received);
        self.to.shard.add(self.stats.downstream_cx_tx_bytes_total, sent);
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
