//! Messages of google.protobuf whose text is no object of their fields.

use super::encode::Encoder;
use super::node::{Content, Node};
use super::problem::ProblemKind;
use super::scalar::{self, Scalar};
use crate::path::Path;
use crate::schema::MessageType;
use crate::{duration, timestamp, wire};

/// Which of them a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WellKnown {
    Any,
    Duration,
    Timestamp,
    FieldMask,
    Struct,
    Value,
    ListValue,
    /// A scalar in a message, to tell "not set" from zero.
    Wrapper,
}

impl WellKnown {
    pub(crate) fn of(message: MessageType) -> Option<Self> {
        Some(match message.full_name().strip_prefix("google.protobuf.")? {
            "Any" => Self::Any,
            "Duration" => Self::Duration,
            "Timestamp" => Self::Timestamp,
            "FieldMask" => Self::FieldMask,
            "Struct" => Self::Struct,
            "Value" => Self::Value,
            "ListValue" => Self::ListValue,
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => Self::Wrapper,
            _ => return None,
        })
    }
}

impl Encoder {
    /// Encodes a message with a text form of its own; false if the message has none or the text is an
    /// object of its fields after all, which Envoy takes for durations, wrappers and the like.
    pub(super) fn well_known(
        &mut self,
        node: &Node<'_>,
        message: MessageType,
        path: &Path<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(kind) = WellKnown::of(message) else { return false };
        match kind {
            WellKnown::Any => self.any(node, path, out),
            WellKnown::Struct => self.structure(node, path, out),
            WellKnown::Value => self.value(node, path, out),
            WellKnown::ListValue => self.list_value(node, path, out),
            WellKnown::Duration | WellKnown::Timestamp | WellKnown::FieldMask | WellKnown::Wrapper
                if matches!(node.content, Content::Map(_)) =>
            {
                return false;
            }
            WellKnown::Duration => {
                self.seconds_and_nanos(node, path, out, "duration such as 1.5s", duration::parse);
            }
            WellKnown::Timestamp => {
                self.seconds_and_nanos(
                    node,
                    path,
                    out,
                    "timestamp such as 2026-01-31T00:00:00Z",
                    timestamp::parse,
                );
            }
            WellKnown::FieldMask => self.field_mask(node, path, out),
            WellKnown::Wrapper => {
                if let Some(value) = message.field(1) {
                    self.single(node, value, path, out);
                }
            }
        }
        true
    }

    fn seconds_and_nanos(
        &mut self,
        node: &Node<'_>,
        path: &Path<'_>,
        out: &mut Vec<u8>,
        expected: &'static str,
        parse: fn(&str) -> Option<(i64, i32)>,
    ) {
        let Some(Scalar::Text(text)) = node.scalar(self.dialect) else {
            return self.report_wrong_type(path, node, expected);
        };
        let Some((seconds, nanos)) = parse(text) else {
            let kind = scalar::invalid(expected, Scalar::Text(text));
            return self.report(path, node, kind);
        };
        // Zeros are left out, as everywhere.
        if seconds != 0 {
            wire::put_varint_field(out, 1, seconds as u64);
        }
        if nanos != 0 {
            wire::put_varint_field(out, 2, i64::from(nanos) as u64);
        }
    }

    /// `a.bC,d` is the paths `a.b_c` and `d`.
    fn field_mask(&mut self, node: &Node<'_>, path: &Path<'_>, out: &mut Vec<u8>) {
        let Some(Scalar::Text(text)) = node.scalar(self.dialect) else {
            return self.report_wrong_type(path, node, "field names such as a.b,c");
        };
        for name in text.split(',').filter(|name| !name.is_empty()) {
            let mut snake = String::with_capacity(name.len());
            for character in name.chars() {
                if character.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(character.to_ascii_lowercase());
            }
            wire::put_length_delimited(out, 1, snake.as_bytes());
        }
    }

    fn structure(&mut self, node: &Node<'_>, path: &Path<'_>, out: &mut Vec<u8>) {
        let Content::Map(entries) = &node.content else {
            return self.report_wrong_type(path, node, "an object");
        };
        for entry in entries {
            let path = path.key(&entry.key);
            if entry.overridden {
                self.report_at(&path, entry.place, ProblemKind::DuplicateKey);
                continue;
            }
            let (mut body, mut value) = (Vec::new(), Vec::new());
            self.value(&entry.value, &path, &mut value);
            wire::put_length_delimited(&mut body, 1, entry.key.as_bytes());
            wire::put_length_delimited(&mut body, 2, &value);
            wire::put_length_delimited(out, 1, &body);
        }
    }

    fn list_value(&mut self, node: &Node<'_>, path: &Path<'_>, out: &mut Vec<u8>) {
        let Content::List(items) = &node.content else {
            return self.report_wrong_type(path, node, "a list");
        };
        for (index, item) in items.iter().enumerate() {
            let mut value = Vec::new();
            self.value(item, &path.index(index), &mut value);
            wire::put_length_delimited(out, 1, &value);
        }
    }

    /// Any JSON value.
    fn value(&mut self, node: &Node<'_>, path: &Path<'_>, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        match node.scalar(self.dialect) {
            Some(Scalar::Null) => wire::put_varint_field(out, 1, 0),
            Some(scalar @ (Scalar::Int(_) | Scalar::Number(_))) => match scalar::float(scalar, "number") {
                Ok(number) => wire::put_fixed64(out, 2, number.to_bits()),
                Err(kind) => self.report(path, node, kind),
            },
            Some(Scalar::Text(text)) => wire::put_length_delimited(out, 3, text.as_bytes()),
            Some(Scalar::Bool(value)) => wire::put_varint_field(out, 4, value.into()),
            None if matches!(node.content, Content::Map(_)) => {
                self.structure(node, path, &mut body);
                wire::put_length_delimited(out, 5, &body);
            }
            None => {
                self.list_value(node, path, &mut body);
                wire::put_length_delimited(out, 6, &body);
            }
        }
    }
}
