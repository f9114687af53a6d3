//! Every message of the schema, filled at random: bytes to JSON and back, beside prost-reflect.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

mod oracle;

use proptest::prelude::*;
use weft_proto::json::{Names, Style, to_json};
use weft_proto::schema::{Field, Kind, MessageType};
use weft_proto::text::{self, Dialect, Limits};

/// Random choices out of a run of bytes; zeros when it is used up.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn number(&mut self) -> u64 {
        let width = self.byte() % 9;
        (0..width).fold(0, |number, _| (number << 8) | u64::from(self.byte()))
    }

    fn text(&mut self) -> String {
        (0..self.byte() % 6)
            .map(|_| ['a', 'Z', '0', '_', 'é', '"', '\n', '/'][usize::from(self.byte() % 8)])
            .collect()
    }
}

/// Wire bytes of a message with a few fields set, within what proto-JSON can say.
fn fill(message: MessageType, choices: &mut Choices<'_>, depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    match message.full_name() {
        "google.protobuf.Duration" => {
            put_varint(&mut out, 1, choices.number() % 315_576_000_000);
            put_varint(&mut out, 2, choices.number() % 1_000_000_000);
        }
        "google.protobuf.Timestamp" => {
            put_varint(&mut out, 1, choices.number() % 253_402_300_799);
            put_varint(&mut out, 2, choices.number() % 1_000_000_000);
        }
        "google.protobuf.FieldMask" => {
            for path in ["a.b_c", "d"].iter().take(usize::from(choices.byte() % 3)) {
                put_bytes(&mut out, 1, path.as_bytes());
            }
        }
        "google.protobuf.Any" => {
            let types: Vec<_> = MessageType::all().filter(|message| !message.is_map_entry()).collect();
            let chosen = types[choices.number() as usize % types.len()];
            // prost-reflect has no JSON for an `Any` without a type.
            let leaf = MessageType::find("envoy.config.core.v3.Address").unwrap();
            let inner = if depth < 4 { chosen } else { leaf };
            put_bytes(&mut out, 1, weft_proto::type_url::of(inner).as_bytes());
            let value = fill(inner, choices, depth + 1);
            put_bytes(&mut out, 2, &value);
        }
        "google.protobuf.Value" => {
            let field = message.fields().nth(usize::from(choices.byte() % 4)).unwrap();
            put_field(&mut out, field, choices, depth);
        }
        _ => {
            // What envoy-types lacks, prost-reflect lacks too.
            let fields: Vec<_> = message.fields().filter(|field| !field.is_without_effect()).collect();
            let mut oneofs = Vec::new();
            for _ in 0..choices.byte() % 5 {
                let Some(field) = fields.get(usize::from(choices.byte()) % fields.len().max(1)) else {
                    break;
                };
                let taken = field.oneof().is_some_and(|oneof| oneofs.contains(&oneof));
                if !taken && (depth < 5 || !matches!(field.kind(), Kind::Message(_))) {
                    oneofs.extend(field.oneof());
                    put_field(&mut out, *field, choices, depth);
                }
            }
        }
    }
    out
}

fn put_field(out: &mut Vec<u8>, field: Field, choices: &mut Choices<'_>, depth: usize) {
    let number = field.number();
    if let Some((key, value)) = field.map() {
        let mut entry = Vec::new();
        put_field(&mut entry, key, choices, depth);
        put_field(&mut entry, value, choices, depth + 1);
        return put_bytes(out, number, &entry);
    }
    match field.kind() {
        Kind::Message(inner) => {
            let body = fill(inner, choices, depth + 1);
            put_bytes(out, number, &body);
        }
        Kind::String => put_bytes(out, number, choices.text().as_bytes()),
        Kind::Bytes => put_bytes(out, number, choices.text().as_bytes()),
        Kind::Double => put_fixed(out, number, 1, &(choices.number() as f64 / 3.0).to_le_bytes()),
        Kind::Float => put_fixed(out, number, 5, &(f32::from(choices.number() as u16) / 4.0).to_le_bytes()),
        Kind::Fixed64 | Kind::Sfixed64 => put_fixed(out, number, 1, &choices.number().to_le_bytes()),
        Kind::Fixed32 | Kind::Sfixed32 => put_fixed(out, number, 5, &(choices.number() as u32).to_le_bytes()),
        Kind::Bool => put_varint(out, number, choices.number() & 1),
        Kind::Enum(enumeration) => {
            let values: Vec<_> = enumeration.values().collect();
            let (_, value) = values[usize::from(choices.byte()) % values.len()];
            put_varint(out, number, i64::from(value) as u64);
        }
        Kind::Int32 | Kind::Sint32 => put_varint(out, number, i64::from(choices.number() as i32) as u64),
        Kind::Uint32 => put_varint(out, number, u64::from(choices.number() as u32)),
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 => put_varint(out, number, choices.number()),
    }
}

fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u32) {
    prost::encoding::encode_varint(u64::from((number << 3) | wire_type), out);
}

fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, 0);
    prost::encoding::encode_varint(value, out);
}

fn put_bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_tag(out, number, 2);
    prost::encoding::encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn put_fixed(out: &mut Vec<u8>, number: u32, wire_type: u32, value: &[u8]) {
    put_tag(out, number, wire_type);
    out.extend_from_slice(value);
}

/// prost-reflect writes an `Any` that holds `google.protobuf.Empty` with `value: {}`, as Go does; Envoy, as C++
/// does, without.
fn empty_as_envoy(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match json {
        Value::Object(mut fields) => {
            let type_url = fields.get("@type").and_then(Value::as_str).unwrap_or_default();
            if type_url.ends_with("/google.protobuf.Empty") {
                fields.remove("value");
            }
            Value::Object(fields.into_iter().map(|(key, value)| (key, empty_as_envoy(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(empty_as_envoy).collect()),
        other => other,
    }
}

/// Bytes of a message type: the JSON is that of prost-reflect, and encodes to an equal message.
fn check(message: MessageType, seed: &[u8]) {
    let name = message.full_name();
    let wire = fill(message, &mut Choices(seed.iter()), 0);
    assert_eq!(weft_proto::scan::unknown_fields(message, &wire), [], "{name}");
    let expected = oracle::from_wire(name, &wire).unwrap();
    let json = to_json(message, &wire, Style { names: Names::Proto, redact: false }).unwrap();
    assert_eq!(json, empty_as_envoy(oracle::to_json(&expected).unwrap()), "{name}");
    for names in [Names::Proto, Names::Json] {
        let text = to_json(message, &wire, Style { names, redact: false }).unwrap().to_string();
        let encoded = text::encode(message, &text, Dialect::Json, &Limits::default());
        assert_eq!(encoded.problems, [], "{name}: {text}");
        let read = oracle::from_wire(name, &encoded.wire).unwrap();
        assert_eq!(empty_as_envoy(oracle::to_json(&read).unwrap()), json, "{name}: {text}");
    }
}

#[test]
fn every_message_survives_when_empty() {
    for message in MessageType::all().filter(|message| !message.is_map_entry()) {
        if message.full_name() != "google.protobuf.Value" {
            check(message, &[]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_filled_at_random_survive(index: prop::sample::Index, seed: Vec<u8>) {
        let types: Vec<_> = MessageType::all().filter(|message| !message.is_map_entry()).collect();
        check(types[index.index(types.len())], &seed);
    }
}
