//! A node of a schema, built step by step.

use serde_json::{Map, Value, json};

/// A node of an OpenAPI v3 schema, as the API server wants it. The methods that bound it have the names of
/// OpenAPI's keywords.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema(Map<String, Value>);

impl Schema {
    /// A node of one of OpenAPI's types.
    pub(crate) fn of_type(name: &str) -> Self {
        Self::default().set("type", name)
    }

    /// The node as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    fn into_json(self) -> Value {
        Value::Object(self.0)
    }

    pub(crate) fn set(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.0.insert(keyword.to_owned(), value.into());
        self
    }

    fn push(mut self, keyword: &str, value: Value) -> Self {
        if let Value::Array(list) = self.0.entry(keyword).or_insert_with(|| json!([])) {
            list.push(value);
        }
        self
    }

    /// What a user reads about the node with `kubectl explain`.
    pub(crate) fn about(self, text: &str) -> Self {
        self.set("description", text)
    }

    /// A field that may be absent.
    pub(crate) fn field(mut self, name: &str, about: &str, schema: Self) -> Self {
        if let Value::Object(fields) = self.0.entry("properties").or_insert_with(|| json!({})) {
            fields.insert(name.to_owned(), schema.about(about).into_json());
        }
        self
    }

    /// A field that must be there.
    pub(crate) fn required(self, name: &str, about: &str, schema: Self) -> Self {
        self.push("required", json!(name)).field(name, about, schema)
    }

    /// Of these fields one may be set, or none. Several such groups may be given.
    pub(crate) fn at_most_one_of<const N: usize>(mut self, names: [&str; N]) -> Self {
        let set: Vec<Value> = names.iter().map(|name| json!({"required": [name]})).collect();
        let mut group = vec![json!({"not": {"anyOf": set}})];
        group.extend(set);
        if let Some(first) = self.0.remove("oneOf") {
            return self.set("allOf", json!([{"oneOf": first}, {"oneOf": group}]));
        }
        self.set("oneOf", group)
    }

    /// A rule in the Common Expression Language, and what to say of a value that breaks it.
    pub(crate) fn rule(self, rule: &str, message: &str) -> Self {
        self.push("x-kubernetes-validations", json!({"rule": rule, "message": message}))
    }

    /// An object that may have fields of any name, besides those declared.
    pub(crate) fn open(self) -> Self {
        self.set("x-kubernetes-preserve-unknown-fields", true)
    }

    /// A list whose items are told apart by one of their fields.
    pub(crate) fn keyed_by(self, field: &str) -> Self {
        self.set("x-kubernetes-list-type", "map").set("x-kubernetes-list-map-keys", json!([field]))
    }

    /// `null` is the same as absent.
    pub(crate) fn nullable(self) -> Self {
        self.set("nullable", true)
    }

    /// Smallest number.
    pub(crate) fn minimum(self, value: i64) -> Self {
        self.set("minimum", value)
    }

    /// Greatest number.
    pub(crate) fn maximum(self, value: i64) -> Self {
        self.set("maximum", value)
    }

    /// Fewest characters.
    pub(crate) fn min_length(self, value: u32) -> Self {
        self.set("minLength", value)
    }

    /// Most characters.
    pub(crate) fn max_length(self, value: u32) -> Self {
        self.set("maxLength", value)
    }

    /// Fewest items.
    pub(crate) fn min_items(self, value: u32) -> Self {
        self.set("minItems", value)
    }

    /// Most items.
    pub(crate) fn max_items(self, value: u32) -> Self {
        self.set("maxItems", value)
    }

    /// Fewest entries of a map.
    pub(crate) fn min_properties(self, value: u32) -> Self {
        self.set("minProperties", value)
    }

    /// Most entries of a map.
    pub(crate) fn max_properties(self, value: u32) -> Self {
        self.set("maxProperties", value)
    }

    /// A regular expression that matches somewhere in the text.
    pub(crate) fn pattern(self, expression: &str) -> Self {
        self.set("pattern", expression)
    }
}

/// A map with fields of given names; other names are dropped by the API server.
pub(crate) fn object() -> Schema {
    Schema::of_type("object")
}

/// A map with names of the user's own, whose values are alike.
pub(crate) fn map(values: Schema) -> Schema {
    object().set("additionalProperties", values.into_json())
}

/// A map of anything.
pub(crate) fn anything() -> Schema {
    object().open()
}

/// A list of things that are alike.
pub(crate) fn list(items: Schema) -> Schema {
    Schema::of_type("array").set("items", items.into_json())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::text;

    #[test]
    fn one_group_of_exclusive_fields_stands_alone_and_two_stand_side_by_side() {
        let one = object().at_most_one_of(["a", "b"]);
        let group = |x, y| {
            let (x, y) = (json!({"required": [x]}), json!({"required": [y]}));
            json!([{"not": {"anyOf": [x, y]}}, x, y])
        };
        assert_eq!(one.to_json()["oneOf"], group("a", "b"));
        let two = one.at_most_one_of(["c", "d"]).to_json();
        assert_eq!(two["allOf"], json!([{"oneOf": group("a", "b")}, {"oneOf": group("c", "d")}]));
        assert_eq!(two.get("oneOf"), None);
    }

    #[test]
    fn a_required_field_is_declared_and_listed() {
        let node = object().required("host", "A host.", text().min_length(1)).to_json();
        assert_eq!(node["required"], json!(["host"]));
        assert_eq!(
            node["properties"]["host"],
            json!({"type": "string", "minLength": 1, "description": "A host."})
        );
    }
}
