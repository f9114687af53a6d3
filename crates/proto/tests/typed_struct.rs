//! `TypedStruct` becomes the message that it stands for.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use weft_proto::any::{pack, unpack};
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::google::protobuf::Struct;
use weft_proto::text::{self, TypedStructError, expand_typed_struct};
use weft_proto::udpa::r#type::v1::TypedStruct as UdpaTypedStruct;
use weft_proto::xds::r#type::v3::TypedStruct;

fn structure(json: &str) -> Option<Struct> {
    Some(text::parse_json(json).accepted().unwrap())
}

#[test]
fn both_names_expand() {
    let value = structure(
        r#"{"name": "a", "connect_timeout": "1.5s", "per_connection_buffer_limit_bytes": 15, "lb_policy": 5, "metadata": {"filter_metadata": {"x": {"y": [null, true, 1.5]}}}}"#,
    );
    let type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
    let old = pack(&UdpaTypedStruct { type_url: type_url.clone(), value: value.clone() });
    let new = pack(&TypedStruct { type_url, value });
    let cluster: Cluster = unpack(&expand_typed_struct(&old).unwrap().unwrap()).unwrap();
    assert_eq!(unpack(&expand_typed_struct(&new).unwrap().unwrap()), Ok(cluster.clone()));
    assert_eq!(cluster.per_connection_buffer_limit_bytes.map(|limit| limit.value), Some(15));
    assert_eq!((cluster.name.as_str(), cluster.lb_policy), ("a", 5));
    assert!(cluster.metadata.is_some_and(|metadata| metadata.filter_metadata.contains_key("x")));
}

#[test]
fn other_messages_are_left_alone() {
    assert_eq!(expand_typed_struct(&pack(&Cluster::default())), Ok(None));
    assert_eq!(expand_typed_struct(&pack(&TypedStruct::default())), Ok(None));
}

#[test]
fn what_does_not_fit_is_told() {
    let of =
        |type_url: &str, json| pack(&TypedStruct { type_url: type_url.to_owned(), value: structure(json) });
    assert_eq!(
        expand_typed_struct(&of("x/foo.Bar", "{}")),
        Err(TypedStructError::UnknownType("x/foo.Bar".to_owned()))
    );
    let error = expand_typed_struct(&of("x/envoy.config.cluster.v3.Cluster", r#"{"nam": 1, "type": "X"}"#));
    let told = error.unwrap_err().to_string();
    assert!(told.starts_with("nam: unknown field") && told.contains("\ntype: unknown value \"X\""), "{told}");
}
