//! The proxy's environment. Source: CP-13.

use serde_json::{Value as Json, json};

use crate::merge::merge;
use crate::owner::Owner;
use crate::pod::{annotation, is_set};
use crate::settings::{InjectError, Injector, plain};

/// Port of the control plane for proxies.
const DISCOVERY_PORT: u16 = 15012;

/// The mesh's ProxyConfig with the pod's laid over it (AN-46).
pub(crate) fn proxy_config(injector: &Injector, pod: &Json) -> Result<Json, InjectError> {
    const NAME: &str = "proxy.istio.io/config";
    let mut config = json!({ "discoveryAddress": control_plane(injector) });
    if let Some(default) = injector.mesh.get("defaultConfig").filter(|default| default.is_object()) {
        merge(&mut config, default);
    }
    if let Some(text) = annotation(pod, NAME).filter(|text| !text.trim().is_empty()) {
        let refused = |reason: String| InjectError::Annotation {
            name: NAME.to_owned(),
            value: text.to_owned(),
            reason,
        };
        let own: Json = serde_saphyr::from_str(text).map_err(|error| refused(error.to_string()))?;
        if !own.is_object() {
            return Err(refused("is no ProxyConfig".to_owned()));
        }
        merge(&mut config, &own);
    }
    Ok(config)
}

fn control_plane(injector: &Injector) -> String {
    let revision = injector.text("/revision");
    let suffix =
        if revision.is_empty() || revision == "default" { String::new() } else { format!("-{revision}") };
    let namespace = injector.text_or("/global/istioNamespace", "istio-system");
    format!("istiod{suffix}.{namespace}.svc:{DISCOVERY_PORT}")
}

/// How the pod's traffic reaches the proxy.
pub(crate) fn interception(pod: &Json, config: &Json) -> String {
    let mesh = config.get("interceptionMode").map(plain).filter(|mode| !mode.is_empty());
    let own = annotation(pod, "sidecar.istio.io/interceptionMode").map(str::to_owned);
    own.or(mesh).unwrap_or_else(|| "REDIRECT".to_owned())
}

/// The variables, in Istio's order.
pub(crate) fn variables(
    injector: &Injector,
    pod: &Json,
    namespace: &str,
    owner: &Owner,
    config: &Json,
    gateway: bool,
) -> Vec<Json> {
    let value = |name: &str, value: String| json!({"name": name, "value": value});
    let field =
        |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let limit = |name: &str, of: &str| json!({"name": name, "valueFrom": {"resourceFieldRef": {"resource": of, "divisor": "0"}}});
    let trust_domain = injector.mesh.get("trustDomain").map(plain).filter(|text| !text.is_empty());
    let trust_domain = trust_domain.unwrap_or_else(|| "cluster.local".to_owned());
    let mut all = vec![
        value("PILOT_CERT_PROVIDER", injector.text_or("/global/pilotCertProvider", "istiod")),
        value("CA_ADDR", injector.text_or("/global/caAddress", &control_plane(injector))),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field("HOST_IP", "status.hostIP"),
        limit("ISTIO_CPU_LIMIT", "limits.cpu"),
        value("PROXY_CONFIG", config.to_string()),
        value("ISTIO_META_POD_PORTS", ports(pod)),
        value("ISTIO_META_APP_CONTAINERS", containers(pod)),
        limit("GOMEMLIMIT", "limits.memory"),
        limit("GOMAXPROCS", "limits.cpu"),
        value("ISTIO_META_CLUSTER_ID", injector.text_or("/global/multiCluster/clusterName", "Kubernetes")),
        field("ISTIO_META_NODE_NAME", "spec.nodeName"),
    ];
    if gateway {
        all.push(value("ISTIO_META_UNPRIVILEGED_POD", "true".to_owned()));
    } else {
        all.push(value("ISTIO_META_INTERCEPTION_MODE", interception(pod, config)));
    }
    let network = injector.text("/global/network");
    if !network.is_empty() {
        all.push(value("ISTIO_META_NETWORK", network));
    }
    if !owner.name.is_empty() {
        all.push(value("ISTIO_META_WORKLOAD_NAME", owner.name.clone()));
        all.push(value("ISTIO_META_OWNER", owner.uri(namespace)));
    }
    if is_set(pod, "sidecar.istio.io/bootstrapOverride") {
        let path = "/etc/istio/custom-bootstrap/custom_bootstrap.json";
        all.push(value("ISTIO_BOOTSTRAP_OVERRIDE", path.to_owned()));
    }
    all.push(value("ISTIO_META_MESH_ID", injector.text_or("/global/meshID", &trust_domain)));
    all.push(value("TRUST_DOMAIN", trust_domain));
    for (name, text) in config.get("proxyMetadata").and_then(Json::as_object).into_iter().flatten() {
        all.push(value(name, plain(text)));
    }
    for (name, text) in &injector.variables {
        all.retain(|one| one["name"] != name.as_str());
        all.push(value(name, text.clone()));
    }
    all
}

fn app_containers(pod: &Json) -> impl Iterator<Item = &Json> {
    let all = pod.pointer("/spec/containers").and_then(Json::as_array);
    all.into_iter().flatten().filter(|one| one.get("name").and_then(Json::as_str) != Some("istio-proxy"))
}

fn ports(pod: &Json) -> String {
    let ports = app_containers(pod).filter_map(|one| one.get("ports")?.as_array()).flatten();
    Json::Array(ports.cloned().collect()).to_string()
}

fn containers(pod: &Json) -> String {
    let names = app_containers(pod).filter_map(|one| one.get("name")?.as_str());
    names.collect::<Vec<_>>().join(",")
}
