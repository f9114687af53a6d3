//! JSON of values that are no messages.

use serde_json::Value as Json;

use super::Writer;
use crate::base64_text;
use crate::schema::Kind;
use crate::wire::{Packed, Value, WireError};

/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

impl Writer {
    /// A list of them.
    pub(super) fn list(self, kind: Kind, values: &[Value<'_>]) -> Result<Json, WireError> {
        let mut items = Vec::new();
        for value in values {
            match (packed_type(kind), *value) {
                (Some(wire_type), Value::Bytes(bytes)) => {
                    for element in Packed::new(bytes, wire_type) {
                        items.push(self.scalar(kind, element?)?);
                    }
                }
                (_, single) => items.push(self.scalar(kind, single)?),
            }
        }
        Ok(Json::Array(items))
    }

    /// One of them. Of a secret, text and bytes are redacted and the rest is zero.
    pub(super) fn scalar(self, kind: Kind, value: Value<'_>) -> Result<Json, WireError> {
        let json = scalar(kind, value)?;
        Ok(match kind {
            _ if !self.secret => json,
            Kind::String => REDACTED.into(),
            Kind::Bytes => redacted_bytes(),
            _ => zero(kind),
        })
    }
}

/// What stands in the place of bytes that are secret or may be.
pub(super) fn redacted_bytes() -> Json {
    base64_text::encode(REDACTED.as_bytes()).into()
}

/// The wire type of the elements of a list, if a list of this kind can be packed.
fn packed_type(kind: Kind) -> Option<u8> {
    match kind {
        Kind::String | Kind::Bytes | Kind::Message(_) => None,
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Some(1),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Some(5),
        _ => Some(0),
    }
}

/// One of them, secret or not.
fn scalar(kind: Kind, value: Value<'_>) -> Result<Json, WireError> {
    Ok(match (kind, value) {
        (Kind::Double, Value::Fixed64(bits)) => double(f64::from_bits(bits)),
        (Kind::Float, Value::Fixed32(bits)) => float(f32::from_bits(bits)),
        (Kind::Int64, Value::Varint(value)) => (value as i64).to_string().into(),
        (Kind::Uint64, Value::Varint(value)) | (Kind::Fixed64, Value::Fixed64(value)) => {
            value.to_string().into()
        }
        (Kind::Sint64, Value::Varint(value)) => unzigzag(value).to_string().into(),
        (Kind::Sfixed64, Value::Fixed64(value)) => (value as i64).to_string().into(),
        (Kind::Int32, Value::Varint(value)) => (value as i32).into(),
        (Kind::Uint32, Value::Varint(value)) => (value as u32).into(),
        (Kind::Sint32, Value::Varint(value)) => (unzigzag(value) as i32).into(),
        (Kind::Fixed32, Value::Fixed32(value)) => value.into(),
        (Kind::Sfixed32, Value::Fixed32(value)) => (value as i32).into(),
        (Kind::Bool, Value::Varint(value)) => (value != 0).into(),
        (Kind::Enum(enumeration), Value::Varint(value)) => {
            let number = value as i32;
            match enumeration.name(number) {
                Some("NULL_VALUE") if enumeration.full_name() == "google.protobuf.NullValue" => Json::Null,
                Some(name) => name.into(),
                None => number.into(),
            }
        }
        (Kind::String, Value::Bytes(bytes)) => text(bytes)?.into(),
        (Kind::Bytes, Value::Bytes(bytes)) => base64_text::encode(bytes).into(),
        _ => return Err(WireError::Mismatch),
    })
}

/// The zero value.
pub(super) fn zero(kind: Kind) -> Json {
    let value = match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Value::Fixed64(0),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Value::Fixed32(0),
        Kind::String | Kind::Bytes | Kind::Message(_) => Value::Bytes(&[]),
        _ => Value::Varint(0),
    };
    scalar(kind, value).unwrap_or_default()
}

/// A map key, which JSON has as text.
pub(super) fn key(kind: Kind, value: Value<'_>) -> Result<String, WireError> {
    Ok(as_key(scalar(kind, value)?))
}

/// The key that an entry without one has.
pub(super) fn zero_key(kind: Kind) -> String {
    as_key(zero(kind))
}

fn as_key(json: Json) -> String {
    match json {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// UTF-8 text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError::Utf8)
}

/// A number, or its name where JSON has none.
pub(super) fn double(value: f64) -> Json {
    serde_json::Number::from_f64(value).map_or_else(|| not_finite(value), Json::Number)
}

/// As [`double`], with as many digits as tell the value from its neighbours.
fn float(value: f32) -> Json {
    if !value.is_finite() {
        return not_finite(value.into());
    }
    value.to_string().parse().map_or(Json::Null, double)
}

fn not_finite(value: f64) -> Json {
    let name = match value {
        _ if value.is_nan() => "NaN",
        _ if value > 0.0 => "Infinity",
        _ => "-Infinity",
    };
    name.into()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
