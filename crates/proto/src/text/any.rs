//! `google.protobuf.Any` in text: an object with `@type` beside the fields of the message.

use super::encode::Encoder;
use super::node::{Content, Entry, Node};
use super::problem::ProblemKind;
use super::scalar::Scalar;
use super::well_known::WellKnown;
use crate::path::{Path, shorten};
use crate::schema::MessageType;
use crate::wire;

/// Field numbers of `google.protobuf.Any`.
const TYPE_URL: u32 = 1;
const VALUE: u32 = 2;

/// The key that names the type.
const TYPE_KEY: &str = "@type";

impl Encoder {
    pub(super) fn any(&mut self, node: &Node<'_>, path: &Path<'_>, out: &mut Vec<u8>) {
        let Content::Map(entries) = &node.content else {
            return self.report_wrong_type(path, node, "an object with \"@type\"");
        };
        if entries.is_empty() {
            return;
        }
        let named = entries.iter().find(|entry| entry.key == TYPE_KEY && !entry.overridden);
        let scalar = named.and_then(|entry| entry.value.scalar(self.dialect));
        let type_url = match scalar {
            Some(Scalar::Text(type_url)) if is_type_url(type_url) => type_url,
            _ => {
                let place = named.map_or(node.place, |entry| entry.value.place);
                return self.report_at(path, place, ProblemKind::BadTypeUrl);
            }
        };
        let fields = entries.iter().filter(|entry| entry.key != TYPE_KEY);
        let mut body = Vec::new();
        match MessageType::find_url(type_url) {
            None => {
                let shown = shorten(type_url).to_owned();
                self.report(path, node, ProblemKind::UnknownType { type_url: shown });
                body = self.raw_json(fields);
            }
            Some(message) if WellKnown::of(message).is_some() => {
                self.value_of(fields, message, path, &mut body);
            }
            Some(message) => self.fields(fields, message, path, &mut body),
        }
        wire::put_length_delimited(out, TYPE_URL, type_url.as_bytes());
        wire::put_length_delimited(out, VALUE, &body);
    }

    /// A message whose text is no object of its fields stands in `value`.
    fn value_of<'e, 'a: 'e>(
        &mut self,
        fields: impl Iterator<Item = &'e Entry<'a>>,
        message: MessageType,
        path: &Path<'_>,
        body: &mut Vec<u8>,
    ) {
        for entry in fields {
            if entry.key == "value" {
                self.message(&entry.value, message, &path.field("value"), body);
            } else {
                let kind =
                    ProblemKind::UnknownField { message: message.full_name(), did_you_mean: Some("value") };
                self.report_at(&path.field(shorten(&entry.key)), entry.place, kind);
            }
        }
    }

    fn raw_json<'e, 'a: 'e>(&self, fields: impl Iterator<Item = &'e Entry<'a>>) -> Vec<u8> {
        let object: serde_json::Map<_, _> =
            fields.map(|entry| (entry.key.to_string(), entry.value.to_json(self.dialect))).collect();
        serde_json::Value::Object(object).to_string().into_bytes()
    }
}

/// A host, a `/`, and a name; Envoy takes any host.
fn is_type_url(type_url: &str) -> bool {
    type_url.rsplit_once('/').is_some_and(|(host, name)| !host.is_empty() && !name.is_empty())
}
