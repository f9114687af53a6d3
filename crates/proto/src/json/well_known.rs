//! JSON of the messages of google.protobuf that have a form of their own.

use serde_json::{Map, Value as Json};

use super::{JsonError, Writer, any_parts, error, gather, value};
use crate::google::protobuf::Any;
use crate::path::Path;
use crate::schema::MessageType;
use crate::text::{WellKnown, expand_typed_struct};
use crate::wire::{Reader, Value, WireError};
use crate::{base64_text, duration, timestamp};

impl Writer {
    /// The JSON of a message with a form of its own; `None` for all others, and for instants that have
    /// no text.
    pub(super) fn well_known(
        self,
        message: MessageType,
        wire: &[u8],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Option<Json>, JsonError> {
        let Some(kind) = WellKnown::of(message) else { return Ok(None) };
        let at_path = |kind: WireError| error(path, kind.into());
        Ok(match kind {
            WellKnown::Any => Some(self.any(wire, path, depth)?),
            WellKnown::Duration => {
                let (seconds, nanos) = seconds_and_nanos(wire).map_err(at_path)?;
                Some(duration::format(seconds, nanos).into())
            }
            WellKnown::Timestamp => {
                let (seconds, nanos) = seconds_and_nanos(wire).map_err(at_path)?;
                timestamp::format(seconds, nanos).map(Json::String)
            }
            WellKnown::FieldMask => Some(field_mask(wire).map_err(at_path)?.into()),
            WellKnown::Struct | WellKnown::ListValue => {
                // One field, a map or a list, is the whole message.
                let values = gather(message, wire).map_err(at_path)?;
                let empty =
                    if kind == WellKnown::Struct { Json::Object(Map::new()) } else { Json::Array(vec![]) };
                match values.values().next() {
                    Some((field, values)) => self.field(*field, values, path, depth)?,
                    None => Some(empty),
                }
            }
            WellKnown::Value => {
                let values = gather(message, wire).map_err(at_path)?;
                match values.values().next() {
                    Some((field, values)) => self.field(*field, values, path, depth)?,
                    None => Some(Json::Null),
                }
            }
            WellKnown::Wrapper => {
                let values = gather(message, wire).map_err(at_path)?;
                match values.values().next().map(|(field, values)| (field.kind(), values.last())) {
                    Some((kind, Some(last))) => Some(self.scalar(kind, *last).map_err(at_path)?),
                    _ => message.field(1).map(|field| value::zero(field.kind())),
                }
            }
        })
    }

    fn any(self, wire: &[u8], path: &Path<'_>, depth: usize) -> Result<Json, JsonError> {
        let (type_url, bytes) = any_parts(wire).map_err(|kind| error(path, kind.into()))?;
        let mut object = Map::new();
        if type_url.is_empty() && bytes.is_empty() {
            return Ok(Json::Object(object));
        }
        object.insert("@type".to_owned(), type_url.into());
        match self.any_value(type_url, bytes, path, depth) {
            Some((message, Json::Object(fields))) if WellKnown::of(message).is_none() => {
                object.extend(fields);
            }
            Some((_, json)) => {
                object.insert("value".to_owned(), json);
            }
            None if self.style.redact => {
                object.insert("value".to_owned(), value::redacted_bytes());
            }
            None => {
                object.insert("value".to_owned(), base64_text::encode(bytes).into());
            }
        }
        Ok(Json::Object(object))
    }

    /// The message in an `Any`; `None` if it cannot be read.
    fn any_value(
        self,
        type_url: &str,
        bytes: &[u8],
        path: &Path<'_>,
        depth: usize,
    ) -> Option<(MessageType, Json)> {
        let message = MessageType::find_url(type_url)?;
        let mut json = self.message(message, bytes, path, depth + 1).ok()?;
        // The secrets of a TypedStruct are known only by the message that it stands for.
        if self.style.redact
            && let Some(value) = json.get_mut("value")
        {
            let any = Any { type_url: type_url.to_owned(), value: bytes.to_owned() };
            if let Some(expanded) = expand_typed_struct(&any).ok()? {
                let inner = MessageType::find_url(&expanded.type_url)?;
                *value = self.message(inner, &expanded.value, path, depth + 1).ok()?;
            }
        }
        Some((message, json))
    }
}

fn seconds_and_nanos(wire: &[u8]) -> Result<(i64, i32), WireError> {
    let (mut seconds, mut nanos) = (0, 0);
    for item in Reader::new(wire) {
        match item? {
            (1, Value::Varint(value)) => seconds = value as i64,
            (2, Value::Varint(value)) => nanos = value as i32,
            (1 | 2, _) => return Err(WireError::Mismatch),
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

/// The paths `a.b_c` and `d` are `a.bC,d`.
fn field_mask(wire: &[u8]) -> Result<String, WireError> {
    let mut text = String::new();
    for item in Reader::new(wire) {
        let (1, Value::Bytes(bytes)) = item? else { continue };
        if !text.is_empty() {
            text.push(',');
        }
        let mut upper = false;
        for character in value::text(bytes)?.chars() {
            match character {
                '_' => upper = true,
                _ => {
                    let raised = std::mem::take(&mut upper);
                    text.push(if raised { character.to_ascii_uppercase() } else { character });
                }
            }
        }
    }
    Ok(text)
}
