//! A message type of the schema table.

use std::fmt;

use super::field::Field;
use super::rows::{self, M};

/// A message type, by its place in the schema table. Copying it is free.
#[derive(Clone, Copy)]
pub struct MessageType(&'static M);

impl MessageType {
    /// Finds a message by its full name, such as `envoy.config.cluster.v3.Cluster`.
    #[must_use]
    pub fn find(full_name: &str) -> Option<Self> {
        let index = rows::MESSAGES.binary_search_by(|row| rows::name(row.0, row.1).cmp(full_name)).ok()?;
        rows::MESSAGES.get(index).map(Self)
    }

    /// Finds the message that a type URL names; the part after the last `/` counts.
    #[must_use]
    pub fn find_url(type_url: &str) -> Option<Self> {
        Self::find(type_url.rsplit('/').next()?)
    }

    /// All message types, in name order.
    pub fn all() -> impl Iterator<Item = Self> {
        rows::MESSAGES.iter().map(Self)
    }

    pub(super) fn at(index: u16) -> Option<Self> {
        rows::MESSAGES.get(usize::from(index)).map(Self)
    }

    /// Full name with package and outer messages, without a leading dot.
    #[must_use]
    pub fn full_name(self) -> &'static str {
        rows::name(self.0.0, self.0.1)
    }

    /// Whether this is the hidden message of a map field, with `key` = 1 and `value` = 2.
    #[must_use]
    pub fn is_map_entry(self) -> bool {
        self.0.4 & rows::MAP_ENTRY != 0
    }

    /// All fields, in number order.
    pub fn fields(self) -> impl Iterator<Item = Field> {
        self.rows().iter().map(Field::new)
    }

    /// Finds a field by its number.
    #[must_use]
    pub fn field(self, number: u32) -> Option<Field> {
        let rows = self.rows();
        let index = rows.binary_search_by_key(&number, |row| row.1).ok()?;
        rows.get(index).map(Field::new)
    }

    /// Finds a field by its name as in the proto file (`lb_policy`) or in JSON (`lbPolicy`).
    #[must_use]
    pub fn field_by_name(self, name: &str) -> Option<Field> {
        self.fields().find(|field| field.is_called(name))
    }

    fn rows(self) -> &'static [rows::F] {
        let start = usize::from(self.0.2);
        rows::FIELDS.get(start..start + usize::from(self.0.3)).unwrap_or_default()
    }
}

impl PartialEq for MessageType {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for MessageType {}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name())
    }
}
