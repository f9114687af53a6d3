//! Runs a client over gRPC channels, one after the other.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use weft_proto::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;

use super::backoff::Backoff;
use super::{Client, Delivery, Interest, Protocol, Refusal, Request, Response};

/// A way to the server.
#[derive(Clone, Debug)]
pub struct Link {
    /// The connection.
    pub channel: Channel,
    /// Sent at the start of the stream: `authorization` above all.
    pub metadata: MetadataMap,
}

impl Link {
    /// A link without credentials.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { channel, metadata: MetadataMap::new() }
    }
}

/// Whoever uses the resources.
pub trait Application {
    /// Applies what came, and says what was refused and what is wanted now.
    fn deliver(&mut self, delivery: &Delivery) -> Outcome;

    /// Hears how the connection fares.
    fn connection(&mut self, state: Connection<'_>);

    /// Waits until something else than a delivery has changed what is wanted: what is wanted now, as in
    /// [`Outcome::interests`]. It may be dropped while it waits, and nothing is lost by that.
    fn changed(&mut self) -> impl Future<Output = Vec<(Arc<str>, Interest)>>;
}

/// What became of a delivery.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Resources that were not applied.
    pub refusals: Vec<Refusal>,
    /// What is wanted from now on, by type; types that are not named stay as they are.
    pub interests: Vec<(Arc<str>, Interest)>,
}

/// How the connection fares.
#[derive(Clone, Copy, Debug)]
pub enum Connection<'a> {
    /// The first response of a stream came.
    Up,
    /// There is none; what is here stays in force.
    Lost(&'a str),
}

/// Keeps a stream to the server for ever: `connect` makes a link for each try, `draw` gives uniform
/// random numbers for the waits in between. A server that knows no changes-only stream is asked for
/// the other form.
pub async fn drive<C, F, E>(
    mut client: Client,
    application: &mut impl Application,
    mut connect: C,
    mut draw: impl FnMut() -> u64,
) where
    C: FnMut() -> F,
    F: Future<Output = Result<Link, E>>,
    E: std::fmt::Display,
{
    let mut backoff = Backoff::default();
    loop {
        let reason = match connect().await {
            Ok(link) => match stream(&mut client, application, link, &mut backoff).await {
                status if status.code() == Code::Unimplemented && client.protocol() == Protocol::Delta => {
                    client.set_protocol(Protocol::StateOfTheWorld);
                    "the server sends whole states only".to_owned()
                }
                status => describe(&status),
            },
            Err(error) => format!("{error:#}"),
        };
        client.closed();
        application.connection(Connection::Lost(&reason));
        tokio::time::sleep(backoff.next(draw())).await;
    }
}

/// A status with its causes: the library's own words for a failed connect say little.
fn describe(status: &Status) -> String {
    let mut text = format!("{}: {}", status.code(), status.message());
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// One stream to its end.
async fn stream(
    client: &mut Client,
    application: &mut impl Application,
    link: Link,
    backoff: &mut Backoff,
) -> Status {
    let limit = client.limits().max_message_bytes;
    let mut service = AggregatedDiscoveryServiceClient::new(link.channel).max_decoding_message_size(limit);
    client.opened();
    match client.protocol() {
        Protocol::Delta => {
            let (sender, receiver) = mpsc::unbounded_channel();
            let send = |request| match request {
                Request::Delta(request) => sender.send(request).is_ok(),
                Request::StateOfTheWorld(_) => false,
            };
            if !flush(client, &send) {
                return Status::unavailable("the stream does not open");
            }
            let mut request = tonic::Request::new(UnboundedReceiverStream::new(receiver));
            *request.metadata_mut() = link.metadata;
            match service.delta_aggregated_resources(request).await {
                Ok(responses) => {
                    read(client, application, responses.into_inner(), Response::Delta, &send, backoff).await
                }
                Err(status) => status,
            }
        }
        Protocol::StateOfTheWorld => {
            let (sender, receiver): (UnboundedSender<_>, _) = mpsc::unbounded_channel();
            let send = |request| match request {
                Request::StateOfTheWorld(request) => sender.send(request).is_ok(),
                Request::Delta(_) => false,
            };
            if !flush(client, &send) {
                return Status::unavailable("the stream does not open");
            }
            let mut request = tonic::Request::new(UnboundedReceiverStream::new(receiver));
            *request.metadata_mut() = link.metadata;
            match service.stream_aggregated_resources(request).await {
                Ok(responses) => {
                    let responses = responses.into_inner();
                    read(client, application, responses, Response::StateOfTheWorld, &send, backoff).await
                }
                Err(status) => status,
            }
        }
    }
}

fn want(client: &mut Client, interests: Vec<(Arc<str>, Interest)>) {
    for (type_url, interest) in interests {
        client.set_interest(&type_url, interest);
    }
}

/// Hands over what waits for the server; false when the stream is over.
fn flush(client: &mut Client, send: &impl Fn(Request) -> bool) -> bool {
    while let Some(request) = client.next_request() {
        if !send(request) {
            return false;
        }
    }
    true
}

async fn read<R>(
    client: &mut Client,
    application: &mut impl Application,
    mut responses: Streaming<R>,
    wrap: impl Fn(R) -> Response,
    send: &impl Fn(Request) -> bool,
    backoff: &mut Backoff,
) -> Status {
    let mut first = true;
    loop {
        let response = tokio::select! {
            biased;
            response = responses.message() => match response {
                Ok(Some(response)) => response,
                Ok(None) => return Status::unavailable("the server ended the stream"),
                Err(status) => return status,
            },
            interests = application.changed() => {
                want(client, interests);
                if !flush(client, send) {
                    return Status::unavailable("the server takes no more");
                }
                continue;
            }
        };
        if std::mem::take(&mut first) {
            backoff.reset();
            application.connection(Connection::Up);
        }
        let Some(delivery) = client.received(wrap(response)) else { continue };
        let Outcome { refusals, interests } = application.deliver(&delivery);
        client.judged(&delivery, &refusals);
        want(client, interests);
        if !flush(client, send) {
            return Status::unavailable("the server takes no more");
        }
        // A long series of responses must not keep others of this thread waiting.
        tokio::task::yield_now().await;
    }
}
