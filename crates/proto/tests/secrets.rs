//! Dumps do not show secrets.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use prost::{Message, Name};
use serde_json::{Value as Json, json};
use weft_proto::any::pack;
use weft_proto::envoy::config::core::v3::TransportSocket;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::{DownstreamTlsContext, Secret};
use weft_proto::google::protobuf::Any;
use weft_proto::json::{Style, to_json};
use weft_proto::schema::MessageType;
use weft_proto::text::parse_yaml;
use weft_proto::xds::r#type::v3::TypedStruct;

const SECRET: &str = "
name: s
tls_certificate:
  certificate_chain: { inline_string: PUBLIC }
  private_key: { inline_string: HIDDEN }
  password: { inline_bytes: SElEREVO }
";

fn dump<M: Message + Name>(message: &M) -> Json {
    to_json(MessageType::find(&M::full_name()).unwrap(), &message.encode_to_vec(), Style::default()).unwrap()
}

#[test]
fn keys_and_passwords_are_redacted_and_the_rest_is_shown() {
    let secret: Secret = parse_yaml(SECRET).accepted().unwrap();
    assert_eq!(
        dump(&secret)["tls_certificate"],
        json!({
            "certificate_chain": {"inline_string": "PUBLIC"},
            "private_key": {"inline_string": "[redacted]"},
            "password": {"inline_bytes": "W3JlZGFjdGVkXQ=="},
        })
    );
}

#[test]
fn secrets_in_a_typed_struct_are_redacted_too() {
    let certificates = "{common_tls_context: {tls_certificates: [{private_key: {inline_string: HIDDEN}}]}}";
    let value = parse_yaml(certificates).accepted().unwrap();
    let type_url = DownstreamTlsContext::type_url();
    let socket = |value| TransportSocket {
        name: "t".to_owned(),
        config_type: Some(weft_proto::envoy::config::core::v3::transport_socket::ConfigType::TypedConfig(
            value,
        )),
    };
    let shown = dump(&socket(pack(&TypedStruct { type_url, value: Some(value) }))).to_string();
    assert!(shown.contains("[redacted]") && !shown.contains("HIDDEN"), "{shown}");
}

#[test]
fn bytes_that_cannot_be_read_are_not_shown() {
    for type_url in ["type.googleapis.com/foo.Bar".to_owned(), Secret::type_url()] {
        let shown = dump(&Any { type_url, value: b"HIDDEN".to_vec() });
        assert_eq!(shown["value"], "W3JlZGFjdGVkXQ==");
    }
}
