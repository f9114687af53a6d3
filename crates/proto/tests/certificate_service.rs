//! The messages of Istio's certificate service as bytes on the wire.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use prost::{Message, Name};
use weft_proto::google::protobuf::Struct;
use weft_proto::istio::v1::auth::{IstioCertificateRequest, IstioCertificateResponse};

#[test]
fn fields_have_the_numbers_of_the_wire() {
    let request = IstioCertificateRequest {
        csr: "c".to_owned(),
        validity_duration: 5,
        metadata: Some(Struct::default()),
    };
    assert_eq!(request.encode_to_vec(), [0x0a, 1, b'c', 0x18, 5, 0x22, 0]);
    let response = IstioCertificateResponse { cert_chain: vec!["a".to_owned(), "b".to_owned()] };
    assert_eq!(response.encode_to_vec(), [0x0a, 1, b'a', 0x0a, 1, b'b']);
}

#[test]
fn what_older_agents_send_besides_is_passed_over() {
    let bytes = [0x0a, 1, b'c', 0x12, 1, b'x', 0x18, 5];
    let request = IstioCertificateRequest::decode(bytes.as_slice()).unwrap();
    assert_eq!((request.csr.as_str(), request.validity_duration), ("c", 5));
}

#[test]
fn names_are_istios() {
    assert_eq!(IstioCertificateRequest::full_name(), "istio.v1.auth.IstioCertificateRequest");
    assert!(
        weft_proto::istio::v1::auth::CREATE_CERTIFICATE
            .starts_with(&format!("/{}/", weft_proto::istio::v1::auth::CERTIFICATE_SERVICE))
    );
}
