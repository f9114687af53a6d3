//! Pages for people and for Prometheus, without TLS, on loopback by default.

mod dump;
mod metrics;
mod page;
mod syncz;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::watch;
use weft_api::Diagnostic;
use weft_xds::server::Streams;

use crate::nodes::Nodes;
use crate::world::World;

/// Pages that everybody may see.
const OPEN: [&str; 3] = ["/ready", "/version", "/metrics"];

/// What pages are made of.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The mesh.
    pub worlds: watch::Receiver<Arc<World>>,
    /// Connected proxies.
    pub nodes: Arc<Nodes>,
    /// Their streams.
    pub streams: Streams,
    /// They are served on loopback.
    pub local: bool,
}

impl Pages {
    /// What is said of files and objects, and for the proxies that are connected.
    fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut all = self.worlds.borrow().diagnostics.to_vec();
        all.extend(self.nodes.findings().all());
        all
    }
}

/// All pages.
pub fn router(pages: Pages) -> Router {
    let local = pages.local;
    Router::new()
        .route("/", get(async |State(pages): State<Pages>| html(page::render(&pages))))
        .route("/ready", get(async || "ready\n"))
        .route("/version", get(async || concat!(env!("CARGO_PKG_VERSION"), "\n")))
        .route("/metrics", get(async |State(pages): State<Pages>| metrics::render(&pages)))
        .route("/debug/syncz", get(async |State(pages): State<Pages>| json_of(&syncz::all(&pages.streams))))
        .route("/debug/config_dump", get(config_dump))
        .route("/debug/snapshotz", get(async |State(pages): State<Pages>| json_of(&snapshot(&pages))))
        .route("/debug/diagnosticz", get(async |State(pages): State<Pages>| json_of(&diagnostics(&pages))))
        .with_state(pages)
        .layer(middleware::from_fn(move |request: Request, next: Next| async move {
            // A page of some web site must not read ours by a name of its own for loopback.
            if local && !is_local(request.headers().get(header::HOST).and_then(|host| host.to_str().ok())) {
                return (StatusCode::MISDIRECTED_REQUEST, "Host must be an address or localhost\n")
                    .into_response();
            }
            // Pages show the whole mesh: off loopback only what everybody may know (CP-06).
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let is_open = OPEN.contains(&request.uri().path());
            if !local && !is_open && !peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) {
                let text = "only from loopback: use kubectl port-forward or exec\n";
                return (StatusCode::FORBIDDEN, text).into_response();
            }
            next.run(request).await
        }))
}

fn is_local(host: Option<&str>) -> bool {
    let Some(host) = host else { return true };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| match port.parse::<u16>() {
        Ok(_) => name,
        Err(_) => host,
    });
    name == "localhost" || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

fn html(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

fn json_of(value: &Value) -> Response {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response()
}

/// `?proxyID=ID`, the whole node id or its `POD.NAMESPACE`. Source: CP-06.
async fn config_dump(State(pages): State<Pages>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let id = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "proxyID");
    let Some((_, id)) = id else {
        return (StatusCode::BAD_REQUEST, "proxyID: missing; /debug/syncz lists proxies\n").into_response();
    };
    match pages.nodes.find(&id) {
        Some((proxy, set)) => json_of(&dump::render(&proxy.id, &set)),
        None => (StatusCode::NOT_FOUND, format!("{id}: no such proxy is connected\n")).into_response(),
    }
}

fn diagnostics(pages: &Pages) -> Value {
    json!(pages.diagnostics())
}

fn snapshot(pages: &Pages) -> Value {
    let world = pages.worlds.borrow().clone();
    let snapshot = &world.snapshot;
    let services: Vec<Value> = snapshot
        .services()
        .map(|service| {
            let ports: Vec<Value> = service
                .ports
                .iter()
                .map(|port| {
                    let endpoints = snapshot.endpoints(service, port.number);
                    let endpoints: Vec<String> =
                        endpoints.iter().map(|endpoint| format!("{:?}", endpoint.address)).collect();
                    json!({
                        "number": port.number,
                        "name": &*port.name,
                        "protocol": format!("{:?}", port.protocol),
                        "endpoints": endpoints,
                    })
                })
                .collect();
            json!({"host": &*service.host, "namespace": &*service.namespace, "ports": ports})
        })
        .collect();
    let workloads: Vec<Value> = snapshot
        .workloads()
        .map(|workload| {
            json!({
                "name": &*workload.name,
                "namespace": &*workload.namespace,
                "identity": workload.identity.to_string(),
                "addresses": workload.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "generation": snapshot.generation,
        "tookMicros": world.took.as_micros() as u64,
        "objects": world.objects,
        "diagnostics": pages.diagnostics().len(),
        "services": services,
        "workloads": workloads,
    })
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_addresses_and_localhost_are_local() {
        for good in ["127.0.0.1:15014", "localhost", "localhost:1", "[::1]:80", "10.0.0.1"] {
            assert!(is_local(Some(good)), "{good}");
        }
        for bad in ["evil.example", "evil.example:15014", "127.0.0.1.evil.example", "localhost.evil:80"] {
            assert!(!is_local(Some(bad)), "{bad}");
        }
    }
}
