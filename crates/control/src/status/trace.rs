//! Which objects a resource came from: the compiler writes it into the resource's metadata, under `weft.dev`.

use std::collections::BTreeSet;

use prost::Message as _;
use weft_kube_source::inventory::ObjectKey;
use weft_proto::google::protobuf::Struct;
use weft_proto::google::protobuf::value::Kind;

/// How an entry of that name begins in a map on the wire: field 1, its text, and field 2, whose length follows.
const ENTRY: &[u8] = b"\x0a\x08weft.dev\x12";

/// The objects behind a packed resource, however deep in it they are told.
pub(super) fn objects(wire: &[u8]) -> BTreeSet<ObjectKey> {
    let mut found = BTreeSet::new();
    let mut rest = wire;
    while let Some(at) = memchr::memmem::find(rest, ENTRY) {
        rest = &rest[at + ENTRY.len()..];
        // Elsewhere than in a map the same bytes are no message that says an object.
        if let Some(key) = Struct::decode_length_delimited(rest).ok().and_then(|told| key(&told)) {
            found.insert(key);
        }
    }
    found
}

fn key(told: &Struct) -> Option<ObjectKey> {
    let text = |name: &str| match told.fields.get(name)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text.clone()),
        _ => None,
    };
    Some(ObjectKey { kind: text("kind")?, namespace: text("namespace")?, name: text("name")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use weft_proto::envoy::config::core::v3::Metadata;
    use weft_proto::envoy::config::route::v3::{Route, RouteConfiguration, VirtualHost};
    use weft_proto::google::protobuf::Value;

    fn metadata(name: &str) -> Option<Metadata> {
        let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
        let pairs =
            [("kind", "VirtualService"), ("namespace", "n"), ("name", name), ("field", "spec.http[0]")];
        let fields = pairs.map(|(field, value)| (field.to_owned(), text(value))).into_iter().collect();
        let filter_metadata = HashMap::from([("weft.dev".to_owned(), Struct { fields })]);
        Some(Metadata { filter_metadata, ..Metadata::default() })
    }

    #[test]
    fn objects_are_found_at_any_depth() {
        let route = |name: &str| Route { metadata: metadata(name), ..Route::default() };
        let host = VirtualHost {
            name: "not a map: \n\u{8}weft.dev\u{12}".to_owned(),
            routes: vec![route("a"), route("b"), route("a")],
            ..VirtualHost::default()
        };
        let routes = RouteConfiguration { virtual_hosts: vec![host], ..RouteConfiguration::default() };
        let found: Vec<String> = objects(&routes.encode_to_vec()).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["VirtualService n/a", "VirtualService n/b"]);
    }
}
