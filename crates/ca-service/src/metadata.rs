//! What a request asks for beyond its CSR.

use tonic::Status;
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{Struct, Value};

/// Whose certificate a node proxy wants. Source: Istio, CP-17.
const IMPERSONATED_IDENTITY: &str = "ImpersonatedIdentity";
/// Which of several signers is wanted. Source: Istio, CP-20.
const CERT_SIGNER: &str = "CertSigner";

/// Refuses what would change name or signer. Other fields mean nothing to Istio either.
pub(crate) fn check(metadata: Option<&Struct>) -> Result<(), Status> {
    let asks = |name: &str| metadata.and_then(|fields| fields.fields.get(name)).is_some_and(says_something);
    if asks(IMPERSONATED_IDENTITY) {
        return Err(Status::unauthenticated("no caller may ask for the certificate of another"));
    }
    if asks(CERT_SIGNER) {
        return Err(Status::invalid_argument("metadata.CertSigner: there is one signer, without a name"));
    }
    Ok(())
}

fn says_something(value: &Value) -> bool {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => false,
        Some(Kind::StringValue(text)) => !text.is_empty(),
        Some(_) => true,
    }
}
