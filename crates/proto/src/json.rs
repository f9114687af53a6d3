//! Wire bytes to proto-JSON, for config dumps and debug pages.
//!
//! As Envoy's dumps: secrets redacted, names as in the proto file or in JSON, nested `Any` expanded, 64-bit integers as
//! text, bytes as base64. An `Any` whose type is unknown, or whose bytes are not of its type, keeps
//! them as base64 in `value`, so that one bad resource does not hide the others.

mod value;
mod well_known;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::path::Path;
use crate::schema::{Field, Kind, MessageType};
use crate::wire::{Reader, Value, WireError};

/// Deepest nesting of messages that is written, those in `Any` included.
pub const MAX_DEPTH: usize = 100;

/// How fields are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// As in the proto file (`lb_policy`): Envoy's dumps.
    #[default]
    Proto,
    /// As proto-JSON has them by default (`lbPolicy`).
    Json,
}

/// How a dump looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// How fields are called; default [`Names::Proto`].
    pub names: Names,
    /// Whether secrets are replaced by `[redacted]`, as in Envoy's dumps; default true. Then an `Any` that
    /// cannot be read does not show its bytes either.
    pub redact: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { names: Names::Proto, redact: true }
    }
}

/// Why bytes have no JSON form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {kind}")]
pub struct JsonError {
    /// Field path to the message or field; empty for the root message.
    pub path: String,
    /// What is wrong there.
    pub kind: JsonErrorKind,
}

/// The kinds of [`JsonError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonErrorKind {
    /// The bytes are not a message of the type.
    #[error("{0}")]
    Malformed(#[from] WireError),
    /// Messages are nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} messages")]
    TooDeep,
}

/// The JSON form of a message. Unknown fields are left out: [`crate::scan`] lists them.
///
/// # Errors
/// The bytes are not a message of the type, or are nested too deep.
pub fn to_json(message: MessageType, wire: &[u8], style: Style) -> Result<Json, JsonError> {
    Writer { style, secret: false }.message(message, wire, &Path::ROOT, 0)
}

/// Type URL and value of the bytes of an `Any`.
pub(crate) fn any_parts(wire: &[u8]) -> Result<(&str, &[u8]), WireError> {
    let (mut type_url, mut value) = ("", [].as_slice());
    for item in Reader::new(wire) {
        match item? {
            (1, Value::Bytes(bytes)) => type_url = std::str::from_utf8(bytes).map_err(|_| WireError::Utf8)?,
            (2, Value::Bytes(bytes)) => value = bytes,
            (1 | 2, _) => return Err(WireError::Mismatch),
            _ => {}
        }
    }
    Ok((type_url, value))
}

#[derive(Clone, Copy, Debug)]
struct Writer {
    style: Style,
    /// Whether what is being written belongs to a secret.
    secret: bool,
}

/// The values of the fields that a message has, by field number.
type Values<'a> = BTreeMap<u32, (Field, Vec<Value<'a>>)>;

impl Writer {
    fn message(
        self,
        message: MessageType,
        wire: &[u8],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Json, JsonError> {
        if depth > MAX_DEPTH {
            return Err(error(path, JsonErrorKind::TooDeep));
        }
        match self.well_known(message, wire, path, depth)? {
            Some(json) => Ok(json),
            None => self.object(message, wire, path, depth).map(Json::Object),
        }
    }

    fn object(
        self,
        message: MessageType,
        wire: &[u8],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Map<String, Json>, JsonError> {
        let mut object = Map::new();
        let values = gather(message, wire).map_err(|kind| error(path, kind.into()))?;
        for (field, values) in values.values() {
            let path = path.field(field.name());
            let secret = self.secret || (self.style.redact && field.is_sensitive());
            let Some(json) = (Writer { secret, ..self }).field(*field, values, &path, depth)? else {
                continue;
            };
            let name = match self.style.names {
                Names::Proto => field.name().to_owned(),
                Names::Json => field.json_name(),
            };
            object.insert(name, json);
        }
        Ok(object)
    }

    /// The JSON of a field; `None` where proto-JSON leaves it out.
    fn field(
        self,
        field: Field,
        values: &[Value<'_>],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Option<Json>, JsonError> {
        if let Some((key, value)) = field.map() {
            return self.map(key, value, values, path, depth).map(Some);
        }
        if let Kind::Message(inner) = field.kind() {
            if field.is_repeated() {
                let items = values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| {
                        let path = path.index(index);
                        self.message(inner, bytes_of(*value, &path)?, &path, depth + 1)
                    })
                    .collect::<Result<_, _>>()?;
                return Ok(Some(Json::Array(items)));
            }
            return self.merged(inner, values, path, depth).map(Some);
        }
        let at_path = |kind: WireError| error(path, kind.into());
        if field.is_repeated() {
            return self.list(field.kind(), values).map(Some).map_err(at_path);
        }
        let Some(last) = values.last() else { return Ok(None) };
        let zero = match last {
            Value::Varint(number) | Value::Fixed64(number) => *number == 0,
            Value::Fixed32(number) => *number == 0,
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::Group => true,
        };
        if zero && !field.has_presence() {
            return Ok(None);
        }
        self.scalar(field.kind(), *last).map(Some).map_err(at_path)
    }

    /// A message that stands once: several on the wire are one, merged, which is to say joined.
    fn merged(
        self,
        message: MessageType,
        values: &[Value<'_>],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Json, JsonError> {
        if let [value] = values {
            return self.message(message, bytes_of(*value, path)?, path, depth + 1);
        }
        let mut joined = Vec::new();
        for value in values {
            joined.extend_from_slice(bytes_of(*value, path)?);
        }
        self.message(message, &joined, path, depth + 1)
    }

    fn map(
        self,
        key: Field,
        value: Field,
        entries: &[Value<'_>],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Json, JsonError> {
        let mut object = Map::new();
        for entry in entries {
            let (mut keys, mut values) = (Vec::new(), Vec::new());
            for item in Reader::new(bytes_of(*entry, path)?) {
                match item.map_err(|kind| error(path, kind.into()))? {
                    (1, item) => keys.push(item),
                    (2, item) => values.push(item),
                    _ => {}
                }
            }
            let name = match keys.last() {
                Some(last) => value::key(key.kind(), *last).map_err(|kind| error(path, kind.into()))?,
                None => value::zero_key(key.kind()),
            };
            let path = path.key(&name);
            let json = match value.kind() {
                Kind::Message(inner) => self.merged(inner, &values, &path, depth)?,
                kind => match values.last() {
                    Some(last) => self.scalar(kind, *last).map_err(|kind| error(&path, kind.into()))?,
                    None => value::zero(kind),
                },
            };
            object.insert(name, json);
        }
        Ok(Json::Object(object))
    }
}

/// Sorts the values of a message to its fields: a later member of a oneof displaces an earlier one.
fn gather(message: MessageType, wire: &[u8]) -> Result<Values<'_>, WireError> {
    let mut values = Values::new();
    for item in Reader::new(wire) {
        let (number, value) = item?;
        let Some(field) = message.field(number) else { continue };
        if let Some(oneof) = field.oneof() {
            values.retain(|other, (field, _)| *other == number || field.oneof() != Some(oneof));
        }
        values.entry(number).or_insert_with(|| (field, Vec::new())).1.push(value);
    }
    Ok(values)
}

fn bytes_of<'a>(value: Value<'a>, path: &Path<'_>) -> Result<&'a [u8], JsonError> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(error(path, WireError::Mismatch.into())),
    }
}

fn error(path: &Path<'_>, kind: JsonErrorKind) -> JsonError {
    JsonError { path: path.to_string(), kind }
}
