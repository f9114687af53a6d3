//! Snapshots from YAML, as a folder would give them.

#![allow(dead_code, reason = "each test binary takes what it needs")]

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_api::{Code, Object};
use weft_model::{Endpoint, EndpointAddress, Labels, MeshConfig, Snapshot};

/// The objects of a text, none of which may have an error.
pub(crate) fn objects(yaml: &str) -> Vec<Arc<Object>> {
    let decoded = weft_api::decode(yaml, "mesh.yaml");
    for decoded in &decoded {
        let errors: Vec<_> = decoded.diagnostics.iter().filter(|d| d.is_error()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    decoded.into_iter().filter_map(|decoded| decoded.object).map(Arc::new).collect()
}

/// The mesh that a text makes.
pub(crate) fn snapshot(yaml: &str) -> Snapshot {
    Snapshot::build(&objects(yaml), &MeshConfig::default(), 1)
}

/// Labels from `key=value` pairs.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
}

/// Where endpoints are, sorted.
pub(crate) fn addresses(endpoints: &[Arc<Endpoint>]) -> Vec<String> {
    let mut all: Vec<String> = endpoints.iter().map(|endpoint| address(endpoint)).collect();
    all.sort();
    all
}

/// Where an endpoint is.
pub(crate) fn address(endpoint: &Endpoint) -> String {
    match &endpoint.address {
        EndpointAddress::Ip(ip) => format!("{ip}:{}", endpoint.port),
        EndpointAddress::Name(name) => format!("{name}:{}", endpoint.port),
        EndpointAddress::Unix(path) => format!("unix:{path}"),
    }
}

/// Diagnostics of one cause, as lines.
pub(crate) fn said(snapshot: &Snapshot, code: Code) -> Vec<String> {
    snapshot.diagnostics.iter().filter(|d| d.code == code).map(ToString::to_string).collect()
}

/// Every host that the namespace sees, sorted.
pub(crate) fn hosts(services: &[Arc<weft_model::Service>]) -> Vec<&str> {
    services.iter().map(|service| &*service.host).collect()
}

/// A Service of one HTTP port 80 whose pods have the label `app`.
pub(crate) fn service(namespace: &str, name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
         ports: [{{name: http, port: 80, targetPort: 8080}}]\n  selector: {{app: {name}}}\n"
    )
}

/// A running pod with the labels `app` and `version`.
pub(crate) fn pod(namespace: &str, app: &str, version: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {app}-{version}\n  namespace: {namespace}\n  \
         labels: {{app: {app}, version: {version}, security.istio.io/tlsMode: istio}}\nspec:\n  \
         serviceAccountName: {app}\n  containers: [{{name: app, ports: [{{name: web, containerPort: 8080}}]}}]\n\
         status: {{phase: Running, podIP: {ip}}}\n"
    )
}

/// A VirtualService that routes hosts to one destination.
pub(crate) fn virtual_service(
    namespace: &str,
    name: &str,
    host: &str,
    destination: &str,
    rest: &str,
) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: \
         {namespace}}}\nspec:\n  hosts: [{host}]\n  http:\n  - route:\n    - destination: {{host: \
         {destination}}}\n{rest}"
    )
}

/// A DestinationRule with subsets by label `version`.
pub(crate) fn destination_rule(
    namespace: &str,
    name: &str,
    host: &str,
    subsets: &[&str],
    rest: &str,
) -> String {
    let mut text = format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: \
         {namespace}}}\nspec:\n  host: \"{host}\"\n{rest}"
    );
    if !subsets.is_empty() {
        text.push_str("  subsets:\n");
    }
    for subset in subsets {
        text.push_str(&format!("  - {{name: {subset}, labels: {{version: {subset}}}}}\n"));
    }
    text
}
