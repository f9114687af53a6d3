//! Tree to wire bytes: messages, lists, maps and single values.

use super::field_value::{FieldValue, expected};
use super::node::{Content, Entry, Node, Place};
use super::problem::{Problem, ProblemKind};
use super::scalar::{Dialect, Scalar};
use super::suggest::suggest;
use crate::path::{Path, shorten};
use crate::schema::{Field, Kind, MessageType};
use crate::wire;

/// Encodes one tree, and gathers what is wrong with it.
///
/// Recursion follows the tree, whose depth [`super::Limits::max_depth`] bounds.
#[derive(Debug)]
pub(super) struct Encoder {
    pub(super) dialect: Dialect,
    max_problems: usize,
    problems: Vec<Problem>,
}

impl Encoder {
    pub(super) fn new(dialect: Dialect, max_problems: usize) -> Self {
        Self { dialect, max_problems, problems: Vec::new() }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Wire bytes of the whole tree; null is no message.
    pub(super) fn root(&mut self, node: &Node<'_>, message: MessageType) -> Vec<u8> {
        let mut out = Vec::new();
        self.message(node, message, &Path::ROOT, &mut out);
        out
    }

    pub(super) fn report(&mut self, path: &Path<'_>, node: &Node<'_>, kind: ProblemKind) {
        self.report_at(path, node.place, kind);
    }

    pub(super) fn report_at(&mut self, path: &Path<'_>, place: Place, kind: ProblemKind) {
        let Place { line, column } = place;
        if self.problems.len() < self.max_problems {
            self.problems.push(Problem { path: path.to_string(), line, column, kind });
        } else if self.problems.len() == self.max_problems {
            let kind = ProblemKind::TooMany { kept: self.max_problems };
            self.problems.push(Problem { path: String::new(), line: 0, column: 0, kind });
        }
    }

    pub(super) fn report_wrong_type(&mut self, path: &Path<'_>, node: &Node<'_>, expected: &'static str) {
        let found = node.describe(self.dialect);
        self.report(path, node, ProblemKind::WrongType { expected, found });
    }

    /// A message with the form that its type has in text.
    pub(super) fn message(
        &mut self,
        node: &Node<'_>,
        message: MessageType,
        path: &Path<'_>,
        out: &mut Vec<u8>,
    ) {
        if !self.well_known(node, message, path, out) {
            self.ordinary(node, message, path, out);
        }
    }

    /// A message as a map of its fields.
    pub(super) fn ordinary(
        &mut self,
        node: &Node<'_>,
        message: MessageType,
        path: &Path<'_>,
        out: &mut Vec<u8>,
    ) {
        match &node.content {
            Content::Map(entries) => self.fields(entries.iter(), message, path, out),
            _ => self.report_wrong_type(path, node, "an object"),
        }
    }

    /// The fields of a message.
    pub(super) fn fields<'e, 'a: 'e>(
        &mut self,
        entries: impl Iterator<Item = &'e Entry<'a>>,
        message: MessageType,
        path: &Path<'_>,
        out: &mut Vec<u8>,
    ) {
        // Fields are encoded in the order of the text, for the order of the problems, and put in the order
        // of their numbers, so that equal messages have equal bytes.
        let mut seen: Vec<Field> = Vec::new();
        let mut encoded: Vec<(u32, Vec<u8>)> = Vec::new();
        for entry in entries {
            let Some(field) = message.field_by_name(&entry.key) else {
                let did_you_mean = suggest(&entry.key, message.fields().map(Field::name));
                let kind = ProblemKind::UnknownField { message: message.full_name(), did_you_mean };
                self.report_at(&path.field(shorten(&entry.key)), entry.place, kind);
                continue;
            };
            let path = path.field(field.name());
            if entry.overridden || seen.iter().any(|other| other.number() == field.number()) {
                self.report_at(&path, entry.place, ProblemKind::DuplicateKey);
            }
            if entry.overridden || (entry.value.is_null(self.dialect) && !takes_null(field)) {
                continue;
            }
            if field.is_without_effect() {
                self.report_at(&path, entry.place, ProblemKind::WithoutEffect);
            }
            let rival = seen.iter().find(|other| {
                other.oneof().is_some() && other.oneof() == field.oneof() && other.number() != field.number()
            });
            if let Some(rival) = rival {
                let kind = ProblemKind::OneofConflict { other: rival.name() };
                self.report_at(&path, entry.place, kind);
                continue;
            }
            seen.push(field);
            let mut bytes = Vec::new();
            self.field(&entry.value, field, &path, &mut bytes);
            encoded.push((field.number(), bytes));
        }
        encoded.sort_by_key(|(number, _)| *number);
        for (_, bytes) in encoded {
            out.extend_from_slice(&bytes);
        }
    }

    fn field(&mut self, node: &Node<'_>, field: Field, path: &Path<'_>, out: &mut Vec<u8>) {
        if let Some((key, value)) = field.map() {
            self.map(node, field.number(), key, value, path, out);
        } else if field.is_repeated() {
            match &node.content {
                Content::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        self.element(item, field, &path.index(index), out);
                    }
                }
                // One value stands for a list of one.
                _ => self.element(node, field, path, out),
            }
        } else {
            self.single(node, field, path, out);
        }
    }

    fn map(
        &mut self,
        node: &Node<'_>,
        number: u32,
        key: Field,
        value: Field,
        path: &Path<'_>,
        out: &mut Vec<u8>,
    ) {
        let Content::Map(entries) = &node.content else {
            return self.report_wrong_type(path, node, "a map");
        };
        for entry in entries {
            let path = path.key(&entry.key);
            if entry.overridden {
                self.report_at(&path, entry.place, ProblemKind::DuplicateKey);
                continue;
            }
            let mut body = Vec::new();
            match FieldValue::of(Scalar::Text(&entry.key), key.kind()) {
                Ok(key_value) => key_value.put(&mut body, key.number()),
                Err(kind) => {
                    self.report_at(&path, entry.place, kind);
                    continue;
                }
            }
            self.element(&entry.value, value, &path, &mut body);
            wire::put_length_delimited(out, number, &body);
        }
    }

    /// A value in a list or map, where null stands for the zero value, as in Envoy.
    fn element(&mut self, node: &Node<'_>, field: Field, path: &Path<'_>, out: &mut Vec<u8>) {
        if !node.is_null(self.dialect) || takes_null(field) {
            return self.single(node, field, path, out);
        }
        FieldValue::zero(field.kind()).put(out, field.number());
    }

    /// One value of a field, as it stands.
    pub(super) fn single(&mut self, node: &Node<'_>, field: Field, path: &Path<'_>, out: &mut Vec<u8>) {
        if let Kind::Message(message) = field.kind() {
            let mut body = Vec::new();
            self.message(node, message, path, &mut body);
            return wire::put_length_delimited(out, field.number(), &body);
        }
        let Some(scalar) = node.scalar(self.dialect) else {
            return self.report_wrong_type(path, node, expected(field.kind()));
        };
        match FieldValue::of(scalar, field.kind()) {
            // The canonical form leaves a zero out where that says the same.
            Ok(value) if value.is_zero() && !field.has_presence() && !field.is_repeated() => {}
            Ok(value) => value.put(out, field.number()),
            Err(kind) => self.report(path, node, kind),
        }
    }
}

/// Null is a value of its own only where JSON itself is the type.
fn takes_null(field: Field) -> bool {
    match field.kind() {
        Kind::Message(message) => message.full_name() == "google.protobuf.Value",
        Kind::Enum(enumeration) => enumeration.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}
