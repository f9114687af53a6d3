//! One byte form for equal messages.
//!
//! Protobuf leaves the order of map entries open, and maps in memory have a random one. Versions of
//! resources follow the bytes, so entries are put in the order of their keys; in nested messages and in
//! `Any` too.

use crate::schema::{Kind, MessageType};
use crate::wire::{
    Reader, Value, WireError, put_fixed32, put_fixed64, put_length_delimited, put_varint_field,
};

/// Deepest nesting that is put in order; deeper messages keep their bytes.
const MAX_DEPTH: usize = 100;

/// The canonical form of a message. Bytes that the schema cannot explain stay as they are.
#[must_use]
pub fn canonical(message: MessageType, wire: &[u8]) -> Vec<u8> {
    message_of(message, wire, 0).unwrap_or_else(|_| wire.to_vec())
}

fn message_of(message: MessageType, wire: &[u8], depth: usize) -> Result<Vec<u8>, WireError> {
    if depth > MAX_DEPTH {
        return Ok(wire.to_vec());
    }
    if message.full_name() == "google.protobuf.Any" {
        return any(wire, depth);
    }
    let mut out = Vec::with_capacity(wire.len());
    let mut run = Run::default();
    for item in Reader::new(wire) {
        let (number, value) = item?;
        let field = message.field(number);
        let inner = match field.map(|f| (f.kind(), f.map())) {
            Some((Kind::Message(inner), map)) => Some((inner, map.is_some())),
            _ => None,
        };
        if run.number != number {
            run.flush(&mut out);
            run.number = number;
        }
        match (value, inner) {
            (Value::Bytes(bytes), Some((inner, is_map))) => {
                let bytes = message_of(inner, bytes, depth + 1)?;
                if is_map {
                    run.entries.push((key(&bytes), bytes));
                } else {
                    put_length_delimited(&mut out, number, &bytes);
                }
            }
            (Value::Bytes(bytes), None) => put_length_delimited(&mut out, number, bytes),
            (Value::Varint(value), _) => put_varint_field(&mut out, number, value),
            (Value::Fixed64(value), _) => put_fixed64(&mut out, number, value),
            (Value::Fixed32(value), _) => put_fixed32(&mut out, number, value),
            (Value::Group, _) => return Err(WireError::Group),
        }
    }
    run.flush(&mut out);
    Ok(out)
}

/// Entries of one map field; encoders write them one after the other.
#[derive(Default)]
struct Run {
    number: u32,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Run {
    fn flush(&mut self, out: &mut Vec<u8>) {
        self.entries.sort();
        for (_, entry) in self.entries.drain(..) {
            put_length_delimited(out, self.number, &entry);
        }
    }
}

/// What entries are sorted by: texts by their bytes, numbers by their value.
fn key(entry: &[u8]) -> Vec<u8> {
    match Reader::new(entry).filter_map(Result::ok).find(|(number, _)| *number == 1) {
        Some((_, Value::Bytes(key))) => key.to_vec(),
        Some((_, Value::Varint(key))) => key.to_be_bytes().to_vec(),
        _ => Vec::new(),
    }
}

fn any(wire: &[u8], depth: usize) -> Result<Vec<u8>, WireError> {
    let (mut type_url, mut value) = (&[][..], &[][..]);
    for item in Reader::new(wire) {
        match item? {
            (1, Value::Bytes(bytes)) => type_url = bytes,
            (2, Value::Bytes(bytes)) => value = bytes,
            _ => return Ok(wire.to_vec()),
        }
    }
    let inner = std::str::from_utf8(type_url).ok().and_then(MessageType::find_url);
    let value = match inner {
        Some(inner) => message_of(inner, value, depth + 1).unwrap_or_else(|_| value.to_vec()),
        None => value.to_vec(),
    };
    let mut out = Vec::with_capacity(wire.len());
    if !type_url.is_empty() {
        put_length_delimited(&mut out, 1, type_url);
    }
    if !value.is_empty() {
        put_length_delimited(&mut out, 2, &value);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::any::pack;
    use crate::envoy::config::cluster::v3::Cluster;
    use crate::envoy::config::core::v3::Metadata;
    use crate::google::protobuf::{Any, Struct, Value as PbValue, value::Kind as PbKind};

    fn metadata(order: impl Iterator<Item = u32>) -> Metadata {
        let text = |n: u32| PbValue { kind: Some(PbKind::StringValue(n.to_string())) };
        let fields = order.map(|n| (format!("key{n}"), text(n))).collect();
        Metadata {
            filter_metadata: [("weft.dev".to_owned(), Struct { fields })].into(),
            ..Default::default()
        }
    }

    fn cluster(metadata: Metadata) -> Cluster {
        let options: std::collections::HashMap<String, Any> =
            (0..8).map(|n| (format!("option{n}"), pack(&metadata))).collect();
        Cluster {
            name: "a".to_owned(),
            metadata: Some(metadata),
            typed_extension_protocol_options: options,
            ..Default::default()
        }
    }

    #[test]
    fn equal_messages_have_equal_bytes_whatever_the_order_of_their_maps() {
        let message = MessageType::find("envoy.config.cluster.v3.Cluster").unwrap();
        let first = cluster(metadata(0..20));
        let bytes = canonical(message, &first.encode_to_vec());
        for _ in 0..8 {
            let again = cluster(metadata((0..20).rev()));
            assert_eq!(canonical(message, &again.encode_to_vec()), bytes);
        }
        assert_eq!(Cluster::decode(bytes.as_slice()).unwrap().name, "a");
        let keys = |wire: &[u8]| {
            Cluster::decode(wire).unwrap().metadata.unwrap().filter_metadata["weft.dev"].clone()
        };
        assert_eq!(keys(&bytes), first.metadata.unwrap().filter_metadata["weft.dev"]);
        assert_eq!(canonical(message, &bytes), bytes);
    }

    #[test]
    fn bytes_without_meaning_stay() {
        let message = MessageType::find("envoy.config.cluster.v3.Cluster").unwrap();
        for bytes in [&[0x0a, 5][..], &[0x0b, 0x0c], &[0xff; 11]] {
            assert_eq!(canonical(message, bytes), bytes);
        }
    }
}
