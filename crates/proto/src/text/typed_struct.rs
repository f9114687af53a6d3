//! `TypedStruct`: an extension configuration given as JSON inside of a message.

use prost::Message;

use super::encode::Encoder;
use super::limits::Limits;
use super::node::{Content, Entry, Node, Place};
use super::problem::Problems;
use super::scalar::Dialect;
use crate::google::protobuf::{Any, ListValue, Struct, Value, value};
use crate::schema::MessageType;
use crate::type_url;

/// Why a `TypedStruct` does not become the message that it stands for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TypedStructError {
    /// Its bytes are not a `TypedStruct`.
    #[error("not a TypedStruct: {0}")]
    Decode(#[from] prost::DecodeError),
    /// The schema table lacks the type that it names.
    #[error("TypedStruct names the unknown type {0:?}")]
    UnknownType(String),
    /// Its value does not have the form of that type; places are not known.
    #[error("{0}")]
    Problems(Problems),
}

/// Turns a `TypedStruct`, of either name, into the message that it stands for. Any other `Any` is none
/// (`Ok(None)`), nor is a `TypedStruct` without a type URL.
///
/// # Errors
/// See [`TypedStructError`].
pub fn expand_typed_struct(any: &Any) -> Result<Option<Any>, TypedStructError> {
    if any.type_url != type_url::TYPED_STRUCT && any.type_url != type_url::UDPA_TYPED_STRUCT {
        return Ok(None);
    }
    // Both names have the same fields.
    let typed = crate::xds::r#type::v3::TypedStruct::decode(any.value.as_slice())?;
    if typed.type_url.is_empty() {
        return Ok(None);
    }
    let message = MessageType::find_url(&typed.type_url)
        .ok_or_else(|| TypedStructError::UnknownType(typed.type_url.clone()))?;
    // Decoding bounds the depth: prost stops at 100 messages in each other.
    let node = map(&typed.value.unwrap_or_default());
    let mut encoder = Encoder::new(Dialect::Json, Limits::default().max_problems);
    let value = encoder.root(&node, message);
    let problems = encoder.into_problems();
    if !problems.is_empty() {
        return Err(TypedStructError::Problems(Problems(problems)));
    }
    Ok(Some(Any { type_url: type_url::of(message), value }))
}

fn map(structure: &Struct) -> Node<'static> {
    let mut entries: Vec<_> = structure
        .fields
        .iter()
        .map(|(key, value)| Entry {
            key: key.clone().into(),
            place: Place::default(),
            value: node(value),
            overridden: false,
        })
        .collect();
    // The fields lie in a hash map; problems and bytes should not depend on its order.
    entries.sort_by(|one, other| one.key.cmp(&other.key));
    unplaced(Content::Map(entries))
}

fn node(value: &Value) -> Node<'static> {
    match &value.kind {
        None | Some(value::Kind::NullValue(_)) => plain("null".to_owned()),
        Some(value::Kind::BoolValue(value)) => plain(value.to_string()),
        Some(value::Kind::NumberValue(value)) => plain(value.to_string()),
        Some(value::Kind::StringValue(text)) => {
            unplaced(Content::Scalar { text: text.clone().into(), plain: false })
        }
        Some(value::Kind::StructValue(structure)) => map(structure),
        Some(value::Kind::ListValue(ListValue { values })) => {
            unplaced(Content::List(values.iter().map(node).collect()))
        }
    }
}

fn plain(text: String) -> Node<'static> {
    unplaced(Content::Scalar { text: text.into(), plain: true })
}

fn unplaced(content: Content<'static>) -> Node<'static> {
    Node { place: Place::default(), content }
}
