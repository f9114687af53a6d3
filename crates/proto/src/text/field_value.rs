//! The value of a field that is no message, between scalar and wire.

use std::borrow::Cow;

use super::problem::ProblemKind;
use super::scalar::{self, Scalar};
use super::suggest::suggest;
use crate::path::shorten;
use crate::schema::{EnumType, Kind};
use crate::{base64_text, wire};

/// A value in the form that the wire has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FieldValue<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(Cow<'a, [u8]>),
}

impl<'a> FieldValue<'a> {
    /// The value of a scalar for a field of this kind.
    pub(super) fn of(scalar: Scalar<'a>, kind: Kind) -> Result<Self, ProblemKind> {
        let expected = expected(kind);
        let integer = |min: i128, max: i128| scalar::integer(scalar, min, max, expected);
        let signed32 = || integer(i32::MIN.into(), i32::MAX.into()).map(|value| value as i32);
        let signed64 = || integer(i64::MIN.into(), i64::MAX.into()).map(|value| value as i64);
        let unsigned32 = || integer(0, u32::MAX.into()).map(|value| value as u32);
        let unsigned64 = || integer(0, u64::MAX.into()).map(|value| value as u64);
        Ok(match kind {
            Kind::Double => Self::Fixed64(scalar::float(scalar, expected)?.to_bits()),
            Kind::Float => {
                let wide = scalar::float(scalar, expected)?;
                let value = wide as f32;
                if value.is_infinite() && wide.is_finite() {
                    return Err(scalar::invalid(expected, scalar));
                }
                Self::Fixed32(value.to_bits())
            }
            // A negative number has the two's complement of 64 bits, whatever its width.
            Kind::Int32 => Self::Varint(i64::from(signed32()?) as u64),
            Kind::Int64 => Self::Varint(signed64()? as u64),
            Kind::Uint32 => Self::Varint(unsigned32()?.into()),
            Kind::Uint64 => Self::Varint(unsigned64()?),
            Kind::Sint32 => Self::Varint(zigzag(signed32()?.into())),
            Kind::Sint64 => Self::Varint(zigzag(signed64()?)),
            Kind::Fixed32 => Self::Fixed32(unsigned32()?),
            Kind::Fixed64 => Self::Fixed64(unsigned64()?),
            Kind::Sfixed32 => Self::Fixed32(signed32()? as u32),
            Kind::Sfixed64 => Self::Fixed64(signed64()? as u64),
            Kind::Bool => Self::Varint(scalar::boolean(scalar)?.into()),
            Kind::Enum(enumeration) => Self::Varint(i64::from(enum_number(scalar, enumeration)?) as u64),
            Kind::String => Self::Bytes(scalar::text(scalar, expected)?.as_bytes().into()),
            Kind::Bytes => {
                let text = scalar::text(scalar, expected)?;
                Self::Bytes(
                    base64_text::decode(text).ok_or_else(|| scalar::invalid(expected, scalar))?.into(),
                )
            }
            // Messages go through `Encoder::message`.
            Kind::Message(_) => return Err(scalar::wrong(expected, scalar)),
        })
    }

    /// The zero value of a kind; for a message, one without fields.
    pub(super) fn zero(kind: Kind) -> Self {
        match kind {
            Kind::Message(_) | Kind::String | Kind::Bytes => Self::Bytes(Cow::Borrowed(&[])),
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Self::Fixed64(0),
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Self::Fixed32(0),
            _ => Self::Varint(0),
        }
    }

    /// Whether this is the zero value; -0.0 is not.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Varint(value) | Self::Fixed64(value) => *value == 0,
            Self::Fixed32(value) => *value == 0,
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>, number: u32) {
        match self {
            Self::Varint(value) => wire::put_varint_field(out, number, *value),
            Self::Fixed64(value) => wire::put_fixed64(out, number, *value),
            Self::Fixed32(value) => wire::put_fixed32(out, number, *value),
            Self::Bytes(bytes) => wire::put_length_delimited(out, number, bytes),
        }
    }
}

/// The number of an enum value: by name in any case, or a number, which need not be known.
fn enum_number(scalar: Scalar<'_>, enumeration: EnumType) -> Result<i32, ProblemKind> {
    let found = match scalar {
        Scalar::Text(name) => enumeration.number(name).or_else(|| name.parse().ok()),
        Scalar::Int(number) => i32::try_from(number).ok(),
        Scalar::Null if enumeration.full_name() == "google.protobuf.NullValue" => Some(0),
        _ => return Err(scalar::wrong("an enum value", scalar)),
    };
    found.ok_or_else(|| {
        let value = match scalar {
            Scalar::Text(name) => shorten(name).to_owned(),
            _ => scalar::describe(scalar),
        };
        let did_you_mean = suggest(&value, enumeration.values().map(|(name, _)| name));
        ProblemKind::UnknownEnumValue { enumeration: enumeration.full_name(), value, did_you_mean }
    })
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// What a field takes, in words for a problem.
pub(super) fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int64 | Kind::Sfixed64 | Kind::Sint64 => "int64",
        Kind::Uint64 | Kind::Fixed64 => "uint64",
        Kind::Int32 | Kind::Sfixed32 | Kind::Sint32 => "int32",
        Kind::Uint32 | Kind::Fixed32 => "uint32",
        Kind::Bool => "bool",
        Kind::String => "text",
        Kind::Bytes => "base64 text",
        Kind::Message(_) => "an object",
        Kind::Enum(_) => "an enum value",
    }
}
