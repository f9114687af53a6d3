//! An enum type of the schema table.

use std::fmt;

use super::rows::{self, E};

/// An enum type, by its place in the schema table. Copying it is free.
#[derive(Clone, Copy)]
pub struct EnumType(&'static E);

impl EnumType {
    pub(super) fn at(index: u16) -> Option<Self> {
        rows::ENUMS.get(usize::from(index)).map(Self)
    }

    /// Full name with package and outer messages, without a leading dot.
    #[must_use]
    pub fn full_name(self) -> &'static str {
        rows::name(self.0.0, self.0.1)
    }

    /// Names and numbers, in the order of the proto file.
    pub fn values(self) -> impl Iterator<Item = (&'static str, i32)> {
        self.rows().iter().map(|row| (rows::name(row.0, row.1), row.2))
    }

    /// The number of a name; upper and lower case are one, as in Envoy's reading of text.
    #[must_use]
    pub fn number(self, name: &str) -> Option<i32> {
        self.values().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| number)
    }

    /// The first name of a number.
    #[must_use]
    pub fn name(self, number: i32) -> Option<&'static str> {
        self.values().find(|(_, known)| *known == number).map(|(name, _)| name)
    }

    fn rows(self) -> &'static [rows::V] {
        let start = usize::from(self.0.2);
        rows::VALUES.get(start..start + usize::from(self.0.3)).unwrap_or_default()
    }
}

impl fmt::Debug for EnumType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name())
    }
}
