//! The admin page: readiness, counters, what was loaded and what of it is not in effect.

use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::sync::Notify;
use weft_agent::call::call;
use weft_agent::metrics::{self, Scrape};
use weft_agent::probes::{self, Probers};
use weft_codec::{Limits, Side};
use weft_http::{AnyCodec, ConnOptions, Exchange, ServerConn};
use weft_net::BoundListener;
use weft_proto::text::Problem;
use weft_tables::Finding;
use weft_telemetry::stats::{Filter, prometheus, text};
use weft_types::{Method, RequestHead, ResponseHead};

use crate::drain::DrainSwitch;
use crate::dynamic::Dynamic;
use crate::process::Process;

/// What the page shows and does.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) process: Arc<Process>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) drain: DrainSwitch,
    pub(crate) stop_listening: DrainSwitch,
    pub(crate) workers: usize,
    pub(crate) quit: Notify,
    /// What comes over xDS.
    pub(crate) dynamic: Option<Dynamic>,
    /// Where the application shows its own counters.
    pub(crate) application: Option<Scrape>,
    /// What its probes were.
    pub(crate) probers: Option<Probers>,
}

/// How much of the page a socket shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All of it.
    Admin,
    /// Readiness alone (SD-04: port 15021).
    Health,
    /// Counters alone, for Prometheus (15090).
    Metrics,
    /// Readiness, counters together with those of the application, and its probes (15020).
    Status,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin page",
            Self::Health => "health page",
            Self::Metrics => "page of counters",
            Self::Status => "status page",
        })
    }
}

struct Answer {
    status: u16,
    kind: &'static str,
    body: Bytes,
}

impl Answer {
    fn text(body: impl Into<Bytes>) -> Self {
        Self { status: 200, kind: "text/plain; charset=UTF-8", body: body.into() }
    }

    fn json(value: &serde_json::Value) -> Self {
        Self { status: 200, kind: "application/json", body: format!("{value:#}\n").into() }
    }
}

const HELP: &str = "\
admin page of weft-proxy

  GET  /ready              LIVE with 200 once all listeners serve
  GET  /stats              counters; ?filter=REGEX, ?usedonly, ?format=json|prometheus
  GET  /stats/prometheus   the same for Prometheus
  GET  /clusters           members of the clusters in use, with health and counts
  GET  /listeners          listeners and their addresses
  GET  /unsupported        fields of the configuration that have no effect, or are refused; as JSON
  GET  /config_dump        resources that came over xDS, in force and waiting
  GET  /xds                the connection to the xDS server, and what of its resources was refused
  GET  /server_info        version, state, workers
  POST /drain_listeners    take no new connections; ?graceful also tells clients to go elsewhere
  POST /healthcheck/fail   make /ready fail;  POST /healthcheck/ok  undoes it
  POST /quitquitquit       drain and end
";

impl Page {
    /// Waits for `/quitquitquit`.
    pub(crate) async fn quit(&self) {
        self.quit.notified().await;
    }

    fn date(&self) -> String {
        let seconds =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        crate::worker::http_date(seconds)
    }

    fn answer(&self, method: &Method, path: &str, query: &str) -> Answer {
        let changes = matches!(
            path,
            "/drain_listeners"
                | "/healthcheck/fail"
                | "/healthcheck/ok"
                | "/quitquitquit"
                | "/reset_counters"
        );
        if changes && *method != Method::Post {
            return Answer { status: 405, ..Answer::text("Method Not Allowed: use POST\n") };
        }
        match path {
            "/" | "/help" => Answer::text(HELP),
            "/healthz/ready" if self.process.is_ready() => Answer::text(""),
            "/healthz/ready" => Answer { status: 503, ..Answer::text("not ready\n") },
            "/ready" if self.process.is_ready() => Answer::text("LIVE\n"),
            "/ready" if self.process.was_ready() => Answer { status: 503, ..Answer::text("DRAINING\n") },
            "/ready" => Answer { status: 503, ..Answer::text("PRE_INITIALIZING\n") },
            "/stats" | "/stats/prometheus" => self.stats(path, query),
            "/clusters" => Answer::text(self.clusters()),
            "/listeners" => Answer::text(self.listeners()),
            "/unsupported" => self.unsupported(),
            "/config_dump" => Answer::json(&self.dynamic.as_ref().map_or_else(|| json!({}), Dynamic::dump)),
            "/xds" => Answer::json(&self.dynamic.as_ref().map_or_else(|| json!({}), Dynamic::status)),
            "/server_info" => Answer::json(&json!({
                "version": concat!("weft-proxy/", env!("CARGO_PKG_VERSION")),
                "state": if self.process.is_ready() { "LIVE" } else { "DRAINING" },
                "concurrency": self.workers,
                "generation": self.process.tables.load().generation,
            })),
            "/drain_listeners" => {
                if query.split('&').any(|p| p == "graceful") {
                    self.drain.start();
                }
                self.stop_listening.start();
                Answer::text("OK\n")
            }
            "/healthcheck/fail" => {
                self.process.set_failing(true);
                Answer::text("OK\n")
            }
            "/healthcheck/ok" => {
                self.process.set_failing(false);
                Answer::text("OK\n")
            }
            "/quitquitquit" => {
                self.quit.notify_one();
                Answer::text("OK\n")
            }
            other => Answer { status: 404, ..Answer::text(format!("no page {other}; / lists them\n")) },
        }
    }

    fn stats(&self, path: &str, query: &str) -> Answer {
        crate::gauges::set(&self.process);
        let filter = match Filter::from_query(query) {
            Ok(filter) => filter,
            Err(error) => return Answer { status: 400, ..Answer::text(format!("filter: {error}\n")) },
        };
        let snapshot = self.process.registry.snapshot(&filter);
        let format = query.split('&').find_map(|p| p.strip_prefix("format="));
        match (path, format) {
            ("/stats/prometheus", _) | (_, Some("prometheus")) => Answer {
                kind: "text/plain; version=0.0.4; charset=utf-8",
                ..Answer::text(prometheus::render(&snapshot))
            },
            (_, Some("json")) => {
                Answer { kind: "application/json", ..Answer::text(text::render_json(&snapshot)) }
            }
            _ => Answer::text(text::render_text(&snapshot)),
        }
    }

    /// Counters of the proxy, the workload's identity and the application, for Prometheus.
    async fn all_counters(&self) -> Answer {
        let own = self.stats("/stats/prometheus", "");
        let identity = self.dynamic.as_ref().map(Dynamic::identity_counters).unwrap_or_default();
        let application = match &self.application {
            None => Bytes::new(),
            // An application that is down must not hide the proxy's counters.
            Some(Scrape { address, path }) => {
                call(http::Method::GET, *address, path).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "the application's counters are left out");
                    Bytes::new()
                })
            }
        };
        Answer { body: metrics::merge(&[&own.body, identity.as_bytes(), &application]).into(), ..own }
    }

    /// The application's own word to a probe. Source: CP-14.
    async fn probe(&self, head: &RequestHead) -> Answer {
        let Some(probers) = &self.probers else {
            return Answer { status: 404, ..Answer::text("no application beside this proxy\n") };
        };
        let mut headers: http::HeaderMap = head
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.try_into().ok()?, value.try_into().ok()?)))
            .collect();
        if let Ok(host) = http::HeaderValue::from_str(&head.authority) {
            headers.insert(http::header::HOST, host);
        }
        let probes::Answer { status, body } = probers.answer(head.path_only(), &headers).await;
        Answer { status: status.as_u16(), ..Answer::text(body) }
    }

    fn clusters(&self) -> String {
        let mut out = String::new();
        let mut clusters = self.process.clusters_in_use();
        clusters.sort_by(|a, b| a.config.name.cmp(&b.config.name));
        for cluster in clusters {
            let name = &cluster.config.name;
            for host in cluster.members().hosts() {
                let address = &host.endpoint.address;
                let state = &host.state;
                let health = match host.health() {
                    weft_balance::HostHealth::Healthy => "healthy",
                    weft_balance::HostHealth::Degraded => "/degraded",
                    weft_balance::HostHealth::Unhealthy => "/failed",
                };
                let load = |n: &std::sync::atomic::AtomicU64| n.load(std::sync::atomic::Ordering::Relaxed);
                for (key, value) in [
                    ("cx_active", state.active_connections.current()),
                    ("cx_total", load(&state.totals.connections)),
                    ("rq_active", state.active_requests.current()),
                    ("rq_total", load(&state.totals.requests)),
                    ("rq_success", load(&state.totals.successes)),
                    ("rq_error", load(&state.totals.errors)),
                    ("weight", u64::from(host.endpoint.weight)),
                    ("priority", u64::from(host.priority)),
                ] {
                    out.push_str(&format!("{name}::{address}::{key}::{value}\n"));
                }
                out.push_str(&format!("{name}::{address}::health_flags::{health}\n"));
            }
        }
        out
    }

    fn listeners(&self) -> String {
        let listeners = self.process.listeners.borrow();
        let mut lines: Vec<String> = listeners
            .iter()
            .flat_map(|l| l.config.addresses.iter().map(|a| format!("{}::{a}\n", l.config.name)))
            .collect();
        lines.sort();
        lines.concat()
    }

    fn unsupported(&self) -> Answer {
        let dynamic = self.dynamic.as_ref().map(Dynamic::findings).unwrap_or_default();
        let findings: Vec<_> = self
            .findings
            .iter()
            .chain(&dynamic)
            .map(|f| {
                json!({
                    "resource": f.resource.to_string(),
                    "path": f.path,
                    "class": if f.is_refused() { "refused" } else { "ignored" },
                    "reason": f.reason,
                    "hint": f.hint,
                })
            })
            .collect();
        let problems: Vec<_> = self
            .problems
            .iter()
            .map(
                |p| json!({ "path": p.path, "line": p.line, "column": p.column, "text": p.kind.to_string() }),
            )
            .collect();
        Answer::json(&json!({ "findings": findings, "problems": problems }))
    }
}

/// Serves the page.
pub(crate) async fn run(page: Rc<Page>, socket: Arc<BoundListener>, kind: Kind) {
    let Ok(mut acceptor) = socket.acceptor(0, 1) else { return };
    while let Ok(accepted) = acceptor.accept().await {
        let page = page.clone();
        tokio::task::spawn_local(async move {
            let codec = AnyCodec::http1(Side::Server, Limits::default(), "http");
            let mut conn = ServerConn::new(accepted.stream, codec, ConnOptions::default(), BytesMut::new());
            while let Some(Ok(exchange)) = conn.accept().await {
                if respond(&page, exchange, kind).await.is_none() {
                    break;
                }
            }
        });
    }
}

async fn respond(page: &Page, exchange: Exchange, kind: Kind) -> Option<()> {
    let Exchange { head, body, mut reply } = exchange;
    let answer = match (kind, head.path_only()) {
        (Kind::Status, path) if probes::is_probe(path) => page.probe(&head).await,
        (Kind::Admin, path) => page.answer(&head.method, path, head.query().unwrap_or_default()),
        (Kind::Health | Kind::Status, path @ "/healthz/ready")
        | (Kind::Metrics, path @ "/stats/prometheus") => page.answer(&head.method, path, ""),
        (Kind::Status, "/stats/prometheus") => page.all_counters().await,
        (_, other) => Answer { status: 404, ..Answer::text(format!("no page {other}\n")) },
    };
    drop(body);
    let mut response = ResponseHead::new(answer.status);
    response.headers.append("content-type", answer.kind);
    response.headers.append("cache-control", "no-cache, max-age=0");
    response.headers.append("x-content-type-options", "nosniff");
    response.headers.append("date", page.date());
    response.headers.append("server", "envoy");
    let end = answer.body.is_empty() || head.method == Method::Head;
    reply.head(&response, end).await.ok()?;
    if !end {
        reply.data(answer.body, true).await.ok()?;
    }
    Some(())
}
