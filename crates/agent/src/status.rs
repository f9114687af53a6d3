//! The agent's own port, 15020: readiness, merged metrics, the application's probes, and the two switches of
//! Istio's agent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::call::call;
use crate::identity::Certificates;
use crate::metrics::{self, Scrape};
use crate::probes::{self, Probers};
use crate::readiness::{self, Counters};

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 64;
/// How long a client may take for its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What the pages are made of.
#[derive(Debug)]
pub struct Status {
    /// Envoy's admin page.
    pub admin: SocketAddr,
    /// Envoy's metrics (its port 15090).
    pub metrics: SocketAddr,
    /// The application's metrics.
    pub application: Option<Scrape>,
    /// What the application's probes were.
    pub probers: Probers,
    /// The workload's certificate.
    pub certificates: Certificates,
    /// What keeps us from one.
    pub problem: watch::Receiver<Option<String>>,
    /// Envoy had its configuration once.
    pub configured: AtomicBool,
    /// The end has begun.
    pub draining: AtomicBool,
    /// Where the order to end goes.
    pub quit: mpsc::Sender<()>,
}

impl Status {
    /// Whether the proxy is ready.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("the agent is draining".to_owned());
        }
        let text = call(Method::GET, self.admin, readiness::PATH).await.map_err(|e| e.to_string())?;
        let counters = Counters::read(&String::from_utf8_lossy(&text));
        if !self.configured.load(Ordering::Relaxed) {
            counters.configured().map_err(|reason| match &*self.problem.borrow() {
                Some(problem) => format!("{reason}; no certificate: {problem}"),
                None => reason,
            })?;
            self.configured.store(true, Ordering::Relaxed);
        }
        counters.serving()
    }

    async fn all_metrics(&self) -> Result<Vec<u8>, String> {
        let proxy = call(Method::GET, self.metrics, "/stats/prometheus").await;
        let proxy = proxy.map_err(|error| error.to_string())?;
        let application = match &self.application {
            None => Bytes::new(),
            // An application that is down must not hide the proxy's metrics.
            Some(scrape) => call(Method::GET, scrape.address, &scrape.path).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the application's metrics are left out");
                Bytes::new()
            }),
        };
        Ok(metrics::merge(&[&proxy, self.own_metrics().as_bytes(), &application]))
    }

    fn own_metrics(&self) -> String {
        metrics::own(self.certificates.borrow().as_deref(), SystemTime::now())
    }

    async fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        peer: SocketAddr,
    ) -> (StatusCode, Bytes) {
        if probes::is_probe(path) {
            let probes::Answer { status, body } = self.probers.answer(path, headers).await;
            return (status, body);
        }
        let (status, body) = self.page(method, path, peer).await;
        (status, body.into())
    }

    async fn page(&self, method: &Method, path: &str, peer: SocketAddr) -> (StatusCode, Vec<u8>) {
        match (method, path) {
            (&Method::GET | &Method::HEAD, "/healthz/ready") => match self.ready().await {
                Ok(()) => (StatusCode::OK, Vec::new()),
                Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, line(&reason)),
            },
            (&Method::GET, "/stats/prometheus") => match self.all_metrics().await {
                Ok(text) => (StatusCode::OK, text),
                Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, line(&reason)),
            },
            (&Method::GET, "/metrics") => (StatusCode::OK, self.own_metrics().into_bytes()),
            (&Method::POST, "/quitquitquit" | "/drain") if !peer.ip().is_loopback() => {
                (StatusCode::FORBIDDEN, line("only from this machine"))
            }
            (&Method::POST, "/quitquitquit") => {
                // Two orders that wait already say all there is to say.
                let _ = self.quit.try_send(());
                (StatusCode::OK, line("OK"))
            }
            (&Method::POST, "/drain") => {
                self.draining.store(true, Ordering::Relaxed);
                match call(Method::POST, self.admin, crate::envoy::DRAIN).await {
                    Ok(_) => (StatusCode::OK, line("OK")),
                    Err(error) => (StatusCode::BAD_GATEWAY, line(&error.to_string())),
                }
            }
            (_, "/quitquitquit" | "/drain") => (StatusCode::METHOD_NOT_ALLOWED, line("wanted POST")),
            _ => (StatusCode::NOT_FOUND, line("not found")),
        }
    }
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

/// Serves the pages for ever.
pub async fn serve(listener: TcpListener, status: Arc<Status>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let status = status.clone();
                tokio::spawn(async move {
                    connection(stream, peer, status).await;
                    drop(place);
                });
            }
            // Out of file descriptors, say: it passes, or the log shows it.
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the agent's port");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, status: Arc<Status>) {
    let service = service_fn(|request: Request<Incoming>| {
        let status = status.clone();
        async move {
            let path = request.uri().path();
            let (code, body) = status.answer(request.method(), path, request.headers(), peer).await;
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = code;
            let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            Ok::<_, Infallible>(response)
        }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(%error, %peer, "a connection of the agent's port ended");
    }
}
