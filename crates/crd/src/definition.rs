//! A kind: its names, versions, columns and schema.

use crate::schema::Schema;

/// One custom resource definition. All versions of a kind have one schema.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Kind, in the singular: `VirtualService`.
    pub kind: &'static str,
    /// Name in paths: `virtualservices`.
    pub plural: &'static str,
    /// Short names for kubectl: `vs`.
    pub short: &'static [&'static str],
    /// API group.
    pub group: &'static str,
    /// Versions, all served.
    pub versions: &'static [&'static str],
    /// The version that is stored.
    pub storage: &'static str,
    /// What `kubectl get` shows besides the name.
    pub columns: Vec<Column>,
    /// Whether an object without `spec` is refused.
    pub spec_required: bool,
    /// What a user sets.
    pub spec: Schema,
}

/// A column of `kubectl get`.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// `string` or `date`.
    pub type_name: &'static str,
    /// Where in the object its text is.
    pub path: &'static str,
    /// What it says.
    pub about: &'static str,
}

impl Column {
    /// A column of text.
    pub(crate) fn text(name: &'static str, path: &'static str, about: &'static str) -> Self {
        Self { name, type_name: "string", path, about }
    }

    /// How long the object has been there.
    pub(crate) fn age() -> Self {
        Self {
            name: "Age",
            type_name: "date",
            path: ".metadata.creationTimestamp",
            about: "Time since the object was made.",
        }
    }
}
