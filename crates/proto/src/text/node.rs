//! A parsed document as a tree that still knows where each value stood.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::scalar::{self, Dialect, Scalar};

/// A place in the text: line and column, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) place: Place,
    pub(crate) content: Content<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum Content<'a> {
    /// A scalar; `plain` when it stood without quotes, so that `1` and `true` are not text.
    Scalar {
        text: Cow<'a, str>,
        plain: bool,
    },
    List(Vec<Node<'a>>),
    Map(Vec<Entry<'a>>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) place: Place,
    pub(crate) value: Node<'a>,
    /// The same key stands again further down in this map.
    pub(crate) overridden: bool,
}

impl Node<'_> {
    /// The scalar that this node is, if it is one.
    pub(crate) fn scalar(&self, dialect: Dialect) -> Option<Scalar<'_>> {
        match &self.content {
            Content::Scalar { text, plain } => Some(Scalar::resolve(text, *plain, dialect)),
            _ => None,
        }
    }

    /// Whether this node is null, which means "not set" nearly everywhere.
    pub(crate) fn is_null(&self, dialect: Dialect) -> bool {
        self.scalar(dialect) == Some(Scalar::Null)
    }

    /// What this node is, in words for a message, shortened.
    pub(crate) fn describe(&self, dialect: Dialect) -> String {
        match &self.content {
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a map".to_owned(),
            Content::Scalar { text, plain } => scalar::describe(Scalar::resolve(text, *plain, dialect)),
        }
    }

    /// This node as JSON, as Envoy would see it.
    pub(crate) fn to_json(&self, dialect: Dialect) -> Json {
        match &self.content {
            Content::List(items) => items.iter().map(|item| item.to_json(dialect)).collect(),
            Content::Map(entries) => Json::Object(
                entries.iter().map(|entry| (entry.key.to_string(), entry.value.to_json(dialect))).collect(),
            ),
            Content::Scalar { text, plain } => match Scalar::resolve(text, *plain, dialect) {
                Scalar::Null => Json::Null,
                Scalar::Bool(value) => value.into(),
                Scalar::Int(value) => value.into(),
                Scalar::Number(text) => text.parse::<f64>().map_or(Json::Null, Json::from),
                Scalar::Text(text) => text.into(),
            },
        }
    }
}
