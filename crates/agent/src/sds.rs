//! The secret discovery service for Envoy, on a Unix socket.
//!
//! Serves `default` (certificate and key) and `ROOTCA` (roots to trust) out of the present certificate, and
//! secrets of files by the names that Istio gives them: `file-cert:CERT~KEY`, `file-root:CA`. Each rotation
//! is pushed to every stream. Source: SD-17.

mod secrets;
mod service;
mod stream;

use std::io;

use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use weft_proto::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryServiceServer;

use crate::identity::Certificates;
use crate::socket::BoundSocket;

pub use secrets::{DEFAULT, MAX_FILE_BYTES, ROOT};
pub use stream::{MAX_NAME_BYTES, MAX_NAMES};

/// Longest request, bytes: a node and a few names.
pub const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// A service that runs until it is dropped.
#[derive(Debug)]
pub struct SecretServer {
    task: JoinHandle<()>,
    _socket: BoundSocket,
}

impl SecretServer {
    /// Serves on a socket, on the present runtime.
    ///
    /// # Errors
    /// The socket's listener was taken before.
    pub fn start(mut socket: BoundSocket, certificates: Certificates) -> io::Result<Self> {
        let listener = socket.take().ok_or(io::ErrorKind::NotConnected)?;
        let service = SecretDiscoveryServiceServer::new(service::Service { certificates })
            .max_decoding_message_size(MAX_REQUEST_BYTES);
        let serving =
            Server::builder().add_service(service).serve_with_incoming(UnixListenerStream::new(listener));
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(error = crate::channel::causes(&error), "the secret service has ended");
            }
        });
        Ok(Self { task, _socket: socket })
    }
}

impl Drop for SecretServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
