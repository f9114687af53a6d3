//! What the lab's hosts are, as Kubernetes objects.

use std::fmt::Write as _;
use std::net::IpAddr;

/// A service of the lab.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Name, and the value of the label `app` of its pods.
    pub name: &'static str,
    /// Virtual address.
    pub address: [u8; 4],
}

/// Bookinfo's services, and the port of each.
pub const SERVICES: [Service; 4] = [
    Service { name: "productpage", address: [10, 96, 0, 1] },
    Service { name: "details", address: [10, 96, 0, 2] },
    Service { name: "reviews", address: [10, 96, 0, 3] },
    Service { name: "ratings", address: [10, 96, 0, 4] },
];
/// Port of all services.
pub const PORT: u16 = 9080;

/// Services, service accounts and the gateway's service.
pub fn services() -> String {
    let mut text = String::from(
        "{apiVersion: v1, kind: Namespace, metadata: {name: default}}\n---\n\
         {apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}\n---\n\
         {apiVersion: v1, kind: Service, metadata: {name: istio-ingressgateway, namespace: istio-system}, \
         spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80, targetPort: 8080}]}}\n",
    );
    for Service { name, address } in SERVICES {
        let [a, b, c, d] = address;
        let _ = write!(
            text,
            "---\n{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: bookinfo-{name}}}}}\n---\n\
             {{apiVersion: v1, kind: Service, metadata: {{name: {name}, labels: {{app: {name}, service: {name}}}}}, \
             spec: {{clusterIP: {a}.{b}.{c}.{d}, selector: {{app: {name}}}, ports: [{{name: http, port: {PORT}}}]}}}}\n"
        );
    }
    text
}

/// One pod; callers are sent to it once it is ready.
pub fn pod(
    namespace: &str,
    name: &str,
    account: &str,
    labels: &[(&str, &str)],
    address: IpAddr,
    ready: bool,
) -> String {
    let ready = if ready { "True" } else { "False" };
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{{}}}}}\n\
         spec: {{serviceAccountName: {account}, containers: [{{name: app, ports: [{{containerPort: {PORT}}}]}}]}}\n\
         status: {{podIP: {address}, podIPs: [{{ip: {address}}}], phase: Running, \
         conditions: [{{type: Ready, status: \"{ready}\"}}]}}\n",
        labels.join(", ")
    )
}

/// `/etc/hosts` of a workload: what its cluster's name server would say.
pub fn hosts() -> String {
    let mut text = String::from("127.0.0.1 localhost\n");
    for Service { name, address } in SERVICES {
        let [a, b, c, d] = address;
        let _ = writeln!(text, "{a}.{b}.{c}.{d} {name} {name}.default {name}.default.svc.cluster.local");
    }
    text
}
