//! Envoy's ADS stream, carried to the control plane with the workload's identity.
//!
//! One stream of Envoy is one stream upstream, on a connection of its own: when either ends, so does the
//! other, and Envoy, which alone knows what it has, begins anew with it. While the control plane is away,
//! Envoy's stream is held open and the connection is tried with backoff. Source: SD-17.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::body::Body;
use tonic::client;
use tonic::server::{self, NamedService, StreamingService};
use tonic::transport::Server as Serving;
use tonic::{Request, Response, Status, Streaming};
use tower_service::Service;
use weft_types::random::SplitMix;

use crate::backoff;
use crate::channel::{self, Server};
use crate::identity::Certificates;
use crate::raw::Raw;
use crate::socket::BoundSocket;
use crate::token;

/// Longest message in either direction, bytes: all clusters of a large mesh in one answer.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// How long Envoy's stream is held while there is no control plane; then it ends, and Envoy says so in
/// its own counters before it tries again.
pub const HOLD: Duration = Duration::from_secs(30);
/// Most streams at a time: Envoy has one, and one more while it changes.
pub const MAX_STREAMS: u64 = 16;

const SERVICE: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
const STREAM: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const DELTA: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// Where to, and as whom.
#[derive(Clone, Debug)]
pub struct ForwardConfig {
    /// The control plane.
    pub server: Server,
    /// Token to show while there is no certificate.
    pub token: std::path::PathBuf,
    /// The workload's certificate, shown when there is one.
    pub certificates: Certificates,
    /// Name of the cluster, told as `clusterid`; empty: not told.
    pub cluster_id: String,
}

/// A forwarder that runs until it is dropped.
#[derive(Debug)]
pub struct Forwarder {
    task: JoinHandle<()>,
    _socket: BoundSocket,
}

impl Forwarder {
    /// Serves on a socket, on the present runtime. `random` gives jitter.
    ///
    /// # Errors
    /// The socket's listener was taken before.
    pub fn start(mut socket: BoundSocket, config: ForwardConfig, random: SplitMix) -> io::Result<Self> {
        let listener = socket.take().ok_or(io::ErrorKind::NotConnected)?;
        let service = Forward { config: Arc::new(config), random, open: Arc::new(AtomicU64::new(0)) };
        let serving =
            Serving::builder().add_service(service).serve_with_incoming(UnixListenerStream::new(listener));
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(error = channel::causes(&error), "the ADS socket has ended");
            }
        });
        Ok(Self { task, _socket: socket })
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The service of one socket.
#[derive(Clone)]
struct Forward {
    config: Arc<ForwardConfig>,
    random: SplitMix,
    open: Arc<AtomicU64>,
}

impl NamedService for Forward {
    const NAME: &'static str = SERVICE;
}

impl Service<http::Request<Body>> for Forward {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let forward = self.clone();
        Box::pin(async move {
            let path = match request.uri().path() {
                STREAM => STREAM,
                DELTA => DELTA,
                _ => return Ok(Status::unimplemented(SERVICE).into_http()),
            };
            let method = Method { forward, path };
            let mut grpc = server::Grpc::new(Raw)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES);
            Ok(grpc.streaming(method, request).await)
        })
    }
}

/// One of the two methods.
struct Method {
    forward: Forward,
    path: &'static str,
}

impl StreamingService<Bytes> for Method {
    type Response = Bytes;
    type ResponseStream = ReceiverStream<Result<Bytes, Status>>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::ResponseStream>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (forward, path) = (self.forward.clone(), self.path);
        Box::pin(async move {
            let place = Place::take(&forward.open)?;
            // Envoy gets its headers at once; what goes wrong upstream comes as the stream's end.
            let (answers, receiver) = mpsc::channel(1);
            tokio::spawn(async move {
                let end = carry(&forward, path, request.into_inner(), &answers).await;
                if let Err(status) = end {
                    tracing::warn!(code = ?status.code(), reason = status.message(), "ADS stream ended");
                    let _ = answers.send(Err(status)).await;
                }
                drop(place);
            });
            Ok(Response::new(ReceiverStream::new(receiver)))
        })
    }
}

/// A place among [`MAX_STREAMS`].
struct Place(Arc<AtomicU64>);

impl Place {
    fn take(open: &Arc<AtomicU64>) -> Result<Self, Status> {
        let place = Self(open.clone());
        if open.fetch_add(1, Ordering::Relaxed) >= MAX_STREAMS {
            return Err(Status::resource_exhausted(format!("more than {MAX_STREAMS} ADS streams")));
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Carries one stream from its beginning to its end. Both directions move at the same time, from the start:
/// some servers send nothing, not even headers, before they have read a request.
async fn carry(
    forward: &Forward,
    path: &'static str,
    mut requests: Streaming<Bytes>,
    answers: &mpsc::Sender<Result<Bytes, Status>>,
) -> Result<(), Status> {
    let (up, upward) = mpsc::channel(1);
    let moving_up = async move {
        while let Some(request) = requests.message().await? {
            if up.send(request).await.is_err() {
                break;
            }
        }
        // Envoy has said all, or nobody upstream listens any more: the answers tell the end.
        drop(up);
        std::future::pending::<Result<(), Status>>().await
    };
    let moving_down = async {
        let mut downward = open(forward, path, upward).await?;
        loop {
            match downward.message().await {
                Ok(Some(answer)) => {
                    if answers.send(Ok(answer)).await.is_err() {
                        return Ok(());
                    }
                }
                Ok(None) => return Err(Status::unavailable("the control plane ended the stream")),
                Err(status) => return Err(of_upstream(&status)),
            }
        }
    };
    tokio::select! {
        end = moving_down => end,
        // The connection to Envoy broke: there is nobody to tell.
        _ = moving_up => Ok(()),
        () = answers.closed() => Ok(()),
    }
}

/// Opens the stream upstream, trying again for [`HOLD`].
async fn open(
    forward: &Forward,
    path: &'static str,
    requests: mpsc::Receiver<Bytes>,
) -> Result<Streaming<Bytes>, Status> {
    let address = &forward.config.server.address;
    let mut random = forward.random.clone();
    let begun = Instant::now();
    let mut failures = 0;
    let (channel, request) = loop {
        match prepare(&forward.config).await {
            Ok(prepared) => break prepared,
            Err(reason) => {
                failures += 1;
                let wait = backoff::wait(failures, backoff::dice(&mut random));
                tracing::warn!(reason, failures, retry_in = ?wait, "no control plane");
                if begun.elapsed() + wait > HOLD {
                    let seconds = HOLD.as_secs();
                    return Err(Status::unavailable(format!(
                        "no ADS from {address} for {seconds} s: {reason}"
                    )));
                }
                tokio::time::sleep(wait).await;
            }
        }
    };
    tracing::info!(server = address, path, "connected for ADS");
    let mut grpc = client::Grpc::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    grpc.ready().await.map_err(|error| Status::unavailable(channel::causes(&error)))?;
    let request = request.map(|()| ReceiverStream::new(requests));
    let opened = grpc.streaming(request, PathAndQuery::from_static(path), Raw).await;
    opened.map(Response::into_inner).map_err(|status| of_upstream(&status))
}

/// A connection, and the credentials of the stream on it.
async fn prepare(config: &ForwardConfig) -> Result<(tonic::transport::Channel, Request<()>), String> {
    let certificate = config.certificates.borrow().clone();
    let certificate = certificate.filter(|certificate| SystemTime::now() < certificate.lifetime.until);
    let mut request = Request::new(());
    if certificate.is_none() {
        let bearer = token::bearer(&config.token).await.map_err(|error| error.to_string())?;
        request.metadata_mut().insert("authorization", bearer);
    }
    if let Some(cluster) = config.cluster_id.parse().ok().filter(|_| !config.cluster_id.is_empty()) {
        request.metadata_mut().insert("clusterid", cluster);
    }
    let channel =
        channel::connect(&config.server, certificate.as_deref()).await.map_err(|error| error.to_string())?;
    Ok((channel, request))
}

/// The control plane's words, without its headers: those are between it and us.
fn of_upstream(status: &Status) -> Status {
    let cause = std::error::Error::source(status).map(channel::causes);
    let message = match cause {
        Some(cause) if !status.message().contains(&cause) => format!("{}: {cause}", status.message()),
        _ => status.message().to_owned(),
    };
    Status::new(status.code(), message)
}
