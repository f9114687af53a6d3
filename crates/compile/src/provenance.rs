//! Where a resource says which object it came from: `weft.dev` for our proxy and its explanations,
//! `istio` for tools that know Istio's.
//!
//! The generation is the object's own, never the snapshot's: a resource changes only when what it says
//! changes. Only routes tell it, which cost nothing to replace: a cluster or listener that changes loses
//! its pools or drains, so those tell the object alone.

use std::collections::HashMap;

use weft_api::{Kind, Object};
use weft_proto::envoy::config::core::v3::Metadata;
use weft_proto::google::protobuf::{Struct, Value, value};

use crate::message::{structure, text};

/// Namespace in `filter_metadata` that our tables read.
pub(crate) const WEFT: &str = "weft.dev";
/// Namespace in `filter_metadata` of Istio's own facts.
pub(crate) const ISTIO: &str = "istio";

/// Metadata of a route: the object, a field path within it, and its generation.
pub(crate) fn of_route(object: &Object, field: &str) -> Metadata {
    let mut metadata = of(object, field);
    if let Some(weft) = metadata.filter_metadata.get_mut(WEFT) {
        // Exact up to 2⁵³ generations.
        let generation = Value { kind: Some(value::Kind::NumberValue(object.generation as f64)) };
        weft.fields.insert("generation".to_owned(), generation);
    }
    metadata
}

/// Metadata with the object and a field path within it.
pub(crate) fn of(object: &Object, field: &str) -> Metadata {
    let reference = &object.reference;
    let weft = structure([
        ("kind", text(&reference.kind.to_string())),
        ("namespace", text(&reference.namespace)),
        ("name", text(&reference.name)),
        ("field", text(field)),
    ]);
    let mut filter_metadata = HashMap::from([(WEFT.to_owned(), weft)]);
    if let Some(config) = config_path(object) {
        filter_metadata.insert(ISTIO.to_owned(), structure([("config", text(&config))]));
    }
    Metadata { filter_metadata, ..Default::default() }
}

/// Adds facts to the namespace `istio`.
pub(crate) fn add_istio<'a>(metadata: &mut Metadata, facts: impl IntoIterator<Item = (&'a str, Value)>) {
    let Struct { fields } = metadata.filter_metadata.entry(ISTIO.to_owned()).or_default();
    fields.extend(facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
}

/// Istio's path to one of its own objects, as its tools print it; `None` for Kubernetes' kinds.
pub(crate) fn config_path(object: &Object) -> Option<String> {
    let reference = &object.reference;
    let (group, kind) = match reference.kind {
        Kind::VirtualService => ("networking.istio.io", "virtual-service"),
        Kind::DestinationRule => ("networking.istio.io", "destination-rule"),
        Kind::Gateway => ("networking.istio.io", "gateway"),
        Kind::ServiceEntry => ("networking.istio.io", "service-entry"),
        Kind::WorkloadEntry => ("networking.istio.io", "workload-entry"),
        Kind::Sidecar => ("networking.istio.io", "sidecar"),
        Kind::PeerAuthentication => ("security.istio.io", "peer-authentication"),
        Kind::AuthorizationPolicy => ("security.istio.io", "authorization-policy"),
        _ => return None,
    };
    let (namespace, name) = (&reference.namespace, &reference.name);
    Some(format!("/apis/{group}/v1/namespaces/{namespace}/{kind}/{name}"))
}
