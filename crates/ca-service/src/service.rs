//! The server's end.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;
use weft_ca::Authority;
use weft_proto::istio::v1::auth::{
    CERTIFICATE_SERVICE, CREATE_CERTIFICATE, IstioCertificateRequest, IstioCertificateResponse,
};

use crate::authenticate::Authenticate;
use crate::{metadata, status};

/// Longest request, bytes of protobuf: a CSR of the greatest size that the authority reads, and room for
/// metadata.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The certificate service; cheap to clone.
pub struct CertificateService<A> {
    inner: Arc<Inner<A>>,
}

struct Inner<A> {
    authority: Arc<ArcSwap<Authority>>,
    authenticate: A,
}

impl<A: Authenticate> CertificateService<A> {
    /// A service of an authority, which may be exchanged while it runs (a renewed root, new files).
    pub fn new(authority: Arc<ArcSwap<Authority>>, authenticate: A) -> Self {
        Self { inner: Arc::new(Inner { authority, authenticate }) }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`: who calls is not known, or asks in another's name; `INVALID_ARGUMENT`: the CSR or
    /// the life that is asked for is not taken; `UNAVAILABLE`: the authority is not valid now.
    pub async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<IstioCertificateResponse, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let caller = self.inner.authenticate.caller(&metadata, &extensions).await?;
        let IstioCertificateRequest { csr, validity_duration, metadata } = message;
        metadata::check(metadata.as_ref())?;
        let validity =
            u64::try_from(validity_duration).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
        let now = SystemTime::now();
        match self.inner.authority.load().issue(&csr, &caller, validity, now) {
            Ok(cert_chain) => {
                tracing::info!(%caller, "certificate issued");
                Ok(IstioCertificateResponse { cert_chain })
            }
            Err(error) => {
                tracing::warn!(%caller, %error, "certificate refused");
                Err(status::of(&error))
            }
        }
    }
}

impl<A> Clone for CertificateService<A> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<A> fmt::Debug for CertificateService<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateService").finish_non_exhaustive()
    }
}

impl<A> NamedService for CertificateService<A> {
    const NAME: &'static str = CERTIFICATE_SERVICE;
}

impl<A, B> Service<http::Request<B>> for CertificateService<A>
where
    A: Authenticate,
    B: http_body::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    B::Data: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != CREATE_CERTIFICATE {
                return Ok(Status::unimplemented(CERTIFICATE_SERVICE).into_http());
            }
            let codec = ProstCodec::<IstioCertificateResponse, IstioCertificateRequest>::default();
            let mut grpc = Grpc::new(codec).max_decoding_message_size(MAX_REQUEST_BYTES);
            Ok(grpc.unary(CreateCertificate(service), request).await)
        })
    }
}

/// The method, as the gRPC library calls it.
struct CreateCertificate<A>(CertificateService<A>);

impl<A: Authenticate> UnaryService<IstioCertificateRequest> for CreateCertificate<A> {
    type Response = IstioCertificateResponse;
    type Future = BoxFuture<Result<Response<IstioCertificateResponse>, Status>>;

    fn call(&mut self, request: Request<IstioCertificateRequest>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { service.create_certificate(request).await.map(Response::new) })
    }
}
