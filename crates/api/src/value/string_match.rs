//! Tests on one text.

use crate::decode::Decode;
use crate::decode::record::{Unknown, fields};
use crate::decode::tree::Node;
use crate::diagnostic::Code;
use crate::report::Report;

/// Istio's StringMatch: exactly one of three tests, or none, which asks that the text be there at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum StringMatch {
    /// The text is there; only headers can be asked this.
    #[default]
    Present,
    /// The whole text.
    Exact(String),
    /// How it begins.
    Prefix(String),
    /// RE2 expression that must match the whole text.
    Regex(String),
}

impl Decode for StringMatch {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let (exact, prefix, regex) = fields(node, report, Unknown::Refused, |f| {
            (f.optional::<Given>("exact").0, f.optional::<Given>("prefix").0, f.optional::<Given>("regex").0)
        })?;
        match (exact, prefix, regex) {
            (None, None, None) => Some(Self::Present),
            (Some(text), None, None) => Some(Self::Exact(text)),
            (None, Some(text), None) => Some(Self::Prefix(text)),
            (None, None, Some(text)) => Some(Self::Regex(text)),
            _ => {
                report.error(Code::Exclusive, "only one of exact, prefix and regex may be set");
                None
            }
        }
    }
}

/// A text of a oneof, where an empty one counts as set.
#[derive(Default)]
struct Given(Option<String>);

impl Decode for Given {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        String::decode(node, report).map(|text| Self(Some(text)))
    }
}
