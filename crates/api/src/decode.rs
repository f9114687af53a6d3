//! Text → objects and diagnostics.
//!
//! ```text
//! text ──split──► documents ──tree──► values with places ──record──► kind's struct ──check──► Object
//! ```

mod document;
pub mod limits;
pub(crate) mod record;
mod scalar;
mod split;
pub(crate) mod tree;

use weft_types::Name;

use crate::diagnostic::{Code, Diagnostic};
use crate::object::{Object, ObjectRef};
pub(crate) use record::{Decode, record, words};
pub(crate) use scalar::{Scalar, shorten};

/// What one document gave.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Line of the document's first value, from 1.
    pub line: u32,
    /// Which object it is, if it says so; also of an object that is refused.
    pub reference: Option<ObjectRef>,
    /// The object, unless a diagnostic is an error or the kind is not read.
    pub object: Option<Object>,
    /// What there is to say, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Decoded {
    /// Whether the document must be an object of a kind that is read, but cannot be told which.
    #[must_use]
    pub fn is_unidentified(&self) -> bool {
        self.reference.is_none() && self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads every document of a text: YAML with any number of documents, or JSON. The items of a `List`
/// count as documents; documents without content give nothing.
///
/// `file` is how diagnostics and objects name the text; nothing is opened.
#[must_use]
pub fn decode(text: &str, file: &str) -> Vec<Decoded> {
    let file = Name::from(file);
    let mut decoded = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for part in split::documents(text) {
        if decoded.len() >= limits::MAX_DOCUMENTS {
            let message = format!("more than {} documents; the rest is not read", limits::MAX_DOCUMENTS);
            let diagnostic =
                Diagnostic { line: part.line, column: 1, ..Diagnostic::of_file(Code::Limit, &file, message) };
            decoded.push(Decoded {
                line: part.line,
                reference: None,
                object: None,
                diagnostics: vec![diagnostic],
            });
            break;
        }
        document::read(&part, &file, &mut decoded);
    }
    decoded
}

/// The word that was likely meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    known
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len().min(word.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
