//! Chooses the messages and enums that configuration, its dumps and discovery can name.

use std::collections::BTreeMap;

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};

/// Packages whose messages are all taken; what they refer to comes along.
const ROOTS: [&str; 9] = [
    "envoy.",
    "xds.",
    "udpa.",
    "google.rpc.",
    "google.protobuf.",
    // Istio's extensions.
    "io.istio.",
    "istio.envoy.",
    "stats.",
    // Our own.
    "weft.",
];

/// Never taken as a root: descriptors and their annotations say how messages are made, and no
/// configuration holds them; `envoy.data` is what Envoy writes, never what it reads.
const NOT_ROOTS: [&str; 5] =
    ["envoy.annotations.", "udpa.annotations.", "xds.annotations.", "envoy.data.", "envoy.service."];

/// The part of `envoy.service` that is read or dumped; the rest are calls, made through Rust types.
const SERVICE_ROOTS: [&str; 4] = [
    "envoy.service.discovery.v3.",
    "envoy.service.status.v3.",
    "envoy.service.runtime.v3.",
    "envoy.service.extension.v3.",
];

/// Files of google.protobuf that describe schemas rather than data.
const NOT_FILES: [&str; 4] = [
    "google/protobuf/descriptor.proto",
    "google/protobuf/compiler/plugin.proto",
    "google/protobuf/api.proto",
    "google/protobuf/type.proto",
];

/// A message with what the table needs to know of its file.
pub(crate) struct SelectedMessage<'a> {
    pub(crate) descriptor: &'a DescriptorProto,
    pub(crate) proto3: bool,
}

/// Selected messages and enums by full name (without a leading dot), in name order.
#[derive(Default)]
pub(crate) struct Selection<'a> {
    pub(crate) messages: BTreeMap<String, SelectedMessage<'a>>,
    pub(crate) enums: BTreeMap<String, &'a EnumDescriptorProto>,
}

/// Takes the roots and everything that can be reached from them.
///
/// # Errors
/// A field names a type that no file defines.
pub(crate) fn select(set: &FileDescriptorSet) -> Result<Selection<'_>, String> {
    let all = index(set);
    let mut selection = Selection::default();
    let mut open: Vec<String> = set
        .file
        .iter()
        .filter(|file| !NOT_FILES.contains(&file.name()))
        .flat_map(|file| file.message_type.iter().map(|message| join(file.package(), message.name())))
        .filter(|name| is_root(name))
        .collect();
    while let Some(name) = open.pop() {
        if selection.messages.contains_key(&name) || selection.enums.contains_key(&name) {
            continue;
        }
        if let Some(found) = all.enums.get(&name) {
            selection.enums.insert(name, found);
            continue;
        }
        let found = all.messages.get(&name).ok_or_else(|| format!("no definition of {name}"))?;
        for field in &found.descriptor.field {
            if let Some(target) = &field.type_name {
                open.push(target.trim_start_matches('.').to_owned());
            }
        }
        // Nested messages can stand in an Any of their own (health check payloads, per-route maps).
        for nested in &found.descriptor.nested_type {
            open.push(join(&name, nested.name()));
        }
        let SelectedMessage { descriptor, proto3 } = *found;
        selection.messages.insert(name, SelectedMessage { descriptor, proto3 });
    }
    Ok(selection)
}

fn is_root(name: &str) -> bool {
    SERVICE_ROOTS.iter().any(|root| name.starts_with(root))
        || (ROOTS.iter().any(|root| name.starts_with(root))
            && !NOT_ROOTS.iter().any(|root| name.starts_with(root)))
}

fn index(set: &FileDescriptorSet) -> Selection<'_> {
    let mut all = Selection::default();
    for file in &set.file {
        let proto3 = file.syntax() == "proto3";
        for message in &file.message_type {
            index_message(&mut all, join(file.package(), message.name()), message, proto3);
        }
        for found in &file.enum_type {
            all.enums.insert(join(file.package(), found.name()), found);
        }
    }
    all
}

fn index_message<'a>(all: &mut Selection<'a>, name: String, descriptor: &'a DescriptorProto, proto3: bool) {
    for nested in &descriptor.nested_type {
        index_message(all, join(&name, nested.name()), nested, proto3);
    }
    for found in &descriptor.enum_type {
        all.enums.insert(join(&name, found.name()), found);
    }
    all.messages.insert(name, SelectedMessage { descriptor, proto3 });
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}
