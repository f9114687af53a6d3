//! A workload of a mesh on this machine, and the objects that make it known.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// What Istio's injector puts on pods that speak mutual TLS; auto mTLS looks for it (CP rows).
const TLS_MODE: (&str, &str) = ("security.istio.io/tlsMode", "istio");

/// Says that the proxy takes HBONE (AM-06): each workload of ours has a proxy of ours.
const TUNNEL: (&str, &str) = ("networking.istio.io/tunnel", "http");

/// A pod: an application on 127.0.0.1 and a proxy on a pod address, or a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Workload {
    /// Name of the pod.
    pub(crate) name: String,
    /// Namespace.
    pub(crate) namespace: String,
    /// Service account, the workload's identity.
    pub(crate) service_account: String,
    /// Name of what would be the Deployment: metrics speak of it.
    pub(crate) workload_name: String,
    /// Labels, without those that the mesh adds.
    pub(crate) labels: BTreeMap<String, String>,
    /// Address of its proxy.
    pub(crate) address: Ipv4Addr,
    /// Container port → port on 127.0.0.1 where the application, or a gateway's listener, really is.
    pub(crate) ports: BTreeMap<u16, u16>,
    /// Address where a gateway's listeners are; `None` for other workloads.
    pub(crate) bind: Option<Ipv4Addr>,
    /// Whether traffic may come.
    pub(crate) ready: bool,
}

impl Workload {
    /// All its labels.
    #[must_use]
    pub(crate) fn all_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert(TLS_MODE.0.to_owned(), TLS_MODE.1.to_owned());
        if self.bind.is_none() {
            labels.insert(TUNNEL.0.to_owned(), TUNNEL.1.to_owned());
        }
        labels
    }

    /// The Pod object.
    #[must_use]
    pub(crate) fn pod(&self) -> Value {
        let ports: Vec<String> = self.ports.iter().map(|(port, real)| format!("{port}={real}")).collect();
        let mut annotations = BTreeMap::from([("weft.dev/ports", ports.join(","))]);
        if let Some(bind) = self.bind {
            annotations.insert("weft.dev/bind", bind.to_string());
        }
        let containers: Vec<Value> = self.ports.keys().map(|port| json!({"containerPort": port})).collect();
        let address = self.address.to_string();
        let ready = if self.ready { "True" } else { "False" };
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": self.all_labels(),
                "annotations": annotations,
            },
            "spec": {
                "serviceAccountName": self.service_account,
                "containers": [{"name": "app", "ports": containers}],
            },
            "status": {
                "phase": "Running",
                "podIP": address,
                "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": ready}],
            },
        })
    }

    /// The user that its token stands for.
    #[must_use]
    pub(crate) fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.service_account)
    }
}

/// A Service that selects by the label `app`.
#[must_use]
pub(crate) fn service(name: &str, namespace: &str, protocol: &str, port: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": protocol, "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    })
}

/// Name of the ingress gateway's Service, pod and identity, as Istio's Helm chart names them.
pub(crate) const GATEWAY: &str = "istio-ingressgateway";
/// Its namespace.
pub(crate) const GATEWAY_NAMESPACE: &str = "istio-system";

/// The Service of the ingress gateway.
#[must_use]
pub(crate) fn gateway_service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": GATEWAY,
            "namespace": GATEWAY_NAMESPACE,
            "labels": {"app": GATEWAY, "istio": "ingressgateway"},
        },
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": GATEWAY, "istio": "ingressgateway"},
            "ports": [
                {"name": "http2", "port": 80, "targetPort": 8080, "protocol": "TCP"},
                {"name": "https", "port": 443, "targetPort": 8443, "protocol": "TCP"},
            ],
        },
    })
}

/// The ingress gateway: Gateway port 80 or 8080 at `http`, 443 or 8443 at `https`, on 127.0.0.1.
#[must_use]
pub(crate) fn gateway(address: Ipv4Addr, http: u16, https: u16) -> Workload {
    let labels = [("app", GATEWAY), ("istio", "ingressgateway")];
    Workload {
        name: GATEWAY.to_owned(),
        namespace: GATEWAY_NAMESPACE.to_owned(),
        service_account: GATEWAY.to_owned(),
        workload_name: GATEWAY.to_owned(),
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        address,
        ports: BTreeMap::from([(8080, http), (8443, https)]),
        bind: Some(Ipv4Addr::LOCALHOST),
        ready: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mesh_reads_our_objects_without_a_word() {
        let mut gateway = gateway(Ipv4Addr::new(127, 64, 0, 2), 8080, 8443);
        gateway.ready = false;
        for object in [gateway.pod(), gateway_service(), service("hello", "default", "http", 9080)] {
            let decoded = weft_api::decode(&object.to_string(), "object.json");
            assert_eq!(decoded.len(), 1);
            assert!(decoded[0].diagnostics.is_empty(), "{:?}", decoded[0].diagnostics);
            assert!(decoded[0].object.is_some());
        }
    }
}
