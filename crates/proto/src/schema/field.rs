//! A field of a message type.

use std::fmt;

use super::enumeration::EnumType;
use super::message::MessageType;
use super::rows::{self, F};

/// A field of a message type, by its place in the schema table. Copying it is free.
#[derive(Clone, Copy)]
pub struct Field(&'static F);

/// The type of one value of a field.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// 64-bit floating point.
    Double,
    /// 32-bit floating point.
    Float,
    /// Varint, two's complement.
    Int64,
    /// Varint.
    Uint64,
    /// Varint, two's complement of 64 bits.
    Int32,
    /// Eight bytes.
    Fixed64,
    /// Four bytes.
    Fixed32,
    /// Varint, 0 or 1.
    Bool,
    /// UTF-8 text.
    String,
    /// A message inside this one.
    Message(MessageType),
    /// Any bytes.
    Bytes,
    /// Varint.
    Uint32,
    /// Varint whose names are known.
    Enum(EnumType),
    /// Four bytes, two's complement.
    Sfixed32,
    /// Eight bytes, two's complement.
    Sfixed64,
    /// Varint, zigzag.
    Sint32,
    /// Varint, zigzag.
    Sint64,
}

impl Field {
    pub(super) fn new(row: &'static F) -> Self {
        Self(row)
    }

    /// Name as in the proto file, such as `lb_policy`.
    #[must_use]
    pub fn name(self) -> &'static str {
        rows::name(self.0.0, self.0.3)
    }

    /// Name as in JSON, such as `lbPolicy`.
    #[must_use]
    pub fn json_name(self) -> String {
        camel(self.name()).map(char::from).collect()
    }

    /// Whether `name` is the proto name or the JSON name.
    #[must_use]
    pub fn is_called(self, name: &str) -> bool {
        self.name() == name || camel(self.name()).eq(name.bytes())
    }

    /// Number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.1
    }

    /// Type of one value.
    #[must_use]
    pub fn kind(self) -> Kind {
        // Numbers of google.protobuf.FieldDescriptorProto.Type; the build refuses groups.
        match self.0.4 {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            6 => Kind::Fixed64,
            7 => Kind::Fixed32,
            8 => Kind::Bool,
            9 => Kind::String,
            11 => MessageType::at(self.0.2).map_or(Kind::Bytes, Kind::Message),
            13 => Kind::Uint32,
            14 => EnumType::at(self.0.2).map_or(Kind::Int32, Kind::Enum),
            15 => Kind::Sfixed32,
            16 => Kind::Sfixed64,
            17 => Kind::Sint32,
            18 => Kind::Sint64,
            _ => Kind::Bytes,
        }
    }

    /// Whether the field holds a list; a map field is one too, of its entries.
    #[must_use]
    pub fn is_repeated(self) -> bool {
        self.0.6 & rows::REPEATED != 0
    }

    /// Key and value, if this is a map field.
    #[must_use]
    pub fn map(self) -> Option<(Self, Self)> {
        match self.kind() {
            Kind::Message(entry) if entry.is_map_entry() => Some((entry.field(1)?, entry.field(2)?)),
            _ => None,
        }
    }

    /// Whether an absent value differs from the zero value.
    #[must_use]
    pub fn has_presence(self) -> bool {
        self.0.6 & rows::PRESENCE != 0
    }

    /// Whether the API marks the field as deprecated.
    #[must_use]
    pub fn is_deprecated(self) -> bool {
        self.0.6 & rows::DEPRECATED != 0
    }

    /// Whether the field holds a secret (`udpa.annotations.sensitive`), which dumps must not show.
    #[must_use]
    pub fn is_sensitive(self) -> bool {
        self.0.6 & rows::SENSITIVE != 0
    }

    /// Whether the field is taken although no Rust type holds it: Envoy has it, envoy-types not yet, and
    /// it has no effect on routing, security and reliability.
    #[must_use]
    pub fn is_without_effect(self) -> bool {
        self.0.6 & rows::WITHOUT_EFFECT != 0
    }

    /// Which of the message's oneofs the field stands in, counted from 0.
    #[must_use]
    pub fn oneof(self) -> Option<u8> {
        Some(self.0.5).filter(|index| *index != rows::NO_ONEOF)
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name(), self.number())
    }
}

/// protoc's rule for the JSON name: underscores go and raise the letter behind. The build checks that
/// no field has another one.
fn camel(name: &str) -> impl Iterator<Item = u8> {
    let mut upper = false;
    name.bytes().filter_map(move |byte| {
        if byte == b'_' {
            upper = true;
            return None;
        }
        let raised = std::mem::take(&mut upper);
        Some(if raised { byte.to_ascii_uppercase() } else { byte })
    })
}
