//! What a proxy says of itself: the node of its first request.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use weft_proto::envoy::config::core::v3::{Locality, Node};
use weft_types::SpiffeId;

use crate::structs;

/// What a proxy stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Beside one workload.
    #[default]
    Sidecar,
    /// A gateway.
    Router,
}

impl Role {
    /// As it stands in a node id.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Router => "router",
        }
    }
}

/// All that a node is made of. Source: CP-04.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeArgs {
    /// Sidecar or gateway.
    pub role: Role,
    /// Addresses of the workload, the first of which stands in the node id; never empty in a real node.
    pub ips: Vec<String>,
    /// Name of the pod.
    pub pod: String,
    /// Its namespace.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Name of the Deployment (or the like) that it belongs to.
    pub workload: String,
    /// Name of the cluster.
    pub cluster_id: String,
    /// Network; empty when the mesh has only one.
    pub network: String,
    /// Name of the mesh; empty for the default one.
    pub mesh_id: String,
    /// `REDIRECT`, `TPROXY` or `NONE`.
    pub interception_mode: String,
    /// DNS domain of the cluster, by default `cluster.local`.
    pub domain: String,
    /// Trust domain, by default `cluster.local`.
    pub trust_domain: String,
    /// Istio's ProxyConfig as the injector gave it.
    pub proxy_config: Option<Json>,
    /// Other keys of metadata (`ISTIO_META_*`, `ISTIO_METAJSON_*`); the named fields above win over them.
    pub extra: BTreeMap<String, Json>,
}

impl NodeArgs {
    /// The identity that the workload asks a certificate for.
    #[must_use]
    pub fn identity(&self) -> SpiffeId {
        SpiffeId {
            trust_domain: self.trust_domain.as_str().into(),
            namespace: self.namespace.as_str().into(),
            service_account: self.service_account.as_str().into(),
        }
    }

    /// The node's id: `sidecar~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local`.
    #[must_use]
    pub fn id(&self) -> String {
        let (role, pod, namespace) = (self.role.as_str(), &self.pod, &self.namespace);
        let ip = self.ips.first().map_or("", String::as_str);
        format!("{role}~{ip}~{pod}.{namespace}~{namespace}.svc.{}", self.domain)
    }

    /// Envoy's service cluster: `APP.NAMESPACE`, as Istio's agent names it.
    #[must_use]
    pub fn service_cluster(&self) -> String {
        let app = self.labels.get("app").filter(|app| !app.is_empty());
        let name = app.unwrap_or(&self.workload);
        format!("{}.{}", if name.is_empty() { "istio-proxy" } else { name }, self.namespace)
    }
}

/// The node. User agent and extensions are left to whoever speaks: Envoy fills in its own, our proxy its.
#[must_use]
pub fn node(args: &NodeArgs) -> Node {
    let mut metadata = args.extra.clone();
    let texts = [
        ("NAME", &args.pod),
        ("NAMESPACE", &args.namespace),
        ("SERVICE_ACCOUNT", &args.service_account),
        ("WORKLOAD_NAME", &args.workload),
        ("CLUSTER_ID", &args.cluster_id),
        ("NETWORK", &args.network),
        ("MESH_ID", &args.mesh_id),
        ("INTERCEPTION_MODE", &args.interception_mode),
        ("INSTANCE_IPS", &args.ips.join(",")),
    ];
    for (key, text) in texts {
        if !text.is_empty() {
            metadata.insert(key.to_owned(), json!(text));
        }
    }
    if !args.labels.is_empty() {
        metadata.insert("LABELS".to_owned(), json!(args.labels));
    }
    if let Some(config) = &args.proxy_config {
        metadata.insert("PROXY_CONFIG".to_owned(), config.clone());
    }
    Node {
        id: args.id(),
        cluster: args.service_cluster(),
        metadata: Some(structs::of(metadata)),
        locality: locality(&args.labels),
        ..Node::default()
    }
}

/// Locality by the pod's label `topology.istio.io/locality`: `region.zone.subzone`, since labels hold no slash.
fn locality(labels: &BTreeMap<String, String>) -> Option<Locality> {
    let label = labels.get("topology.istio.io/locality").or_else(|| labels.get("istio-locality"))?;
    let mut parts = label.splitn(3, ['.', '/']).map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    Some(Locality { region: next(), zone: next(), sub_zone: next() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_proto::google::protobuf::value::Kind;

    fn args() -> NodeArgs {
        NodeArgs {
            ips: vec!["10.0.0.1".into(), "fd00::1".into()],
            pod: "reviews-v1-abc".into(),
            namespace: "default".into(),
            service_account: "bookinfo-reviews".into(),
            labels: BTreeMap::from([
                ("app".into(), "reviews".into()),
                ("topology.istio.io/locality".into(), "eu.a".into()),
            ]),
            workload: "reviews-v1".into(),
            cluster_id: "Kubernetes".into(),
            interception_mode: "REDIRECT".into(),
            domain: "cluster.local".into(),
            trust_domain: "td".into(),
            extra: BTreeMap::from([("OWNER".into(), json!("x")), ("NAME".into(), json!("not this"))]),
            ..NodeArgs::default()
        }
    }

    #[test]
    fn a_node_says_what_istios_says() {
        let node = node(&args());
        assert_eq!(node.id, "sidecar~10.0.0.1~reviews-v1-abc.default~default.svc.cluster.local");
        assert_eq!(node.cluster, "reviews.default");
        let fields = node.metadata.unwrap().fields;
        let text = |key: &str| match fields.get(key).and_then(|v| v.kind.clone()) {
            Some(Kind::StringValue(text)) => Some(text),
            _ => None,
        };
        assert_eq!(text("NAME").as_deref(), Some("reviews-v1-abc"));
        assert_eq!(text("OWNER").as_deref(), Some("x"));
        assert_eq!(text("INSTANCE_IPS").as_deref(), Some("10.0.0.1,fd00::1"));
        assert_eq!(text("NETWORK"), None);
        assert!(
            matches!(&fields["LABELS"].kind, Some(Kind::StructValue(labels)) if labels.fields.len() == 2)
        );
        let locality = node.locality.unwrap();
        assert_eq!(
            (locality.region.as_str(), locality.zone.as_str(), locality.sub_zone.as_str()),
            ("eu", "a", "")
        );
    }

    #[test]
    fn a_router_is_called_so_and_identity_follows_the_account() {
        let args = NodeArgs { role: Role::Router, labels: BTreeMap::new(), ..args() };
        assert!(args.id().starts_with("router~10.0.0.1~"));
        assert_eq!(args.service_cluster(), "reviews-v1.default");
        assert_eq!(args.identity().to_string(), "spiffe://td/ns/default/sa/bookinfo-reviews");
    }
}
