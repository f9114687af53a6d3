//! Probes of the application that the kubelet asks of the proxy, since only the proxy knows the mesh's TLS.
//!
//! The injector rewrote them to `/app-health/CONTAINER/{livez,readyz,startupz}` and
//! `/app-lifecycle/CONTAINER/{prestopz,poststartz}` of port 15020, and keeps what they were in
//! [`VARIABLE`]. Here each is called as the kubelet would have: the pod's own address, no connection kept,
//! a certificate of any kind, redirects within the host alone. Source: CP-14, SD-18.
//!
//! ```text
//! kubelet ── GET /app-health/web/readyz ──► 15020 ── as it was (http | tcp | grpc) ──► POD_IP:8080
//!                                            from 127.0.0.6: the pod's rules let that pass
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

mod anyone;
mod dial;
mod grpc;
mod http_get;
mod location;
mod read;

pub use read::{MalformedProbe, VARIABLE};

/// Most probes under way at a time; the next waits, within its own time-out.
pub const MAX_AT_ONCE: usize = 64;
/// Longest body that is handed on, bytes; what is longer is cut there. Source: Istio's agent.
pub const MAX_BODY_BYTES: usize = 10 * 1024;
/// Time-out of a probe that names none. Source: Kubernetes' default.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest time for a hook, which names none: the kubelet ends it sooner, with the pod's grace period.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(600);
/// If `true`, probes go to the loopback address, as Istio's did once.
pub const LEGACY_LOCALHOST: &str = "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION";

/// What the probes of a pod were, and where to.
#[derive(Debug)]
pub struct Probers {
    by_path: BTreeMap<String, Prober>,
    destination: IpAddr,
    places: Semaphore,
}

/// One probe or hook as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Prober {
    handler: Handler,
    timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Handler {
    Http(HttpGet),
    Tcp { port: u16 },
    Grpc { port: u16, service: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct HttpGet {
    secure: bool,
    port: u16,
    /// Path and query, as they stand in a request.
    path: String,
    /// `host` of the probe: what the application reads as Host.
    host: Option<String>,
    /// `httpHeaders` of the probe.
    headers: HeaderMap,
}

/// What is said to the kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The application's own status over HTTP; else 200 when it is well, 500 when not, 400 for a path that
    /// no container has.
    pub status: StatusCode,
    /// What the application says, at most [`MAX_BODY_BYTES`], or what went wrong.
    pub body: Bytes,
}

impl Answer {
    fn line(status: StatusCode, text: impl std::fmt::Display) -> Self {
        Self { status, body: format!("{text}\n").into() }
    }

    fn fine() -> Self {
        Self { status: StatusCode::OK, body: Bytes::new() }
    }
}

/// Whether a path of port 15020 is for [`Probers::answer`].
#[must_use]
pub fn is_probe(path: &str) -> bool {
    path.starts_with("/app-health/") || path.starts_with("/app-lifecycle/")
}

impl Probers {
    /// Reads [`VARIABLE`] and [`LEGACY_LOCALHOST`] of the environment; `pod` is the pod's first address. No
    /// variable: no probes.
    ///
    /// # Errors
    /// The variable cannot be read; says which probe and field.
    pub fn of_environment(
        environment: &BTreeMap<String, String>,
        pod: IpAddr,
    ) -> Result<Self, MalformedProbe> {
        let text = environment.get(VARIABLE).map(String::as_str).filter(|text| !text.is_empty());
        let destination = match (environment.get(LEGACY_LOCALHOST).map(String::as_str), pod) {
            (Some("true"), IpAddr::V4(_)) => Ipv4Addr::LOCALHOST.into(),
            (Some("true"), IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
            _ => pod,
        };
        Ok(Self {
            by_path: text.map(read::read).transpose()?.unwrap_or_default(),
            destination,
            places: Semaphore::new(MAX_AT_ONCE),
        })
    }

    /// Asks the application. `headers` are those of the kubelet, Host among them.
    pub async fn answer(&self, path: &str, headers: &HeaderMap) -> Answer {
        let Some(Prober { handler, timeout }) = self.by_path.get(path) else {
            return Answer::line(StatusCode::BAD_REQUEST, format_args!("no probe {path} in {VARIABLE}"));
        };
        let asking = async {
            // Never closed; without a place is as good as with one then.
            let _place = self.places.acquire().await;
            match handler {
                Handler::Http(get) => http_get::get(get, self.destination, headers).await,
                Handler::Tcp { port } => {
                    let dialed = dial::dial(self.destination, *port).await;
                    dialed.map(|_| Answer::fine())
                }
                Handler::Grpc { port, service } => {
                    let agent = headers.get(http::header::USER_AGENT);
                    grpc::check(self.destination, *port, service, agent).await.map(|()| Answer::fine())
                }
            }
        };
        let answered = tokio::time::timeout(*timeout, asking)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", timeout.as_secs())));
        answered.unwrap_or_else(|reason| {
            tracing::warn!(path, reason, "a probe of the application failed");
            Answer::line(StatusCode::INTERNAL_SERVER_ERROR, format_args!("{path}: {reason}"))
        })
    }
}
