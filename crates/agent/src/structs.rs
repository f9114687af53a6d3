//! JSON values as protobuf's `Struct`.

use serde_json::Value as Json;
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{ListValue, Struct, Value};

/// A struct of named values.
pub(crate) fn of<K: Into<String>>(fields: impl IntoIterator<Item = (K, Json)>) -> Struct {
    Struct { fields: fields.into_iter().map(|(key, json)| (key.into(), value(json))).collect() }
}

/// One value; numbers become doubles, as protobuf has no others there.
pub(crate) fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(bool) => Kind::BoolValue(bool),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(items) => Kind::ListValue(ListValue { values: items.into_iter().map(value).collect() }),
        Json::Object(fields) => Kind::StructValue(of(fields)),
    };
    Value { kind: Some(kind) }
}
