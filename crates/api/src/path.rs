//! The way from the root of an object to one of its fields.

use std::fmt;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A field, by its name in camel case.
    Field(&'static str),
    /// An entry of a list.
    Index(usize),
    /// An entry of a map, or a field that no table knows.
    Key(String),
}

/// The steps from the root, written `spec.http[0].match[1].headers["end-user"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

/// Longest key that is written out, characters.
const MAX_KEY: usize = 80;

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match step {
                Step::Field(name) => write!(f, "{dot}{name}")?,
                Step::Index(number) => write!(f, "[{number}]")?,
                Step::Key(key) if is_plain(key) => write!(f, "{dot}{key}")?,
                Step::Key(key) => write!(f, "[{:?}]", key.chars().take(MAX_KEY).collect::<String>())?,
            }
        }
        Ok(())
    }
}

/// Whether a key reads like a field name, so that it needs no quotes.
fn is_plain(key: &str) -> bool {
    let begins = key.starts_with(|first: char| first.is_ascii_alphabetic());
    key.len() <= MAX_KEY && begins && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
