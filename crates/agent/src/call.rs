//! Small HTTP calls on this machine: Envoy's admin page and metrics, the application's metrics.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a call may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer, bytes: the metrics of an Envoy in a large mesh.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} http://{address}{path}: {reason}")]
pub struct CallError {
    /// Method.
    pub method: Method,
    /// Whom.
    pub address: SocketAddr,
    /// What.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Calls; any status but 200 is an error.
///
/// # Errors
/// No connection, no answer within [`CALL_TIMEOUT`], one longer than [`MAX_ANSWER_BYTES`], or another status.
pub async fn call(method: Method, address: SocketAddr, path: &str) -> Result<Bytes, CallError> {
    let failed = |reason| CallError { method: method.clone(), address, path: path.to_owned(), reason };
    match tokio::time::timeout(CALL_TIMEOUT, unhurried(&method, address, path)).await {
        Ok(answered) => answered.map_err(failed),
        Err(_) => Err(failed(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}

async fn unhurried(method: &Method, address: SocketAddr, path: &str) -> Result<Bytes, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answering = async {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?;
        match head.status {
            StatusCode::OK => Ok(body.to_bytes()),
            status => Err(format!("answered {status}")),
        }
    };
    tokio::pin!(answering, connection);
    let mut connected = true;
    loop {
        tokio::select! {
            answer = &mut answering => return answer,
            _ = &mut connection, if connected => connected = false,
        }
    }
}
