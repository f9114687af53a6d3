//! An independent reading of the same descriptors: prost-reflect.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, SerializeOptions};
use serde_json::Value as Json;

/// All of envoy-types' messages and our own.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let types = std::fs::read(env!("WEFT_TYPES_BIN")).unwrap();
    let mut pool = DescriptorPool::decode(types.as_slice()).unwrap();
    let own: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/own.bin"));
    pool.decode_file_descriptor_set(own).unwrap();
    pool
});

/// Reads proto-JSON strictly: unknown fields are errors.
#[allow(dead_code)]
pub(crate) fn from_json(message: &str, json: Json) -> Result<DynamicMessage, serde_json::Error> {
    let descriptor = POOL.get_message_by_name(message).unwrap();
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(descriptor, json, &options)
}

/// Reads wire bytes.
#[allow(dead_code)]
pub(crate) fn from_wire(message: &str, wire: &[u8]) -> Result<DynamicMessage, prost::DecodeError> {
    DynamicMessage::decode(POOL.get_message_by_name(message).unwrap(), wire)
}

/// Writes proto-JSON with the names of the proto file.
#[allow(dead_code)]
pub(crate) fn to_json(message: &DynamicMessage) -> Result<Json, serde_json::Error> {
    let options = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(serde_json::value::Serializer, &options)
}
