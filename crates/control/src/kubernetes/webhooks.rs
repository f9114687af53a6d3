//! The HTTPS port that the API server calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Json, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use weft_tls::ServerStream;

use super::injection::Injection;
use super::review::validate;
use crate::certificates::Certificates;
use crate::listen::HANDSHAKE;

/// Longest review, bytes: an object of 1.5 MiB (etcd's limit), old and new.
const MAX_REVIEW: usize = 8 << 20;
/// Handshakes at a time.
const HANDSHAKES: usize = 64;
/// Pause after the system had no connection for us.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until dropped.
pub(super) async fn serve(listener: TcpListener, certificates: Arc<Certificates>, injection: Arc<Injection>) {
    let router = Router::new()
        .route("/validate", post(answer))
        .route("/inject", post(inject))
        .route("/inject/{*environment}", post(inject))
        .with_state(injection)
        .route("/ready", get(async || "ready\n"))
        .layer(DefaultBodyLimit::max(MAX_REVIEW));
    let (send, ready) = mpsc::channel(HANDSHAKES);
    let accepting = accept(listener, certificates, send);
    let serving = async { axum::serve(Secured { ready }, router).await };
    tokio::select! {
        () = accepting => {}
        served = serving => if let Err(error) = served {
            tracing::error!(%error, "webhooks are served no more");
        },
    }
}

async fn answer(Json(review): Json<Value>) -> Response {
    match validate(&review) {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn inject(State(injection): State<Arc<Injection>>, uri: Uri, Json(review): Json<Value>) -> Response {
    let path = uri.path().strip_prefix("/inject").unwrap_or_default();
    match injection.answer(path, &review) {
        Ok(answer) => Json(answer).into_response(),
        // The API server shows this to whoever makes the pod, and asks again.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

type Ready = (ServerStream<TcpStream>, SocketAddr);

/// Shakes hands with each on a task of its own, so that nobody waits for another.
async fn accept(listener: TcpListener, certificates: Arc<Certificates>, ready: mpsc::Sender<Ready>) {
    let permits = Arc::new(tokio::sync::Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (certificates, ready) = (certificates.clone(), ready.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let acceptor = match certificates.webhooks().acceptor() {
                Ok(acceptor) => acceptor,
                Err(error) => return tracing::error!(%error, "own certificate cannot be used"),
            };
            match acceptor.accept(stream, HANDSHAKE).await {
                // The receiver is gone: we stop.
                Ok((stream, _)) => drop(ready.send((stream, peer)).await),
                Err(error) => tracing::info!(%peer, %error, "refused"),
            }
        });
    }
}

/// Connections that have shaken hands.
struct Secured {
    ready: mpsc::Receiver<Ready>,
}

impl axum::serve::Listener for Secured {
    type Io = ServerStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // Who accepts has ended, and with it all of this.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}
