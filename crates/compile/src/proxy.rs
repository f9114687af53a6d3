//! Which proxy is configured: what its first request says of it (CP-04).

use std::net::{IpAddr, Ipv4Addr};

use weft_model::Labels;
use weft_model::endpoint::Locality;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::google::protobuf::{Struct, value::Kind};
use weft_types::{Name, embedded};

use crate::capabilities::Capabilities;

/// What a proxy stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Beside one workload.
    Sidecar,
    /// A gateway.
    Router,
}

/// How traffic reaches the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Interception {
    /// By redirection in the kernel; the proxy asks for the original destination.
    #[default]
    Redirect,
    /// By redirection that keeps addresses.
    Tproxy,
    /// Not at all: the proxy's listeners are called by address.
    None,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// `node.id`.
    pub id: Name,
    /// What it stands for.
    pub role: Role,
    /// Name of its pod.
    pub name: Name,
    /// Namespace of its pod.
    pub namespace: Name,
    /// Service account of its pod; empty if the node does not say.
    pub service_account: Name,
    /// Name of the workload for telemetry; the pod's name if the node does not say.
    pub workload: Name,
    /// Addresses of its pod; the first is the one in the id.
    pub addresses: Vec<IpAddr>,
    /// Labels of its pod.
    pub labels: Labels,
    /// Cluster; empty if the node does not say.
    pub cluster: Name,
    /// Network; empty is the default network.
    pub network: Name,
    /// Name of the mesh; empty if the node does not say.
    pub mesh_id: Name,
    /// How traffic reaches it.
    pub interception: Interception,
    /// Where it is.
    pub locality: Locality,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// Why a node is not one of a mesh.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The id has another form.
    #[error("node id {id:?}: must be TYPE~IP~POD.NAMESPACE~DOMAIN with TYPE sidecar or router")]
    Id {
        /// The id.
        id: String,
    },
    /// The address is none.
    #[error("node id {id:?}: {address:?} is not an IP address")]
    Address {
        /// The id.
        id: String,
        /// What stands for the address.
        address: String,
    },
    /// Mode of interception that does not exist.
    #[error("node metadata INTERCEPTION_MODE: {0:?} is none of REDIRECT, TPROXY, NONE")]
    Interception(String),
}

impl Proxy {
    /// Reads the node of a first request.
    ///
    /// # Errors
    /// The id or a key of metadata has a form that Istio's has not.
    pub fn from_node(node: &Node) -> Result<Self, NodeError> {
        let bad_id = || NodeError::Id { id: node.id.clone() };
        let parts: Vec<&str> = node.id.split('~').collect();
        // The last part is the DNS domain, which the snapshot knows.
        let &[role, address, pod, _] = parts.as_slice() else { return Err(bad_id()) };
        let role = match role {
            "sidecar" => Role::Sidecar,
            "router" => Role::Router,
            _ => return Err(bad_id()),
        };
        let (name, namespace) =
            pod.rsplit_once('.').filter(|(n, ns)| !n.is_empty() && !ns.is_empty()).ok_or_else(bad_id)?;
        let main: IpAddr = address
            .parse()
            .map_err(|_| NodeError::Address { id: node.id.clone(), address: address.to_owned() })?;
        let metadata = node.metadata.as_ref();
        let text = |key: &str| metadata.and_then(|m| string(m, key)).unwrap_or_default();
        let mut addresses = vec![main];
        for other in text("INSTANCE_IPS").split(',').filter_map(|ip| ip.trim().parse().ok()) {
            if !addresses.contains(&other) {
                addresses.push(other);
            }
        }
        let interception = match text("INTERCEPTION_MODE") {
            "" | "REDIRECT" => Interception::Redirect,
            "TPROXY" => Interception::Tproxy,
            "NONE" => Interception::None,
            other => return Err(NodeError::Interception(other.to_owned())),
        };
        let or = |key: &str, default: &str| {
            Name::from(Some(text(key)).filter(|t| !t.is_empty()).unwrap_or(default))
        };
        Ok(Self {
            id: node.id.as_str().into(),
            role,
            name: or("NAME", name),
            namespace: or("NAMESPACE", namespace),
            service_account: text("SERVICE_ACCOUNT").into(),
            workload: or("WORKLOAD_NAME", name),
            addresses,
            labels: metadata.map(labels).unwrap_or_default(),
            cluster: text("CLUSTER_ID").into(),
            network: text("NETWORK").into(),
            mesh_id: text("MESH_ID").into(),
            interception,
            locality: node.locality.as_ref().map_or_else(Locality::default, |l| Locality {
                region: l.region.as_str().into(),
                zone: l.zone.as_str().into(),
                subzone: l.sub_zone.as_str().into(),
            }),
            capabilities: Capabilities::from_node(node),
        })
    }

    /// Whether it runs in the embedded mode (design.md 10): without interception, at an address of that
    /// mode's own.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.interception == Interception::None && self.address().is_some_and(embedded::is_pod)
    }

    /// Main address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }

    /// Main address, if the proxy runs in the embedded mode.
    #[must_use]
    pub fn embedded_address(&self) -> Option<Ipv4Addr> {
        match self.address() {
            Some(IpAddr::V4(v4)) if self.is_embedded() => Some(v4),
            _ => None,
        }
    }

    /// Whether it is a gateway.
    #[must_use]
    pub fn is_router(&self) -> bool {
        self.role == Role::Router
    }
}

fn string<'s>(metadata: &'s Struct, key: &str) -> Option<&'s str> {
    match metadata.fields.get(key)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text),
        _ => None,
    }
}

fn labels(metadata: &Struct) -> Labels {
    let Some(Kind::StructValue(labels)) = metadata.fields.get("LABELS").and_then(|v| v.kind.as_ref()) else {
        return Labels::new();
    };
    let text = |key: &String| string(labels, key).map(|value| (key.clone(), value.to_owned()));
    labels.fields.keys().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use weft_proto::google::protobuf::Value;

    use super::*;
    use crate::message::{structure, text};

    fn node(id: &str, mode: &str) -> Node {
        let labels = Value { kind: Some(Kind::StructValue(structure([("app", text("reviews"))]))) };
        let metadata = structure([
            ("INTERCEPTION_MODE", text(mode)),
            ("INSTANCE_IPS", text("127.64.0.2,fd00::2")),
            ("SERVICE_ACCOUNT", text("bookinfo-reviews")),
            ("LABELS", labels),
        ]);
        Node { id: id.to_owned(), metadata: Some(metadata), ..Default::default() }
    }

    #[test]
    fn a_node_says_who_it_is() {
        let proxy = Proxy::from_node(&node(
            "sidecar~127.64.0.2~reviews-v1.default~default.svc.cluster.local",
            "NONE",
        ))
        .unwrap();
        assert_eq!((proxy.role, &*proxy.name, &*proxy.namespace), (Role::Sidecar, "reviews-v1", "default"));
        assert_eq!((proxy.addresses.len(), proxy.labels["app"].as_str()), (2, "reviews"));
        assert!(proxy.is_embedded());
        let captured =
            Proxy::from_node(&node("sidecar~127.64.0.2~a.b~b.svc.cluster.local", "REDIRECT")).unwrap();
        assert!(!captured.is_embedded());
    }

    #[test]
    fn errors_say_what_was_expected() {
        for id in ["", "envoy", "ztunnel~1.2.3.4~a.b~c", "sidecar~1.2.3.4~a~c", "sidecar~1.2.3.4~.b~c"] {
            assert!(matches!(Proxy::from_node(&node(id, "")), Err(NodeError::Id { .. })), "{id}");
        }
        let error = Proxy::from_node(&node("router~x~a.b~c", "")).unwrap_err();
        assert_eq!(error.to_string(), "node id \"router~x~a.b~c\": \"x\" is not an IP address");
        assert!(Proxy::from_node(&node("router~::1~a.b~c", "SOME")).is_err());
    }
}
