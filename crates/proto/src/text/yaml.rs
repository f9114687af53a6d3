//! Text to tree: reads the first document, replaces aliases by what they stand for, within limits.

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span};

use super::limits::Limits;
use super::node::{Node, Place};
use super::problem::Problem;
use super::tree::{self, Document, Tree, syntax};

/// Reads YAML, of which JSON is a part.
///
/// # Errors
/// The text is not YAML, uses a list or map as a key, or exceeds a limit.
pub(crate) fn parse<'a>(text: &'a str, limits: &Limits) -> Result<Document<'a>, Problem> {
    tree::check_length(text, limits)?;
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut tree = Tree::new(limits);
    let mut document = Document::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax_error(&error))?;
        if let Event::DocumentStart(..) = event
            && document.root.is_some()
        {
            document.extra = Some(place(&span));
            break;
        }
        if let Some(root) = take(&mut tree, event, place(&span))? {
            document.root = Some(root);
        }
    }
    Ok(document)
}

/// Takes one event; returns the root when it is complete.
fn take<'a>(tree: &mut Tree<'a, '_>, event: Event<'a>, place: Place) -> Result<Option<Node<'a>>, Problem> {
    match event {
        Event::Scalar(text, style, anchor, _) => {
            tree.scalar(text, style == ScalarStyle::Plain, anchor, place)
        }
        Event::SequenceStart(_, anchor, _) => tree.begin_list(place, anchor).map(|()| None),
        Event::MappingStart(_, anchor, _) => tree.begin_map(place, anchor).map(|()| None),
        Event::SequenceEnd | Event::MappingEnd => tree.end(),
        Event::Alias(anchor) => tree.alias(anchor, place),
        _ => Ok(None),
    }
}

fn place(span: &Span) -> Place {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Place { line: count(span.start.line()), column: count(span.start.col().saturating_add(1)) }
}

fn syntax_error(error: &ScanError) -> Problem {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let marker = error.marker();
    let place = Place { line: count(marker.line()), column: count(marker.col().saturating_add(1)) };
    syntax(place, error.info())
}
