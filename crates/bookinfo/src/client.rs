//! Calls to the other services: one GET, one deadline, one JSON answer.

use std::fmt;
use std::io;
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::product::ProductId;

/// Most bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A service to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// How calls leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Via {
    /// To the target itself.
    Direct,
    /// To an HTTP proxy, in absolute form (RFC 9112 section 3.2.2).
    Proxy(Target),
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Direct);
        }
        let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
        if uri.scheme_str().is_some_and(|scheme| scheme != "http") || !matches!(uri.path(), "" | "/") {
            return Err("not of the form http://HOST:PORT".to_owned());
        }
        match (uri.host(), uri.port_u16()) {
            (Some(host), Some(port)) => Ok(Self::Proxy(Target { host: host.to_owned(), port })),
            _ => Err("names no host and port".to_owned()),
        }
    }
}

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    #[error("cannot connect to {at}: {source}")]
    Connect { at: Target, source: io::Error },
    #[error("not a request: {0}")]
    Request(#[from] http::Error),
    #[error("broken exchange: {0}")]
    Exchange(#[from] hyper::Error),
    #[error("answer cut off: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("status {0}")]
    Status(StatusCode),
    #[error("answer is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CallError {
    /// The status that the sample's productpage passes on: the callee's own, else 500.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Status(status) => *status,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Calls other services, each time by a connection of its own as the sample does: none is ever stale.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    via: Via,
}

impl Client {
    pub(crate) fn new(via: Via) -> Self {
        Self { via }
    }

    /// `GET http://TARGET/COLLECTION/ID`; 200 with JSON within the time, connecting included, or an error,
    /// which is also logged.
    pub(crate) async fn get(
        &self,
        target: &Target,
        collection: &str,
        id: ProductId,
        headers: HeaderMap,
        timeout: Duration,
    ) -> Result<Value, CallError> {
        let path = format!("/{collection}/{id}");
        let answer = tokio::time::timeout(timeout, self.exchange(target, &path, headers))
            .await
            .unwrap_or(Err(CallError::Timeout(timeout)));
        answer.inspect_err(|error| tracing::warn!(%target, path, %error, "call failed"))
    }

    async fn exchange(&self, target: &Target, path: &str, headers: HeaderMap) -> Result<Value, CallError> {
        let (hop, uri) = match &self.via {
            Via::Direct => (target, path.to_owned()),
            Via::Proxy(proxy) => (proxy, format!("http://{target}{path}")),
        };
        let mut request = Request::get(uri).body(Empty::<Bytes>::new())?;
        *request.headers_mut() = headers;
        let host = HeaderValue::try_from(target.to_string()).map_err(http::Error::from)?;
        request.headers_mut().insert(HOST, host);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));

        let unreached = |source| CallError::Connect { at: hop.clone(), source };
        // An IPv6 address stands in brackets in a URL, and without them in a socket address.
        let host = hop.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, hop.port)).await.map_err(unreached)?;
        stream.set_nodelay(true).map_err(unreached)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut answer = pin!(async move {
            let response = sender.send_request(request).await?;
            if response.status() != StatusCode::OK {
                return Err(CallError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
            let body = body.collect().await.map_err(CallError::Body)?;
            Ok(serde_json::from_slice(&body.to_bytes())?)
        });
        // Both are polled here rather than in a task, so that a deadline closes the connection too.
        tokio::select! {
            answered = &mut answer => answered,
            closed = connection => { closed?; answer.await }
        }
    }
}
