//! What wire bytes hold that the schema does not know.
//!
//! Typed decoding drops unknown fields in silence, so a received message is scanned beside it: config
//! is never ignored without a word.

use std::collections::HashMap;

use crate::path::{Path, shorten};
use crate::schema::{Field, Kind, MessageType};
use crate::wire::{Reader, Value, WireError};

/// Most findings that one scan lists.
pub const MAX_FINDINGS: usize = 1000;

/// Deepest nesting of messages that is scanned, those in `Any` included; typed decoding stops at the
/// same depth.
pub const MAX_DEPTH: usize = 100;

/// Something in the bytes that the schema does not explain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {kind}")]
pub struct Finding {
    /// Field path from the root message to the message or field; empty for the root message.
    pub path: String,
    /// What was found there.
    pub kind: FindingKind,
}

/// The kinds of findings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindingKind {
    /// A field that the message does not have; listed once for each message, not for each value.
    #[error("unknown field {number} of {message}")]
    UnknownField {
        /// Full name of the message.
        message: &'static str,
        /// Number of the field.
        number: u32,
    },
    /// A field that Envoy has and that has no effect here, nor one on routing, security and reliability.
    #[error("has no effect")]
    WithoutEffect,
    /// An `Any` of a type that the schema does not have; what is inside is not scanned.
    #[error("unknown type {type_url:?}")]
    UnknownType {
        /// Its type URL, shortened.
        type_url: String,
    },
    /// The bytes are not a message of the type.
    #[error("{0}")]
    Malformed(WireError),
    /// Messages are nested deeper than [`MAX_DEPTH`]; what is deeper is not scanned.
    #[error("nested deeper than {MAX_DEPTH} messages")]
    TooDeep,
}

/// Lists what the bytes of a message hold that the schema does not know, in the order of the bytes, at
/// most [`MAX_FINDINGS`].
#[must_use]
pub fn unknown_fields(message: MessageType, wire: &[u8]) -> Vec<Finding> {
    let mut scan = Scan { findings: Vec::new() };
    scan.message(message, wire, &Path::ROOT, 0);
    scan.findings
}

#[derive(Debug)]
struct Scan {
    findings: Vec<Finding>,
}

impl Scan {
    fn report(&mut self, path: &Path<'_>, kind: FindingKind) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { path: path.to_string(), kind });
        }
    }

    fn message(&mut self, message: MessageType, wire: &[u8], path: &Path<'_>, depth: usize) {
        if depth > MAX_DEPTH {
            return self.report(path, FindingKind::TooDeep);
        }
        if message.full_name() == "google.protobuf.Any" {
            return self.any(wire, path, depth);
        }
        let mut unknown: Vec<u32> = Vec::new();
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for item in Reader::new(wire) {
            if self.findings.len() >= MAX_FINDINGS {
                return;
            }
            let (number, value) = match item {
                Ok(item) => item,
                Err(error) => return self.report(path, FindingKind::Malformed(error)),
            };
            let Some(field) = message.field(number) else {
                if !unknown.contains(&number) {
                    unknown.push(number);
                    let kind = FindingKind::UnknownField { message: message.full_name(), number };
                    self.report(path, kind);
                }
                continue;
            };
            let path = path.field(field.name());
            if field.is_without_effect() {
                self.report(&path, FindingKind::WithoutEffect);
            }
            if !fits(field, value) {
                self.report(&path, FindingKind::Malformed(WireError::Mismatch));
                continue;
            }
            let (Kind::Message(inner), Value::Bytes(bytes)) = (field.kind(), value) else { continue };
            if let Some((_, map_value)) = field.map() {
                self.map_entry(inner, map_value, bytes, &path, depth);
            } else if field.is_repeated() {
                let index = counts.entry(number).or_default();
                self.message(inner, bytes, &path.index(*index), depth + 1);
                *index += 1;
            } else {
                self.message(inner, bytes, &path, depth + 1);
            }
        }
    }

    /// An entry of a map; its key makes the path of its value.
    fn map_entry(&mut self, entry: MessageType, value: Field, wire: &[u8], path: &Path<'_>, depth: usize) {
        let key = match Reader::new(wire).filter_map(Result::ok).find(|(number, _)| *number == 1) {
            Some((_, Value::Bytes(key))) => String::from_utf8_lossy(key).into_owned(),
            Some((_, Value::Varint(key))) => key.to_string(),
            _ => String::new(),
        };
        let path = path.key(&key);
        match value.kind() {
            Kind::Message(inner) => {
                for item in Reader::new(wire) {
                    match item {
                        Ok((2, Value::Bytes(bytes))) => self.message(inner, bytes, &path, depth + 1),
                        Ok((1 | 2, _)) => {}
                        Ok((number, _)) => {
                            let kind = FindingKind::UnknownField { message: entry.full_name(), number };
                            self.report(&path, kind);
                        }
                        Err(error) => self.report(&path, FindingKind::Malformed(error)),
                    }
                }
            }
            _ => self.message(entry, wire, &path, depth + 1),
        }
    }

    fn any(&mut self, wire: &[u8], path: &Path<'_>, depth: usize) {
        let (type_url, value) = match crate::json::any_parts(wire) {
            Ok(parts) => parts,
            Err(error) => return self.report(path, FindingKind::Malformed(error)),
        };
        if type_url.is_empty() {
            return;
        }
        match MessageType::find_url(type_url) {
            Some(inner) => self.message(inner, value, path, depth + 1),
            None => {
                let kind = FindingKind::UnknownType { type_url: shorten(type_url).to_owned() };
                self.report(path, kind);
            }
        }
    }
}

/// Whether a value has the wire type of the field, packed lists included.
fn fits(field: Field, value: Value<'_>) -> bool {
    let packed = field.is_repeated() && matches!(value, Value::Bytes(_));
    match field.kind() {
        Kind::String | Kind::Bytes | Kind::Message(_) => matches!(value, Value::Bytes(_)),
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => packed || matches!(value, Value::Fixed64(_)),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => packed || matches!(value, Value::Fixed32(_)),
        _ => packed || matches!(value, Value::Varint(_)),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::any::pack;
    use crate::envoy::config::cluster::v3::Cluster;
    use crate::envoy::config::core::v3::TransportSocket;
    use crate::envoy::config::core::v3::transport_socket::ConfigType;
    use crate::google::protobuf::Any;
    use crate::wire::{put_length_delimited, put_varint_field};

    fn scan(wire: &[u8]) -> Vec<String> {
        let cluster = MessageType::find("envoy.config.cluster.v3.Cluster").unwrap();
        unknown_fields(cluster, wire).iter().map(ToString::to_string).collect()
    }

    fn socket(type_url: &str, value: Vec<u8>) -> Cluster {
        let config = ConfigType::TypedConfig(Any { type_url: type_url.to_owned(), value });
        let transport_socket = TransportSocket { name: "t".to_owned(), config_type: Some(config) };
        Cluster { transport_socket: Some(transport_socket), ..Default::default() }
    }

    #[test]
    fn unknown_fields_are_found_through_lists_maps_and_any() {
        let mut inner = pack(&crate::envoy::config::core::v3::Address::default());
        put_varint_field(&mut inner.value, 4000, 1);
        let mut cluster = socket(&inner.type_url, inner.value.clone());
        cluster.typed_extension_protocol_options.insert("key".to_owned(), inner);
        let mut wire = cluster.encode_to_vec();
        put_varint_field(&mut wire, 5000, 7);
        put_varint_field(&mut wire, 5000, 8);
        let mut health_check = Vec::new();
        put_length_delimited(&mut health_check, 999, b"x");
        put_length_delimited(&mut wire, 8, &[]);
        put_length_delimited(&mut wire, 8, &health_check);
        let mut found = scan(&wire);
        found.sort();
        assert_eq!(
            found,
            [
                ": unknown field 5000 of envoy.config.cluster.v3.Cluster",
                "health_checks[1]: unknown field 999 of envoy.config.core.v3.HealthCheck",
                "transport_socket.typed_config: unknown field 4000 of envoy.config.core.v3.Address",
                "typed_extension_protocol_options[\"key\"]: unknown field 4000 of envoy.config.core.v3.Address",
            ]
        );
    }

    #[test]
    fn unknown_types_and_malformed_bytes_are_findings() {
        let unknown = socket("type.googleapis.com/foo.Bar", vec![0xff]);
        assert_eq!(
            scan(&unknown.encode_to_vec()),
            ["transport_socket.typed_config: unknown type \"type.googleapis.com/foo.Bar\""]
        );
        let broken = socket("type.googleapis.com/envoy.config.core.v3.Address", vec![0x0a, 9]);
        assert_eq!(scan(&broken.encode_to_vec()), ["transport_socket.typed_config: truncated"]);
        let mut mismatch = Vec::new();
        put_varint_field(&mut mismatch, 1, 1);
        assert_eq!(scan(&mismatch), ["name: wire type does not fit the field"]);
    }

    #[test]
    fn depth_and_number_of_findings_are_bounded() {
        let any_url = "type.googleapis.com/google.protobuf.Any";
        let mut any = Any::default();
        for _ in 0..5000 {
            any = Any { type_url: any_url.to_owned(), value: any.encode_to_vec() };
        }
        let found = scan(&socket(any_url, any.value).encode_to_vec());
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("nested deeper than 100"), "{found:?}");

        let mut many = Vec::new();
        for number in 0..100_000 {
            put_varint_field(&mut many, 10_000 + number, 0);
        }
        assert_eq!(scan(&many).len(), MAX_FINDINGS);
    }
}
