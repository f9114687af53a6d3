//! The tree of a document while it grows, within limits.

use std::borrow::Cow;
use std::collections::HashMap;

use super::limits::Limits;
use super::node::{Content, Entry, Node, Place};
use super::problem::{Problem, ProblemKind};

/// What a text holds.
#[derive(Debug, Default)]
pub(crate) struct Document<'a> {
    /// The first document; `None` if the text has none.
    pub(crate) root: Option<Node<'a>>,
    /// Where a second document begins.
    pub(crate) extra: Option<Place>,
}

/// What each value costs beside its text; see [`Limits::max_expanded_bytes`].
const NODE_BYTES: usize = 32;

/// Refuses a text that is too long.
pub(crate) fn check_length(text: &str, limits: &Limits) -> Result<(), Problem> {
    if text.len() > limits.max_bytes {
        return Err(exceeded(Place::default(), "max_bytes", limits.max_bytes));
    }
    Ok(())
}

/// The tree while it grows: collections that are open, innermost last.
#[derive(Debug)]
pub(crate) struct Tree<'a, 'l> {
    limits: &'l Limits,
    open: Vec<Open<'a>>,
    anchors: HashMap<usize, Anchored<'a>>,
    cost: usize,
}

#[derive(Debug)]
struct Open<'a> {
    place: Place,
    anchor: usize,
    items: Items<'a>,
}

#[derive(Debug)]
enum Items<'a> {
    List(Vec<Node<'a>>),
    Map { entries: Vec<Entry<'a>>, key: Option<(Cow<'a, str>, Place)> },
}

/// A finished node that aliases can name.
#[derive(Debug)]
struct Anchored<'a> {
    node: Node<'a>,
    cost: usize,
    height: usize,
}

impl<'a, 'l> Tree<'a, 'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self { limits, open: Vec::new(), anchors: HashMap::new(), cost: 0 }
    }

    /// A scalar; `anchor` 0 is none. Here as below: returns the root when it is complete.
    pub(crate) fn scalar(
        &mut self,
        text: Cow<'a, str>,
        plain: bool,
        anchor: usize,
        place: Place,
    ) -> Result<Option<Node<'a>>, Problem> {
        self.spend(NODE_BYTES + text.len(), place)?;
        self.finish(Node { place, content: Content::Scalar { text, plain } }, anchor)
    }

    /// A list begins.
    pub(crate) fn begin_list(&mut self, place: Place, anchor: usize) -> Result<(), Problem> {
        self.begin(Open { place, anchor, items: Items::List(Vec::new()) })
    }

    /// A map begins: keys and values come by turns.
    pub(crate) fn begin_map(&mut self, place: Place, anchor: usize) -> Result<(), Problem> {
        self.begin(Open { place, anchor, items: Items::Map { entries: Vec::new(), key: None } })
    }

    fn begin(&mut self, open: Open<'a>) -> Result<(), Problem> {
        self.spend(NODE_BYTES, open.place)?;
        if self.open.len() >= self.limits.max_depth {
            return Err(exceeded(open.place, "max_depth", self.limits.max_depth));
        }
        self.open.push(open);
        Ok(())
    }

    /// The innermost list or map ends.
    pub(crate) fn end(&mut self) -> Result<Option<Node<'a>>, Problem> {
        let Some(Open { place, anchor, items }) = self.open.pop() else { return Ok(None) };
        let content = match items {
            Items::List(items) => Content::List(items),
            Items::Map { mut entries, .. } => {
                mark_overridden(&mut entries);
                Content::Map(entries)
            }
        };
        self.finish(Node { place, content }, anchor)
    }

    /// What an anchor named stands here again.
    pub(crate) fn alias(&mut self, anchor: usize, place: Place) -> Result<Option<Node<'a>>, Problem> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(syntax(place, "the alias stands inside of what it names".to_owned()));
        };
        if self.open.len() + anchored.height > self.limits.max_depth {
            return Err(exceeded(place, "max_depth", self.limits.max_depth));
        }
        let cost = anchored.cost;
        self.spend(cost, place)?;
        let node = self.anchors.get(&anchor).map(|anchored| anchored.node.clone());
        node.map_or(Ok(None), |node| self.finish(node, 0))
    }

    /// Puts a complete node where it belongs; returns it if it belongs nowhere, being the root.
    fn finish(&mut self, node: Node<'a>, anchor: usize) -> Result<Option<Node<'a>>, Problem> {
        if anchor != 0 {
            let (cost, height) = measure(&node);
            self.spend(cost, node.place)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), cost, height });
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => return Ok(Some(node)),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map { entries, key }) => match (key.take(), node) {
                (Some((key, place)), value) => {
                    entries.push(Entry { key, place, value, overridden: false });
                }
                (None, Node { place, content: Content::Scalar { text, .. } }) => *key = Some((text, place)),
                (None, Node { place, .. }) => {
                    return Err(syntax(place, "a list or map cannot be a key".to_owned()));
                }
            },
        }
        Ok(None)
    }

    fn spend(&mut self, cost: usize, place: Place) -> Result<(), Problem> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limits.max_expanded_bytes {
            return Err(exceeded(place, "max_expanded_bytes", self.limits.max_expanded_bytes));
        }
        Ok(())
    }
}

/// Marks each entry whose key comes again.
fn mark_overridden(entries: &mut [Entry<'_>]) {
    let mut last: HashMap<&str, usize> = HashMap::with_capacity(entries.len());
    let mut overridden = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        overridden.extend(last.insert(&entry.key, index));
    }
    for index in overridden {
        if let Some(entry) = entries.get_mut(index) {
            entry.overridden = true;
        }
    }
}

/// Cost and height of a node; its height is within the limit on depth, so recursion is too.
fn measure(node: &Node<'_>) -> (usize, usize) {
    match &node.content {
        Content::Scalar { text, .. } => (NODE_BYTES + text.len(), 0),
        Content::List(items) => items.iter().map(measure).fold((NODE_BYTES, 1), stack),
        Content::Map(entries) => entries
            .iter()
            .map(|entry| {
                let (cost, height) = measure(&entry.value);
                (cost + NODE_BYTES + entry.key.len(), height)
            })
            .fold((NODE_BYTES, 1), stack),
    }
}

fn stack(whole: (usize, usize), part: (usize, usize)) -> (usize, usize) {
    (whole.0 + part.0, whole.1.max(part.1 + 1))
}

/// The text is not of its language.
pub(crate) fn syntax(place: Place, message: String) -> Problem {
    problem(place, ProblemKind::Syntax { message })
}

fn exceeded(place: Place, limit: &'static str, value: usize) -> Problem {
    problem(place, ProblemKind::Limit { limit, value })
}

fn problem(place: Place, kind: ProblemKind) -> Problem {
    Problem { path: String::new(), line: place.line, column: place.column, kind }
}
