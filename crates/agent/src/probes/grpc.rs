//! Probes of gRPC's health service, without TLS as the kubelet's are.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower_service::Service;

use super::MAX_BODY_BYTES;
use super::dial::dial;

/// Whether a service says that it serves.
pub(super) async fn check(
    ip: IpAddr,
    port: u16,
    service: &str,
    user_agent: Option<&HeaderValue>,
) -> Result<(), String> {
    let to = SocketAddr::new(ip, port);
    let endpoint = Endpoint::try_from(format!("http://{to}")).map_err(|error| error.to_string())?;
    let endpoint = match user_agent.cloned() {
        Some(agent) => endpoint.user_agent(agent).map_err(|error| error.to_string())?,
        None => endpoint,
    };
    let stream = dial(ip, port).await?;
    let channel = endpoint.connect_with_connector(Once(Some(stream))).await;
    let channel = channel.map_err(|error| format!("{to}: {}", crate::channel::causes(&error)))?;
    let mut client = HealthClient::new(channel).max_decoding_message_size(MAX_BODY_BYTES);
    let answer = client.check(HealthCheckRequest { service: service.to_owned() }).await;
    let answer = answer.map_err(|status| match status.code() {
        Code::Unimplemented => format!("{to} does not have the service grpc.health.v1.Health"),
        Code::NotFound => format!("{to} does not know the service {service:?}"),
        code => format!("{to}: {code:?}: {}", status.message()),
    })?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        other => Err(format!("{to} says of {service:?}: {}", other.as_str_name())),
    }
}

/// Gives the connection that was made; there is no second one.
struct Once(Option<TcpStream>);

impl Service<Uri> for Once {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.take().map(TokioIo::new).ok_or_else(|| io::ErrorKind::NotConnected.into());
        Box::pin(std::future::ready(stream))
    }
}
