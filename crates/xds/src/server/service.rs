//! The gRPC service.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming, async_trait};
use weft_proto::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use weft_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};

use super::limits::Limits;
use super::protocol::{Delta, Protocol, StateOfTheWorld};
use super::provider::Provider;
use super::record::Streams;
use super::stream;

/// How long a stream may stay without its first request, which names the node.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// Responses that may wait for the connection to take them.
const QUEUE: usize = 4;

type Outgoing<R> = Pin<Box<dyn Stream<Item = Result<R, Status>> + Send>>;

/// Aggregated discovery, both methods, over a provider of sets.
#[derive(Debug)]
pub struct Ads<P> {
    provider: Arc<P>,
    streams: Streams,
    limits: Limits,
    stop: watch::Receiver<bool>,
}

impl<P> Clone for Ads<P> {
    fn clone(&self) -> Self {
        Self {
            provider: self.provider.clone(),
            streams: self.streams.clone(),
            limits: self.limits,
            stop: self.stop.clone(),
        }
    }
}

impl<P: Provider> Ads<P> {
    /// A service; `streams` gets to know what happens on each stream. All streams end once `stop` says so
    /// or its sender is dropped.
    pub fn new(provider: Arc<P>, streams: Streams, limits: Limits, stop: watch::Receiver<bool>) -> Self {
        Self { provider, streams, limits, stop }
    }

    /// The same as tonic serves it.
    #[must_use]
    pub fn into_server(self) -> AggregatedDiscoveryServiceServer<Self> {
        let limit = self.limits.request_bytes;
        AggregatedDiscoveryServiceServer::new(self).max_decoding_message_size(limit)
    }

    async fn serve<F: Protocol>(
        &self,
        request: Request<Streaming<F::Request>>,
    ) -> Result<Response<Outgoing<F::Response>>, Status> {
        let (metadata, extensions, mut requests) = request.into_parts();
        let caller = self.provider.authenticate(&metadata, &extensions).await?;
        // Answered with headers now: clients send their first request only then, some of them.
        let (sink, outgoing) = mpsc::channel(QUEUE);
        let this = self.clone();
        tokio::spawn(async move {
            let mut stop = this.stop.clone();
            tokio::select! {
                () = this.talk::<F>(&caller, &mut requests, sink.clone()) => {}
                _ = stop.wait_for(|stop| *stop) => {
                    let _ = sink.try_send(Err(Status::unavailable("the control plane stops")));
                }
                () = sink.closed() => {}
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }

    /// Waits for the node, and runs the stream.
    async fn talk<F: Protocol>(
        &self,
        caller: &P::Caller,
        requests: &mut Streaming<F::Request>,
        sink: stream::Sink<F>,
    ) {
        let first = match tokio::time::timeout(FIRST_REQUEST, requests.next()).await {
            Ok(Some(Ok(first))) => first,
            Ok(Some(Err(status))) => return drop(sink.send(Err(status)).await),
            Ok(None) => return,
            Err(_) => {
                let status = Status::deadline_exceeded(format!("no request within {FIRST_REQUEST:?}"));
                return drop(sink.send(Err(status)).await);
            }
        };
        let (node, ask) = F::read(first);
        let Some(node) = node else {
            let status = Status::invalid_argument("node: missing in the first request of the stream");
            return drop(sink.send(Err(status)).await);
        };
        let length = node.encoded_len();
        if length > self.limits.node_bytes {
            let limit = self.limits.node_bytes;
            let status = Status::invalid_argument(format!("node: {length} bytes, more than {limit}"));
            return drop(sink.send(Err(status)).await);
        }
        match self.provider.open(&node, caller).await {
            Ok(sets) => {
                let open = self.streams.open(F::NAME, caller.to_string(), Arc::new(node));
                tracing::info!(stream = open.id, %caller, protocol = F::NAME, "stream opened");
                stream::run::<F>(ask, requests, sets, sink, open, self.limits).await;
            }
            Err(status) => {
                tracing::warn!(%caller, node = node.id, reason = status.message(), "stream refused");
                drop(sink.send(Err(status)).await);
            }
        }
    }
}

#[async_trait]
impl<P: Provider> AggregatedDiscoveryService for Ads<P> {
    type StreamAggregatedResourcesStream = Outgoing<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Outgoing<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        self.serve::<StateOfTheWorld>(request).await
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        self.serve::<Delta>(request).await
    }
}
