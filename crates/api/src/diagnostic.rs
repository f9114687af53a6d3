//! What is wrong with a document or an object, for people and for programs.

mod code;

use std::fmt;

use serde::{Serialize, Serializer};
use weft_types::Name;

use crate::object::ObjectRef;
pub use code::Code;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The object is taken and does what it says, given something that the mesh cannot see to.
    Info,
    /// The object is taken; something in it deserves attention.
    Warning,
    /// The object is not taken; its last good version stays in force.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing to say about a document.
///
/// In one line: `file:line:column: severity code: object: path: message (hint)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Diagnostic {
    /// The cause, the same in every release.
    pub code: Code,
    /// Whether the object is taken all the same.
    pub severity: Severity,
    /// The file, as it was named to [`crate::decode()`]; empty for what came from no file.
    #[serde(serialize_with = "text")]
    pub file: Name,
    /// Line, from 1; 0 if unknown.
    pub line: u32,
    /// Column, from 1; 0 if unknown.
    pub column: u32,
    /// The object, if the document says which it is.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_text")]
    pub object: Option<ObjectRef>,
    /// The field within the object, such as `spec.http[0].route[1].weight`; empty for the whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

fn text<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

fn optional_text<S: Serializer>(object: &Option<ObjectRef>, serializer: S) -> Result<S::Ok, S::Error> {
    object.as_ref().map(ToString::to_string).serialize(serializer)
}

impl Diagnostic {
    /// An error about a whole file.
    #[must_use]
    pub fn of_file(code: Code, file: &Name, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            file: file.clone(),
            line: 0,
            column: 0,
            object: None,
            path: String::new(),
            message: message.into(),
            hint: None,
        }
    }

    /// Whether the object is not taken because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, severity, file, line, column, object, path, message, hint } = self;
        if !file.is_empty() {
            write!(f, "{file}:")?;
        }
        if *line > 0 {
            write!(f, "{line}:{column}:")?;
        }
        if !file.is_empty() || *line > 0 {
            f.write_str(" ")?;
        }
        write!(f, "{severity} {code}: ")?;
        if let Some(object) = object {
            write!(f, "{object}: ")?;
        }
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(message)?;
        match hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}
