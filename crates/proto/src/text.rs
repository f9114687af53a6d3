//! Text to messages: YAML or JSON to wire bytes by the schema table, as Envoy would read it.
//!
//! ```text
//! text ──parse──► tree with places ──encode (schema)──► wire bytes ──prost──► typed message
//!                        └──────────► problems: path, line, column, kind ◄──┘
//! ```
//!
//! The rules are proto-JSON with Envoy's leniency: names as in the proto file or in JSON, enums by
//! name in any case or by number, numbers and bools in quotes, durations and wrappers also as objects
//! (`{seconds: 5}`, `{value: 5}`), one value where a list is meant, null for "not set".
//!
//! Every problem is reported, not only the first, and what is right is encoded all the same.

mod any;
mod encode;
mod field_value;
mod json;
mod limits;
mod node;
mod problem;
mod scalar;
mod suggest;
mod tree;
mod typed_struct;
mod well_known;
mod yaml;

use prost::{Message, Name};
use serde::de::IgnoredAny;

pub use limits::Limits;
pub use problem::{Problem, ProblemKind, Problems, Severity};
pub use scalar::Dialect;
pub use typed_struct::{TypedStructError, expand_typed_struct};
pub(crate) use well_known::WellKnown;

use crate::schema::MessageType;
use encode::Encoder;
use node::{Content, Node, Place};

/// Wire bytes of a message that was given as text, with all that is wrong with the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The message, without what the problems are about.
    pub wire: Vec<u8>,
    /// All problems, in the order of the text.
    pub problems: Vec<Problem>,
}

/// A typed message that was given as text, with all that is wrong with the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<M> {
    /// The message, without what the problems are about.
    pub message: M,
    /// All problems, in the order of the text.
    pub problems: Vec<Problem>,
}

impl<M> Parsed<M> {
    /// The message if Envoy would take the text: no problem is worse than a warning.
    ///
    /// # Errors
    /// All problems, warnings too, if one is an error.
    pub fn accepted(self) -> Result<M, Problems> {
        if self.problems.iter().any(|problem| problem.severity() == Severity::Error) {
            return Err(Problems(self.problems));
        }
        Ok(self.message)
    }
}

/// Reads a message from YAML, such as a bootstrap from a `.yaml` file.
#[must_use]
pub fn parse_yaml<M: Message + Name + Default>(text: &str) -> Parsed<M> {
    parse(text, Dialect::Yaml, &Limits::default())
}

/// Reads a message from JSON, such as a bootstrap from a `.json` file.
#[must_use]
pub fn parse_json<M: Message + Name + Default>(text: &str) -> Parsed<M> {
    parse(text, Dialect::Json, &Limits::default())
}

/// Reads a message from text with limits of the caller's.
#[must_use]
pub fn parse<M: Message + Name + Default>(text: &str, dialect: Dialect, limits: &Limits) -> Parsed<M> {
    let Some(message_type) = MessageType::find(&M::full_name()) else {
        let kind = ProblemKind::UnknownType { type_url: M::type_url() };
        return Parsed { message: M::default(), problems: vec![at_root(kind)] };
    };
    let Encoded { wire, mut problems } = encode(message_type, text, dialect, limits);
    let message = M::decode(wire.as_slice()).unwrap_or_else(|error| {
        problems.push(at_root(ProblemKind::Undecodable { message: error.to_string() }));
        M::default()
    });
    Parsed { message, problems }
}

/// Turns text into wire bytes of a message type that is chosen at run time.
#[must_use]
pub fn encode(message_type: MessageType, text: &str, dialect: Dialect, limits: &Limits) -> Encoded {
    let document = match dialect {
        Dialect::Yaml => yaml::parse(text, limits),
        Dialect::Json => check_json(text).and_then(|()| json::parse(text, limits)),
    };
    let document = match document {
        Ok(document) => document,
        Err(problem) => return Encoded { wire: Vec::new(), problems: vec![problem] },
    };
    // An empty text is null, which is no message.
    let empty = Node { place: Place::default(), content: Content::Scalar { text: "".into(), plain: true } };
    let mut encoder = Encoder::new(dialect, limits.max_problems);
    let wire = encoder.root(document.root.as_ref().unwrap_or(&empty), message_type);
    if let Some(place) = document.extra {
        encoder.report_at(&crate::path::Path::ROOT, place, ProblemKind::ExtraDocument);
    }
    Encoded { wire, problems: encoder.into_problems() }
}

/// What is not JSON is refused here, in the library's words; [`json`] reads what is.
fn check_json(text: &str) -> Result<(), Problem> {
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let kind = ProblemKind::Syntax { message: error.to_string() };
        Problem { line: count(error.line()), column: count(error.column()), ..at_root(kind) }
    })
}

fn at_root(kind: ProblemKind) -> Problem {
    Problem { path: String::new(), line: 0, column: 0, kind }
}
