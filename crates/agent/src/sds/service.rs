//! The two streams.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use weft_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use weft_proto::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryService;
use weft_proto::type_url;

use super::secrets::Ready;
use super::stream::Subscriptions;
use crate::identity::Certificates;

/// How often files of secrets are looked at.
const FILE_INTERVAL: Duration = Duration::from_secs(2);

pub(super) struct Service {
    pub(super) certificates: Certificates,
}

/// What differs between the two kinds of stream.
trait Form: Sized + Send + 'static {
    type Request: Send + 'static;
    /// State-of-the-world answers hold everything.
    const WHOLE: bool;
    /// Takes a request; `Err` ends the stream.
    fn take(request: Self::Request, subscriptions: &mut Subscriptions) -> Result<(), Status>;
    fn answer(secrets: Vec<Ready>, nonce: u64) -> Self;
}

impl Form for DiscoveryResponse {
    type Request = DiscoveryRequest;
    const WHOLE: bool = true;

    fn take(request: DiscoveryRequest, subscriptions: &mut Subscriptions) -> Result<(), Status> {
        let DiscoveryRequest {
            version_info: _,
            node: _,
            resource_names,
            resource_locators: _,
            type_url,
            response_nonce,
            error_detail,
        } = request;
        check(&type_url, error_detail.map(|error| error.message), &response_nonce)?;
        subscriptions.set(resource_names).map_err(Status::invalid_argument)
    }

    fn answer(secrets: Vec<Ready>, nonce: u64) -> Self {
        Self {
            version_info: nonce.to_string(),
            resources: secrets.into_iter().map(|secret| secret.body).collect(),
            type_url: type_url::SECRET.to_owned(),
            nonce: nonce.to_string(),
            ..Self::default()
        }
    }
}

impl Form for DeltaDiscoveryResponse {
    type Request = DeltaDiscoveryRequest;
    const WHOLE: bool = false;

    fn take(request: DeltaDiscoveryRequest, subscriptions: &mut Subscriptions) -> Result<(), Status> {
        let DeltaDiscoveryRequest {
            node: _,
            type_url,
            resource_names_subscribe,
            resource_names_unsubscribe,
            resource_locators_subscribe: _,
            resource_locators_unsubscribe: _,
            // Versions of an earlier stream: sending a secret once more costs nothing.
            initial_resource_versions: _,
            response_nonce,
            error_detail,
        } = request;
        check(&type_url, error_detail.map(|error| error.message), &response_nonce)?;
        subscriptions.remove(&resource_names_unsubscribe);
        subscriptions.forget(&resource_names_subscribe);
        subscriptions.add(resource_names_subscribe).map_err(Status::invalid_argument)
    }

    fn answer(secrets: Vec<Ready>, nonce: u64) -> Self {
        let resource = |secret: Ready| Resource {
            name: secret.name,
            version: secret.version,
            resource: Some(secret.body),
            ..Resource::default()
        };
        Self {
            resources: secrets.into_iter().map(resource).collect(),
            type_url: type_url::SECRET.to_owned(),
            nonce: nonce.to_string(),
            ..Self::default()
        }
    }
}

fn check(type_url: &str, error: Option<String>, nonce: &str) -> Result<(), Status> {
    if let Some(error) = error {
        tracing::warn!(error, nonce, "Envoy refuses a secret");
    }
    // Only the first request of a stream must name its type, and some clients leave it to the path.
    if type_url.is_empty() || type_url == type_url::SECRET {
        Ok(())
    } else {
        Err(Status::invalid_argument(format!("only {} is served here, not {type_url}", type_url::SECRET)))
    }
}

/// Carries one stream to its end.
async fn run<F: Form>(
    mut requests: Streaming<F::Request>,
    mut certificates: Certificates,
    answers: mpsc::Sender<Result<F, Status>>,
) {
    let mut subscriptions = Subscriptions::default();
    let mut nonce = 0;
    let mut files = tokio::time::interval(FILE_INTERVAL);
    loop {
        tokio::select! {
            request = requests.message() => match request {
                Ok(Some(request)) => {
                    if let Err(status) = F::take(request, &mut subscriptions) {
                        tracing::warn!(reason = status.message(), "a secret stream is refused");
                        let _ = answers.send(Err(status)).await;
                        return;
                    }
                }
                // The client has gone, in whatever way.
                Ok(None) | Err(_) => return,
            },
            changed = certificates.changed() => {
                if changed.is_err() {
                    let _ = answers.send(Err(Status::unavailable("the agent is stopping"))).await;
                    return;
                }
            }
            _ = files.tick(), if subscriptions.watch_files() => {}
        }
        let current = certificates.borrow_and_update().clone();
        let due = subscriptions.due(current.as_deref(), F::WHOLE).await;
        if !due.is_empty() {
            nonce += 1;
            tracing::debug!(secrets = due.len(), nonce, "secrets sent");
            if answers.send(Ok(F::answer(due, nonce))).await.is_err() {
                return;
            }
        }
    }
}

type Answers<F> = Pin<Box<ReceiverStream<Result<F, Status>>>>;

impl Service {
    fn open<F: Form>(&self, requests: Streaming<F::Request>) -> Response<Answers<F>> {
        // One answer at a time: the next is made from what is there when the client has taken the last.
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(run::<F>(requests, self.certificates.clone(), sender));
        Response::new(Box::pin(ReceiverStream::new(receiver)))
    }
}

#[tonic::async_trait]
impl SecretDiscoveryService for Service {
    type DeltaSecretsStream = Answers<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Answers<DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Ok(self.open(request.into_inner()))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        Ok(self.open(request.into_inner()))
    }

    async fn fetch_secrets(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("secrets are served as streams: StreamSecrets or DeltaSecrets"))
    }
}
