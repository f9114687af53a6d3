//! A bound service, and its orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::options::{Options, Service, Version};
use crate::{details, productpage, ratings, reviews};

/// Most bytes of a request's body.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long requests under way may go on once the end has come; productpage may need 3 × 3 s.
const DRAIN: Duration = Duration::from_secs(10);

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The service exists in one version.
    #[error("{service} {version} is not here: {needs}; there is {service} v1, and reviews v1, v2 and v3")]
    NoSuchVersion {
        /// The service asked for.
        service: Service,
        /// The version asked for.
        version: Version,
        /// What the sample's own would need.
        needs: &'static str,
    },
    /// All addresses of the machine, and nobody asked for that.
    #[error("{0} would listen on every address of this machine; give one address, or --wildcard as well")]
    Wildcard(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No runtime, or no signals.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
}

/// A service that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    routes: Router,
}

impl Server {
    /// Opens the port of a service.
    ///
    /// # Errors
    /// If the service has no such version, or the address is a wildcard without leave, or is taken.
    pub async fn bind(options: &Options) -> Result<Self, StartError> {
        let routes = routes(options)?.layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
        let address = SocketAddr::new(options.host, options.port);
        if address.ip().to_canonical().is_unspecified() && !options.wildcard {
            return Err(StartError::Wildcard(address));
        }
        let refused = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, routes })
    }

    /// Where it listens, with the port that was taken for 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets requests under way end, for 10 s at most.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        let (stopping, stopped) = tokio::sync::oneshot::channel();
        let listener = self.listener.tap_io(|stream| {
            // Only a matter of speed; a connection that is gone already shows at its first read.
            let _ = stream.set_nodelay(true);
        });
        let serve = axum::serve(listener, self.routes).with_graceful_shutdown(async move {
            stop.await;
            let _ = stopping.send(());
        });
        let overdue = async move {
            match stopped.await {
                Ok(()) => tokio::time::sleep(DRAIN).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            // axum's accept loop goes on after errors: it ends only because it was stopped.
            _ = serve.into_future() => {}
            () = overdue => tracing::warn!("requests cut off after {} s", DRAIN.as_secs()),
        }
    }
}

fn routes(options: &Options) -> Result<Router, StartError> {
    let (service, version) = (options.service, options.version);
    let missing = |needs| Err(StartError::NoSuchVersion { service, version, needs });
    match (service, version) {
        (Service::Reviews, _) => Ok(reviews::routes(options)),
        (Service::Productpage, Version::V1) => Ok(productpage::routes(options)),
        (Service::Details, Version::V1) => Ok(details::routes()),
        (Service::Ratings, Version::V1) => Ok(ratings::routes()),
        (Service::Productpage, _) => missing("the sample has none either"),
        (Service::Details, _) => missing("the sample's asks a book service on the internet"),
        (Service::Ratings, _) => missing("the sample's reads a database"),
    }
}
