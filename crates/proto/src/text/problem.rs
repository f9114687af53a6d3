//! What can be wrong with a text, told so that a person finds the place.

use std::fmt;

/// One thing that is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Field path from the root message, such as `static_resources.listeners[0].name`; empty for the
    /// whole text. Proto names, except for a field that does not exist.
    pub path: String,
    /// Line in the text, counted from 1; 0 where the place is not known.
    pub line: u32,
    /// Column in the line, in characters, counted from 1; 0 where the place is not known.
    pub column: u32,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// The kinds of problems.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The text is not YAML or not JSON; nothing of it could be used.
    #[error("{message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// A limit of [`Limits`](super::Limits) is exceeded; nothing of the text could be used.
    #[error("exceeds the limit {limit} of {value}")]
    Limit {
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// The message has no such field.
    #[error("unknown field of {message}{}", hint(*did_you_mean))]
    UnknownField {
        /// Full name of the message.
        message: &'static str,
        /// A field of it with a similar name.
        did_you_mean: Option<&'static str>,
    },
    /// A key stands twice in one map. The last one is used, as in Envoy.
    #[error("duplicate key; the last one is used")]
    DuplicateKey,
    /// Envoy has the field, and it has no effect here, nor one on routing, security and reliability.
    #[error("has no effect")]
    WithoutEffect,
    /// Two members of one oneof are set; the first one is used.
    #[error("cannot be set together with {other}")]
    OneofConflict {
        /// The member that was set before.
        other: &'static str,
    },
    /// The value has another type than the field.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What the field takes.
        expected: &'static str,
        /// What the text has, shortened.
        found: String,
    },
    /// The value has the right type, but not a right form or size.
    #[error("not a valid {expected}: {found}")]
    InvalidValue {
        /// What the field takes.
        expected: &'static str,
        /// What the text has, shortened.
        found: String,
    },
    /// The enum has no such value.
    #[error("unknown value {value:?} of {enumeration}{}", hint(*did_you_mean))]
    UnknownEnumValue {
        /// Full name of the enum.
        enumeration: &'static str,
        /// The value as written, shortened.
        value: String,
        /// A value with a similar name.
        did_you_mean: Option<&'static str>,
    },
    /// `@type` names a message that the schema table lacks. The `Any` is kept, with the type URL and
    /// the JSON text of the other fields as its value, so that a caller can class it.
    #[error("unknown type {type_url:?}")]
    UnknownType {
        /// The type URL as written, shortened.
        type_url: String,
    },
    /// `@type` is missing, or is no type URL (text, a `/`, a full message name).
    #[error("expected \"@type\" with a type URL such as type.googleapis.com/package.Message")]
    BadTypeUrl,
    /// More documents follow the first; only that is used, as in Envoy.
    #[error("more than one document; only the first is used")]
    ExtraDocument,
    /// The message cannot be read as its Rust type: it is nested too deep.
    #[error("{message}")]
    Undecodable {
        /// What the decoder says.
        message: String,
    },
    /// More problems were found than are kept.
    #[error("more than {kept} problems; the rest is not listed")]
    TooMany {
        /// Number of problems kept.
        kept: usize,
    },
}

/// What Envoy does with a text that has the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Refuses it.
    Error,
    /// Takes it, although something in it has no effect.
    Warning,
}

impl Problem {
    /// Whether a text with this problem must be refused.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.kind {
            ProblemKind::DuplicateKey | ProblemKind::ExtraDocument | ProblemKind::WithoutEffect => {
                Severity::Warning
            }
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        self.kind.fmt(f)
    }
}

/// All problems of a text that must be refused; one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

fn hint(did_you_mean: Option<&str>) -> String {
    did_you_mean.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
