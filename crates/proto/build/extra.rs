//! Fields that Envoy 1.40 has and envoy-types 0.7 has not.

use std::error::Error;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{FieldDescriptorProto, FileDescriptorSet};

/// A field that is taken although no Rust type holds it.
pub(crate) struct ExtraField {
    pub(crate) message: &'static str,
    pub(crate) number: i32,
    name: &'static str,
    kind: Type,
}

/// Only fields without effect on routing, security and reliability belong here: they are reported as
/// such, where any other field that envoy-types lacks is refused as unknown. `HealthCheck.name` matters,
/// for Envoy demands it of a cluster with several health checks. When envoy-types comes to have one of
/// them, the build says so.
pub(crate) const EXTRA_FIELDS: [ExtraField; 5] = [
    ExtraField { message: "envoy.config.core.v3.HealthCheck", number: 27, name: "name", kind: Type::String },
    ExtraField {
        message: "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        number: 63,
        name: "record_route_resolution_stats",
        kind: Type::Bool,
    },
    ExtraField {
        message: "envoy.config.metrics.v3.StatsdSink",
        number: 4,
        name: "scale_histogram_units_to_milliseconds",
        kind: Type::Bool,
    },
    ExtraField {
        message: "envoy.config.metrics.v3.DogStatsdSink",
        number: 5,
        name: "scale_histogram_units_to_milliseconds",
        kind: Type::Bool,
    },
    ExtraField {
        message: "envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink",
        number: 5,
        name: "scale_histogram_units_to_milliseconds",
        kind: Type::Bool,
    },
];

/// Adds the fields to the descriptors of their messages.
///
/// # Errors
/// A message is not there, or has the field by now.
pub(crate) fn add(set: &mut FileDescriptorSet) -> Result<(), Box<dyn Error>> {
    for extra in &EXTRA_FIELDS {
        let found = set.file.iter_mut().find_map(|file| {
            let name = extra.message.strip_prefix(file.package())?.strip_prefix('.')?;
            file.message_type.iter_mut().find(|message| message.name.as_deref() == Some(name))
        });
        let message = found.ok_or_else(|| format!("extra field: no message {}", extra.message))?;
        if message.field.iter().any(|field| field.number() == extra.number) {
            return Err(format!("extra field: {} has {} by now", extra.message, extra.number).into());
        }
        message.field.push(FieldDescriptorProto {
            name: Some(extra.name.to_owned()),
            number: Some(extra.number),
            label: Some(Label::Optional as i32),
            r#type: Some(extra.kind as i32),
            ..Default::default()
        });
    }
    Ok(())
}
