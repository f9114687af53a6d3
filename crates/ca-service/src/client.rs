//! The workload's end.

use std::time::Duration;

use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use weft_ca::CertificateRequest;
use weft_ca::request::MAX_ANSWER_BYTES;
use weft_proto::istio::v1::auth::{CREATE_CERTIFICATE, IstioCertificateRequest, IstioCertificateResponse};

/// Asks for a certificate; the answer is for [`CertificateRequest::accept`]. `validity` of `None` takes the
/// authority's default. `prepare` adds credentials to the request (a token in its metadata).
///
/// # Errors
/// What the service or the channel says.
pub async fn create<C>(
    channel: C,
    request: &CertificateRequest,
    validity: Option<Duration>,
    prepare: impl FnOnce(&mut Request<IstioCertificateRequest>),
) -> Result<Vec<String>, Status>
where
    C: GrpcService<Body>,
    C::ResponseBody: Send + 'static,
    <C::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let seconds = validity.map_or(0, |validity| validity.as_secs());
    let mut message = Request::new(IstioCertificateRequest {
        csr: request.csr_pem().to_owned(),
        validity_duration: i64::try_from(seconds).unwrap_or(i64::MAX),
        metadata: None,
    });
    prepare(&mut message);
    let mut grpc = Grpc::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    grpc.ready().await.map_err(|error| {
        let error: Box<dyn std::error::Error + Send + Sync> = error.into();
        Status::unavailable(format!("the certificate service is not ready: {error}"))
    })?;
    let codec = ProstCodec::<IstioCertificateRequest, IstioCertificateResponse>::default();
    let path = PathAndQuery::from_static(CREATE_CERTIFICATE);
    Ok(grpc.unary(message, path, codec).await?.into_inner().cert_chain)
}
