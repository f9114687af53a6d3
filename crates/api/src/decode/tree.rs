//! A document as a tree whose values know where they stood.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span};

use super::limits::{MAX_BYTES, MAX_DEPTH, MAX_VALUES};
use super::scalar::Scalar;
use crate::path::{Path, Step};

/// A place in the text: line and column, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) place: Place,
    pub(crate) content: Content<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum Content<'a> {
    /// A scalar; `plain` if it stood without quotes and so need not be text.
    Scalar {
        text: Cow<'a, str>,
        plain: bool,
    },
    List(Vec<Node<'a>>),
    Map(Vec<Entry<'a>>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) place: Place,
    pub(crate) value: Node<'a>,
}

impl Entry<'_> {
    /// Whether the key is that field's name, in camel case or in snake case.
    pub(crate) fn names(&self, field: &str) -> bool {
        self.key == field || (self.key.contains('_') && camel(&self.key) == field)
    }
}

/// A name in camel case, as protobuf's JSON form makes it from the name of a field.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        match character {
            '_' => upper = true,
            _ if upper => {
                out.push(character.to_ascii_uppercase());
                upper = false;
            }
            _ => out.push(character),
        }
    }
    out
}

impl Node<'_> {
    /// The scalar that it is, if it is one.
    pub(crate) fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.content {
            Content::Scalar { text, plain } => Some(Scalar::resolve(text, *plain)),
            _ => None,
        }
    }

    /// Whether it is null, which is the same as being absent.
    pub(crate) fn is_null(&self) -> bool {
        self.scalar() == Some(Scalar::Null)
    }

    /// What it is, in words for a message.
    pub(crate) fn describe(&self) -> String {
        match &self.content {
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a map".to_owned(),
            Content::Scalar { .. } => self.scalar().map_or_else(String::new, Scalar::describe),
        }
    }

    /// The entry of a map by that name.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry<'_>> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.names(name)),
            _ => None,
        }
    }

    /// Every value with its path and its place, which for a named value is its key's.
    pub(crate) fn places(&self, path: &mut Path, place: Place, found: &mut Vec<(String, Place)>) {
        found.push((path.to_string(), place));
        let mut step = |step, value: &Node<'_>, place| {
            path.0.push(step);
            value.places(path, place, found);
            path.0.pop();
        };
        match &self.content {
            Content::Scalar { .. } => {}
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    step(Step::Index(index), item, item.place);
                }
            }
            Content::Map(entries) => {
                for entry in entries {
                    step(Step::Key(camel(&entry.key)), &entry.value, entry.place);
                }
            }
        }
    }

    /// Where a path leads; if it leads further than the tree, the last place on it.
    pub(crate) fn locate(&self, path: &Path) -> Place {
        let (mut node, mut place) = (self, self.place);
        for step in &path.0 {
            let (next, at) = match (&node.content, step) {
                (Content::Map(entries), Step::Field(name)) => {
                    let Some(entry) = entries.iter().find(|entry| entry.names(name)) else { break };
                    (&entry.value, entry.place)
                }
                (Content::Map(entries), Step::Key(key)) => {
                    let Some(entry) = entries.iter().find(|entry| entry.key == *key) else { break };
                    (&entry.value, entry.place)
                }
                (Content::List(items), Step::Index(index)) => {
                    let Some(item) = items.get(*index) else { break };
                    (item, item.place)
                }
                _ => break,
            };
            (node, place) = (next, at);
        }
        place
    }
}

/// Why a text has no tree.
#[derive(Clone, Debug)]
pub(crate) enum Broken {
    Syntax(Place, String),
    Limit(Place, String),
}

/// Reads one document; `None` if it holds nothing. `line` is where the text begins in its file.
pub(crate) fn parse(text: &str, line: u32) -> Result<Option<Node<'_>>, Broken> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let place = |at: usize, column: usize| Place {
        line: u32::try_from(at).unwrap_or(u32::MAX).saturating_add(line.saturating_sub(1)),
        column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
    };
    let start = |span: &Span| place(span.start.line(), span.start.col());
    let mut tree = Growing::default();
    let mut root = None;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            Broken::Syntax(place(error.marker().line(), error.marker().col()), error.info())
        })?;
        if root.is_some() && matches!(event, Event::DocumentStart(..)) {
            // Only `...` can end a document before its marker.
            return Err(Broken::Syntax(start(&span), "a new document must begin with ---".to_owned()));
        }
        if let Some(node) = tree.grow(event, start(&span))? {
            root = Some(node);
        }
    }
    Ok(root.filter(|node: &Node<'_>| !node.is_null()))
}

/// A tree of which some collections are still open, innermost last.
#[derive(Debug, Default)]
struct Growing<'a> {
    open: Vec<Open<'a>>,
    anchors: HashMap<usize, Node<'a>>,
    values: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Open<'a> {
    anchor: usize,
    node: Node<'a>,
    /// The key whose value comes next.
    key: Option<(Cow<'a, str>, Place)>,
}

impl<'a> Growing<'a> {
    /// Takes one event; the root, once it is complete.
    fn grow(&mut self, event: Event<'a>, place: Place) -> Result<Option<Node<'a>>, Broken> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                self.spend((1, text.len(), 0), place)?;
                let content = Content::Scalar { text, plain: style == ScalarStyle::Plain };
                self.place(Node { place, content }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Content::List(Vec::new()), anchor, place),
            Event::MappingStart(_, anchor, _) => self.begin(Content::Map(Vec::new()), anchor, place),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.place(open.node, open.anchor),
                None => Ok(None),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.spend(measure(&node), place)?;
                    self.place(node, 0)
                }
                None => Err(Broken::Syntax(place, "the alias names nothing that is complete".to_owned())),
            },
            _ => Ok(None),
        }
    }

    fn begin(
        &mut self,
        content: Content<'a>,
        anchor: usize,
        place: Place,
    ) -> Result<Option<Node<'a>>, Broken> {
        self.spend((1, 0, 1), place)?;
        self.open.push(Open { anchor, node: Node { place, content }, key: None });
        Ok(None)
    }

    /// Puts a complete value where it belongs; the root belongs nowhere.
    fn place(&mut self, node: Node<'a>, anchor: usize) -> Result<Option<Node<'a>>, Broken> {
        let place = node.place;
        if anchor != 0 {
            self.spend(measure(&node), place)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else { return Ok(Some(node)) };
        match (&mut open.node.content, open.key.take()) {
            (Content::List(items), _) => items.push(node),
            (Content::Map(entries), Some((key, place))) => entries.push(Entry { key, place, value: node }),
            (Content::Map(_), None) => match node.content {
                Content::Scalar { text, .. } => open.key = Some((text, place)),
                _ => return Err(Broken::Syntax(place, "a list or map cannot be a key".to_owned())),
            },
            (Content::Scalar { .. }, _) => {}
        }
        Ok(None)
    }

    /// Counts what is read or copied: values, bytes, and height above where it stands.
    fn spend(&mut self, (values, bytes, height): (usize, usize, usize), place: Place) -> Result<(), Broken> {
        self.values = self.values.saturating_add(values);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.open.len() + height > MAX_DEPTH {
            return Err(Broken::Limit(place, format!("more than {MAX_DEPTH} levels of nesting")));
        }
        if self.values > MAX_VALUES || self.bytes > MAX_BYTES {
            let message = format!("more than {MAX_VALUES} values or {MAX_BYTES} bytes");
            return Err(Broken::Limit(place, message));
        }
        Ok(())
    }
}

/// Values, bytes and height; recursion goes no deeper than the tree, which is bounded.
fn measure(node: &Node<'_>) -> (usize, usize, usize) {
    let stack = |whole: (usize, usize, usize), part: (usize, usize, usize)| {
        (whole.0 + part.0, whole.1 + part.1, whole.2.max(part.2 + 1))
    };
    match &node.content {
        Content::Scalar { text, .. } => (1, text.len(), 0),
        Content::List(items) => items.iter().map(measure).fold((1, 0, 1), stack),
        Content::Map(entries) => entries
            .iter()
            .map(|entry| {
                let (values, bytes, height) = measure(&entry.value);
                (values, bytes + entry.key.len(), height)
            })
            .fold((1, 0, 1), stack),
    }
}
