//! The resources of one proxy, as JSON.

use serde_json::{Map, Value, json};
use weft_proto::json::{Style, to_json};
use weft_proto::resource::ResourceSet;
use weft_proto::schema::MessageType;

/// The set of a proxy: type → name → resource; secrets are redacted.
pub(super) fn render(proxy: &str, set: &ResourceSet) -> Value {
    let mut types = Map::new();
    for (type_url, resources) in &set.by_type {
        let schema = MessageType::find_url(type_url);
        let rendered = resources.iter().map(|(name, resource)| {
            let body = match schema {
                Some(schema) => to_json(schema, &resource.body.value, Style::default())
                    .unwrap_or_else(|error| json!({"unreadable": error.to_string()})),
                None => json!({"unknownType": &**type_url, "bytes": resource.body.value.len()}),
            };
            (name.to_string(), json!({"version": &*resource.version, "resource": body}))
        });
        types.insert(type_url.to_string(), Value::Object(rendered.collect()));
    }
    json!({"proxyID": proxy, "generation": set.generation, "resources": types})
}
