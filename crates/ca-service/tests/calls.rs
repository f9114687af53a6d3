//! Calls through the whole of gRPC, without a socket.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Request, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;
use weft_ca::{Authority, CertificateRequest};
use weft_ca_service::{Authenticate, CertificateService, MAX_REQUEST_BYTES, PeerCertificate, client};
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{Struct, Value};
use weft_proto::istio::v1::auth::{IstioCertificateRequest, IstioCertificateResponse};
use weft_tls::{Certificate, PeerFacts};
use weft_types::SpiffeId;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Takes the token for the service account.
struct Token;

impl Authenticate for Token {
    async fn caller(&self, metadata: &MetadataMap, _: &Extensions) -> Result<SpiffeId, Status> {
        let token = metadata.get("authorization").and_then(|value| value.to_str().ok());
        token.map(id).ok_or_else(|| Status::unauthenticated("no token"))
    }
}

fn id(account: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://cluster.local/ns/default/sa/{account}")).unwrap()
}

fn authority() -> Arc<ArcSwap<Authority>> {
    let authority = Authority::self_signed("cluster.local", SystemTime::now(), DAY * 30).unwrap();
    Arc::new(ArcSwap::from_pointee(authority))
}

fn as_account(account: &'static str) -> impl FnOnce(&mut Request<IstioCertificateRequest>) {
    move |request| {
        request.metadata_mut().insert("authorization", account.parse().unwrap());
    }
}

/// A call with any message and path.
async fn call(message: IstioCertificateRequest, path: &'static str) -> Result<Vec<String>, Status> {
    let mut grpc = Grpc::new(CertificateService::new(authority(), Token));
    grpc.ready().await.unwrap();
    let mut request = Request::new(message);
    as_account("a")(&mut request);
    let codec = ProstCodec::<IstioCertificateRequest, IstioCertificateResponse>::default();
    let answer = grpc.unary(request, http::uri::PathAndQuery::from_static(path), codec).await?;
    Ok(answer.into_inner().cert_chain)
}

const PATH: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

fn message() -> IstioCertificateRequest {
    let csr = CertificateRequest::new(&id("a")).unwrap().csr_pem().to_owned();
    IstioCertificateRequest { csr, ..Default::default() }
}

#[tokio::test]
async fn a_caller_gets_a_certificate_in_his_name() {
    let service = CertificateService::new(authority(), Token);
    let request = CertificateRequest::new(&id("reviews")).unwrap();
    let hour = Duration::from_secs(3600);
    let answer = client::create(service, &request, Some(hour), as_account("reviews")).await.unwrap();
    let now = SystemTime::now();
    let taken = request.accept(&answer, now).unwrap();
    assert_eq!(taken.identity, id("reviews"));
    assert!(taken.lifetime.length() <= hour && taken.lifetime.length() + Duration::from_secs(60) > hour);
}

#[tokio::test]
async fn a_csr_in_another_name_gets_the_callers() {
    let service = CertificateService::new(authority(), Token);
    let request = CertificateRequest::new(&id("admin")).unwrap();
    let answer = client::create(service, &request, None, as_account("guest")).await.unwrap();
    let der = CertificateDer::from_pem_slice(answer[0].as_bytes()).unwrap();
    assert_eq!(Certificate::of_chain(&[der]).unwrap().identity(), Some(id("guest")));
}

#[tokio::test]
async fn who_is_not_known_gets_nothing() {
    let request = CertificateRequest::new(&id("a")).unwrap();
    let service = CertificateService::new(authority(), Token);
    let refused = client::create(service, &request, None, |_| ()).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unauthenticated, "no token"));
    let service = CertificateService::new(authority(), PeerCertificate);
    let refused = client::create(service, &request, None, |_| ()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

/// A listener that tells what TLS found.
#[derive(Clone)]
struct Listener {
    facts: Arc<PeerFacts>,
    service: CertificateService<PeerCertificate>,
}

impl Service<http::Request<Body>> for Listener {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = <CertificateService<PeerCertificate> as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        request.extensions_mut().insert(Arc::clone(&self.facts));
        self.service.call(request)
    }
}

#[tokio::test]
async fn a_verified_client_certificate_renews_itself_and_an_unverified_one_does_not() {
    let authority = authority();
    let request = CertificateRequest::new(&id("a")).unwrap();
    let first = authority.load().issue(request.csr_pem(), &id("a"), None, SystemTime::now()).unwrap();
    let der = CertificateDer::from_pem_slice(first[0].as_bytes()).unwrap();
    let certificate = Certificate::of_chain(&[der]).map(Arc::new);
    for validated in [true, false] {
        let facts = PeerFacts { certificate: certificate.clone(), validated, ..PeerFacts::default() };
        let service = CertificateService::new(Arc::clone(&authority), PeerCertificate);
        let listener = Listener { facts: Arc::new(facts), service };
        let next = CertificateRequest::new(&id("a")).unwrap();
        let outcome = client::create(listener, &next, None, |_| ()).await;
        match outcome {
            Ok(answer) => assert!(validated && next.accept(&answer, SystemTime::now()).is_ok()),
            Err(refused) => assert!(!validated && refused.code() == Code::Unauthenticated),
        }
    }
}

#[tokio::test]
async fn an_exchanged_authority_signs_the_next_one() {
    let authority = authority();
    let service = CertificateService::new(Arc::clone(&authority), Token);
    let request = CertificateRequest::new(&id("a")).unwrap();
    let before = client::create(service.clone(), &request, None, as_account("a")).await.unwrap();
    let other = Authority::self_signed("cluster.local", SystemTime::now(), DAY).unwrap();
    let roots = other.roots_pem();
    authority.store(Arc::new(other));
    let after = client::create(service, &request, None, as_account("a")).await.unwrap();
    assert_ne!(before[1], roots);
    assert_eq!(after[1], roots);
}

#[tokio::test]
async fn refusals_say_why() {
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let with = |name: &str, value| {
        let fields = HashMap::from([(name.to_owned(), value)]);
        IstioCertificateRequest {
            metadata: Some(Struct { fields: fields.into_iter().collect() }),
            ..message()
        }
    };
    let admin = text("spiffe://cluster.local/ns/default/sa/admin");
    for (message, code, said) in [
        (
            IstioCertificateRequest { csr: String::new(), ..message() },
            Code::InvalidArgument,
            "cannot be read",
        ),
        (
            IstioCertificateRequest { validity_duration: i64::MAX, ..message() },
            Code::InvalidArgument,
            "longer than the allowed 7776000 s",
        ),
        (with("ImpersonatedIdentity", admin), Code::Unauthenticated, "of another"),
        (with("CertSigner", text("x")), Code::InvalidArgument, "CertSigner"),
        (
            IstioCertificateRequest { csr: "x".repeat(MAX_REQUEST_BYTES + 1), ..message() },
            Code::OutOfRange,
            "too large",
        ),
    ] {
        let refused = call(message, PATH).await.unwrap_err();
        assert!(refused.code() == code && refused.message().contains(said), "{refused:?}");
    }
    assert!(call(with("CertSigner", text("")), PATH).await.is_ok());
    assert!(call(with("Anything", text("x")), PATH).await.is_ok());
    let negative = IstioCertificateRequest { validity_duration: -1, ..message() };
    assert!(call(negative, PATH).await.is_ok());
}

#[tokio::test]
async fn other_methods_are_not_there() {
    let refused = call(message(), "/istio.v1.auth.IstioCertificateService/Other").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}
