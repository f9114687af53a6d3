//! Values that hold no others, as protobuf's JSON form writes them.

use serde_json::json;

use crate::schema::Schema;

/// A text.
pub(crate) fn text() -> Schema {
    Schema::of_type("string")
}

/// One of some words.
pub(crate) fn word<const N: usize>(words: [&str; N]) -> Schema {
    text().set("enum", json!(&words[..]))
}

/// True or false.
pub(crate) fn flag() -> Schema {
    Schema::of_type("boolean")
}

/// A whole number without a width.
pub(crate) fn integer() -> Schema {
    Schema::of_type("integer")
}

/// A whole number of 32 bits.
pub(crate) fn int32() -> Schema {
    integer().set("format", "int32")
}

/// A whole number of 32 bits that is not negative.
pub(crate) fn uint32() -> Schema {
    integer().minimum(0).maximum(i64::from(u32::MAX))
}

/// A whole number of 64 bits that is not negative.
pub(crate) fn uint64() -> Schema {
    integer().minimum(0)
}

/// A whole number of 64 bits: protobuf's JSON form writes it as a text too.
pub(crate) fn int64() -> Schema {
    Schema::default()
        .set("anyOf", json!([{"type": "integer"}, {"type": "string"}]))
        .set("x-kubernetes-int-or-string", true)
}

/// A number.
pub(crate) fn double() -> Schema {
    Schema::of_type("number").set("format", "double")
}

/// Bytes, base64.
pub(crate) fn bytes() -> Schema {
    text().set("format", "byte")
}

/// A moment, RFC 3339.
pub(crate) fn time() -> Schema {
    text().set("format", "date-time")
}

/// A duration of at least 1 ms, such as `10s`.
pub(crate) fn duration() -> Schema {
    text().rule("duration(self) >= duration('1ms')", "must be a valid duration greater than 1ms")
}

/// A port's number.
pub(crate) fn port() -> Schema {
    uint32().rule("0 < self && self <= 65535", "port must be between 1-65535")
}
