//! Untyped metadata, and the provenance that the control plane writes into it.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_types::Provenance;

use super::reader::Reader;
use crate::cluster::{Metadata, MetadataValue};
use crate::pb::envoy::config::core::v3 as core;
use crate::pb::google::protobuf::{Struct, Value, value::Kind};

/// The namespace in `filter_metadata` under which resources say what object they came from.
pub(crate) const PROVENANCE: &str = "weft.dev";

/// Reads all metadata and takes the provenance out.
pub(crate) fn read(
    r: &mut Reader<'_>,
    proto: Option<&core::Metadata>,
) -> (Metadata, Option<Arc<Provenance>>) {
    let Some(core::Metadata { filter_metadata, typed_filter_metadata }) = proto else {
        return (Metadata::new(), None);
    };
    if !typed_filter_metadata.is_empty() {
        r.within("metadata", |r| r.ignore_at("typed_filter_metadata", "typed metadata is not looked at"));
    }
    let metadata = filter_metadata
        .iter()
        .filter(|(name, _)| *name != PROVENANCE)
        .map(|(name, fields)| (name.as_str().into(), Arc::new(MetadataValue::Struct(structure(fields)))))
        .collect();
    (metadata, filter_metadata.get(PROVENANCE).map(|fields| Arc::new(provenance(fields))))
}

/// Only the provenance.
pub(crate) fn provenance_of(r: &mut Reader<'_>, proto: Option<&core::Metadata>) -> Option<Arc<Provenance>> {
    read(r, proto).1
}

/// The criteria of `metadata_match`: the pairs in the namespace `envoy.lb`; Envoy looks at no other.
pub(crate) fn subset(r: &mut Reader<'_>, proto: Option<&core::Metadata>) -> Metadata {
    let Some(core::Metadata { filter_metadata, typed_filter_metadata }) = proto else {
        return Metadata::new();
    };
    if filter_metadata.keys().any(|name| name != "envoy.lb") || !typed_filter_metadata.is_empty() {
        r.ignore_at("metadata_match", "only the namespace envoy.lb is looked at");
    }
    filter_metadata.get("envoy.lb").map_or_else(Metadata::new, |fields| {
        structure(fields).into_iter().map(|(name, value)| (name, Arc::new(value))).collect()
    })
}

/// A struct as a map.
pub(crate) fn structure(proto: &Struct) -> BTreeMap<Box<str>, MetadataValue> {
    proto.fields.iter().map(|(name, field)| (name.as_str().into(), value(field))).collect()
}

/// A value.
pub(crate) fn value(proto: &Value) -> MetadataValue {
    match &proto.kind {
        None | Some(Kind::NullValue(_)) => MetadataValue::Null,
        Some(Kind::NumberValue(number)) => MetadataValue::Number(*number),
        Some(Kind::StringValue(text)) => MetadataValue::String(text.as_str().into()),
        Some(Kind::BoolValue(flag)) => MetadataValue::Bool(*flag),
        Some(Kind::StructValue(fields)) => MetadataValue::Struct(structure(fields)),
        Some(Kind::ListValue(list)) => MetadataValue::List(list.values.iter().map(value).collect()),
    }
}

fn provenance(fields: &Struct) -> Provenance {
    let text = |name: &str| match fields.fields.get(name).and_then(|v| v.kind.as_ref()) {
        Some(Kind::StringValue(text)) => text.clone(),
        _ => String::new(),
    };
    let generation = match fields.fields.get("generation").and_then(|v| v.kind.as_ref()) {
        // Float-to-integer `as` saturates: a hostile number cannot wrap.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(Kind::NumberValue(number)) => *number as u64,
        Some(Kind::StringValue(text)) => text.parse().unwrap_or_default(),
        _ => 0,
    };
    Provenance {
        kind: text("kind"),
        namespace: text("namespace"),
        name: text("name"),
        field: text("field"),
        generation,
    }
}
