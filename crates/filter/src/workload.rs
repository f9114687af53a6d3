//! Who a workload is, as Istio's proxies tell one another.
//!
//! ```text
//! node metadata ──► Workload ──► x-envoy-peer-metadata ──► Workload ──► labels of metrics
//!                                endpoint's istio.workload ──┘
//! ```

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use prost::Message as _;
use weft_proto::canonical::canonical;
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{Struct, Value};
use weft_proto::schema::MessageType;
use weft_tables::cluster::MetadataValue;

/// Longest text that is taken over, bytes: names of Kubernetes have at most 253.
const MAX_TEXT: usize = 256;
/// Most labels beyond the usual ones.
const MAX_LABELS: usize = 32;
/// Longest header value that is looked at, bytes.
pub const MAX_HEADER: usize = 16 * 1024;

const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";
const APP: &str = "app";
const VERSION: &str = "version";

/// With padding or without: Envoy writes it and reads both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A workload. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Workload {
    /// Name of the instance (pod).
    pub name: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Name of the workload (deployment).
    pub workload: Box<str>,
    /// Path of the object that owns it: `kubernetes://apis/apps/v1/namespaces/…`.
    pub owner: Box<str>,
    /// Cluster of Kubernetes that it runs in.
    pub cluster: Box<str>,
    /// Canonical service.
    pub canonical_name: Box<str>,
    /// Canonical revision.
    pub canonical_revision: Box<str>,
    /// Label `app`.
    pub app: Box<str>,
    /// Label `version`.
    pub version: Box<str>,
    /// Other labels that configuration names.
    pub labels: Vec<(Box<str>, Box<str>)>,
}

impl Workload {
    /// From a node's metadata. Where the canonical labels are missing, what Istio makes them from
    /// stands in: `app.kubernetes.io/name`, `app`, the workload's name; likewise for the revision.
    #[must_use]
    pub fn of_node(metadata: &BTreeMap<Box<str>, MetadataValue>, labels: &[Box<str>]) -> Self {
        let text = |value: Option<&MetadataValue>| match value {
            Some(MetadataValue::String(text)) => bounded(text),
            _ => Box::default(),
        };
        let known = match metadata.get("LABELS") {
            Some(MetadataValue::Struct(fields)) => Some(fields),
            _ => None,
        };
        let label = |name: &str| text(known.and_then(|k| k.get(name)));
        let first = |names: &[&str]| names.iter().map(|n| label(n)).find(|v| !v.is_empty());
        let workload = text(metadata.get("WORKLOAD_NAME"));
        let canonical_name = first(&[CANONICAL_NAME, "app.kubernetes.io/name", APP]);
        let canonical_revision = first(&[CANONICAL_REVISION, "app.kubernetes.io/version", VERSION]);
        let others = labels.iter().take(MAX_LABELS).map(|name| (name.clone(), label(name)));
        Self {
            name: text(metadata.get("NAME")),
            namespace: text(metadata.get("NAMESPACE")),
            owner: text(metadata.get("OWNER")),
            cluster: text(metadata.get("CLUSTER_ID")),
            canonical_name: canonical_name.unwrap_or_else(|| workload.clone()),
            canonical_revision: canonical_revision.unwrap_or_else(|| "latest".into()),
            app: label(APP),
            version: label(VERSION),
            labels: others.filter(|(_, value)| !value.is_empty()).collect(),
            workload,
        }
    }

    /// From the value of `x-envoy-peer-metadata`; `None`: it is none.
    #[must_use]
    pub fn of_header(value: &[u8], labels: &[Box<str>]) -> Option<Self> {
        if value.is_empty() || value.len() > MAX_HEADER {
            return None;
        }
        let metadata = Struct::decode(BASE64.decode(value).ok()?.as_slice()).ok()?;
        let known = match metadata.fields.get("LABELS").and_then(|v| v.kind.as_ref()) {
            Some(Kind::StructValue(fields)) => Some(fields),
            _ => None,
        };
        let label = |name: &str| text_of(known, name);
        let field = |name: &str| text_of(Some(&metadata), name);
        let others = labels.iter().take(MAX_LABELS).map(|name| (name.clone(), label(name)));
        Some(Self {
            name: field("NAME"),
            namespace: field("NAMESPACE"),
            workload: field("WORKLOAD_NAME"),
            owner: field("OWNER"),
            cluster: field("CLUSTER_ID"),
            canonical_name: label(CANONICAL_NAME),
            canonical_revision: label(CANONICAL_REVISION),
            app: label(APP),
            version: label(VERSION),
            labels: others.filter(|(_, value)| !value.is_empty()).collect(),
        })
    }

    /// From the metadata of an endpoint: `name;namespace;canonical-name;canonical-revision;cluster`.
    #[must_use]
    pub fn of_endpoint(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(bounded);
        let mut next = || parts.next();
        Some(Self {
            workload: next()?,
            namespace: next()?,
            canonical_name: next()?,
            canonical_revision: next()?,
            cluster: next()?,
            ..Self::default()
        })
    }

    /// The value of `x-envoy-peer-metadata`. The same workload always gives the same text.
    #[must_use]
    pub fn header(&self) -> String {
        let usual = [
            (CANONICAL_NAME, &self.canonical_name),
            (CANONICAL_REVISION, &self.canonical_revision),
            (APP, &self.app),
            (VERSION, &self.version),
        ];
        let others = self.labels.iter().map(|(name, value)| (&**name, value));
        let labels = Value { kind: Some(Kind::StructValue(structure(usual.into_iter().chain(others)))) };
        let mut metadata = structure(
            [
                ("CLUSTER_ID", &self.cluster),
                ("NAME", &self.name),
                ("NAMESPACE", &self.namespace),
                ("OWNER", &self.owner),
                ("WORKLOAD_NAME", &self.workload),
            ]
            .into_iter(),
        );
        metadata.fields.insert("LABELS".to_owned(), labels);
        let bytes = metadata.encode_to_vec();
        // A map's own order is a matter of chance.
        let bytes = match MessageType::find("google.protobuf.Struct") {
            Some(of_struct) => canonical(of_struct, &bytes),
            None => bytes,
        };
        general_purpose::STANDARD.encode(bytes)
    }
}

/// A struct of texts; empty ones are left out.
fn structure<'a>(texts: impl Iterator<Item = (&'a str, &'a Box<str>)>) -> Struct {
    let value = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let told = texts.filter(|(_, text)| !text.is_empty());
    Struct { fields: told.map(|(name, text)| (name.to_owned(), value(text))).collect() }
}

fn text_of(fields: Option<&Struct>, name: &str) -> Box<str> {
    match fields.and_then(|f| f.fields.get(name)).and_then(|v| v.kind.as_ref()) {
        Some(Kind::StringValue(text)) => bounded(text),
        _ => Box::default(),
    }
}

/// The text, cut where it is longer than anything that is meant.
fn bounded(text: &str) -> Box<str> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node() -> BTreeMap<Box<str>, MetadataValue> {
        let text = |t: &str| MetadataValue::String(t.into());
        let labels = [("app", "reviews"), ("version", "v2"), ("tier", "mid")];
        let labels = labels.into_iter().map(|(n, v)| (n.into(), text(v))).collect();
        let mut metadata: BTreeMap<Box<str>, MetadataValue> = [
            ("NAME", "reviews-v2-1"),
            ("NAMESPACE", "shop"),
            ("WORKLOAD_NAME", "reviews-v2"),
            ("OWNER", "kubernetes://apis/apps/v1/namespaces/shop/deployments/reviews-v2"),
            ("CLUSTER_ID", "Kubernetes"),
        ]
        .into_iter()
        .map(|(n, v)| (n.into(), text(v)))
        .collect();
        metadata.insert("LABELS".into(), MetadataValue::Struct(labels));
        metadata
    }

    #[test]
    fn what_a_node_tells_is_what_its_peer_learns() {
        let told = Workload::of_node(&node(), &["tier".into()]);
        assert_eq!((&*told.canonical_name, &*told.canonical_revision), ("reviews", "v2"));
        assert_eq!(told.labels, [("tier".into(), "mid".into())]);
        let header = told.header();
        assert_eq!(header, Workload::of_node(&node(), &["tier".into()]).header());
        assert_eq!(Workload::of_header(header.as_bytes(), &["tier".into()]), Some(told.clone()));
        // As Envoy reads it, without padding too.
        assert_eq!(
            Workload::of_header(header.trim_end_matches('=').as_bytes(), &[]),
            Some(Workload { labels: Vec::new(), ..told })
        );
    }

    #[test]
    fn a_header_of_istios_own_is_read() {
        // {NAME: a-1, NAMESPACE: ns, WORKLOAD_NAME: a, CLUSTER_ID: c, LABELS: {app: a}}, as Istio writes it.
        let header = "ChMKCkNMVVNURVJfSUQSBRoDY2x1ChcKBkxBQkVMUxINKgsKCQoDYXBwEgIaAAoNCgROQU1FEgUaA2EtMQ==";
        let peer = Workload::of_header(header.as_bytes(), &[]).unwrap();
        assert_eq!((&*peer.name, &*peer.cluster, &*peer.app), ("a-1", "clu", ""));
    }

    #[test]
    fn endpoints_tell_five_parts() {
        let peer = Workload::of_endpoint("ratings-v1;shop;ratings;v1;Kubernetes").unwrap();
        assert_eq!(
            (&*peer.workload, &*peer.namespace, &*peer.canonical_name),
            ("ratings-v1", "shop", "ratings")
        );
        assert_eq!((&*peer.canonical_revision, &*peer.cluster), ("v1", "Kubernetes"));
        assert_eq!(Workload::of_endpoint("a;b;c;d"), None);
    }

    proptest! {
        #[test]
        fn no_header_panics_or_grows_without_bound(value in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Workload::of_header(&value, &[]);
            let encoded = general_purpose::STANDARD.encode(&value);
            if let Some(peer) = Workload::of_header(encoded.as_bytes(), &[]) {
                prop_assert!(peer.name.len() <= MAX_TEXT);
            }
        }

        #[test]
        fn long_texts_are_cut_at_a_character(text in "\\PC{0,400}") {
            let cut = bounded(&text);
            prop_assert!(cut.len() <= MAX_TEXT && text.starts_with(&*cut));
        }
    }
}
