//! The proxy's container. Source: CP-13.

use serde_json::{Map, Value as Json, json};

use crate::pod::{annotation, is_set};
use crate::settings::{InjectError, Injector};

/// Name of the container.
pub(crate) const PROXY: &str = "istio-proxy";

/// An image by its name in the settings: a whole reference, or a name below hub and tag.
pub(crate) fn image(injector: &Injector, name: &str) -> String {
    if name.contains('/') {
        return name.to_owned();
    }
    let (hub, tag) = (injector.text_or("/global/hub", "localhost/weft"), injector.text("/global/tag"));
    let tag = if tag.is_empty() { String::new() } else { format!(":{tag}") };
    format!("{hub}/{name}{tag}")
}

/// The container without environment and mounts.
pub(crate) fn container(
    injector: &Injector,
    pod: &Json,
    mode: &str,
    gateway: bool,
) -> Result<Json, InjectError> {
    let own = annotation(pod, "sidecar.istio.io/proxyImage").map(str::to_owned);
    let name = own.unwrap_or_else(|| injector.text_or("/global/proxy/image", "weft-proxy"));
    let level = annotation(pod, "sidecar.istio.io/logLevel").map(str::to_owned);
    let level = level.unwrap_or_else(|| injector.text_or("/global/proxy/logLevel", "warning"));
    let mut all = json!({
        "name": PROXY,
        "image": image(injector, &name),
        "args": [if gateway { "router" } else { "sidecar" }, "--log-level", log_level(&level)],
        "ports": [{"containerPort": 15090, "protocol": "TCP", "name": "http-envoy-prom"}],
        "resources": resources(injector, pod),
        "securityContext": security(injector, pod, mode),
    });
    let policy = injector.text("/global/imagePullPolicy");
    if !policy.is_empty() {
        all["imagePullPolicy"] = policy.into();
    }
    if let Some(lifecycle) = injector.part("/global/proxy/lifecycle") {
        all["lifecycle"] = lifecycle;
    }
    let status = annotation(pod, "status.sidecar.istio.io/port").map(str::to_owned);
    if status.unwrap_or_else(|| injector.text_or("/global/proxy/statusPort", "15020")) != "0" {
        readiness(&mut all, injector, pod)?;
    }
    Ok(all)
}

/// Levels of Envoy in the words of our log.
fn log_level(of: &str) -> &str {
    match of {
        "warning" => "warn",
        "critical" => "error",
        other => other,
    }
}

/// Any of the four annotations replaces all defaults (AN-11 to AN-14).
fn resources(injector: &Injector, pod: &Json) -> Json {
    const OWN: [(&str, &str, &str); 4] = [
        ("sidecar.istio.io/proxyCPU", "requests", "cpu"),
        ("sidecar.istio.io/proxyMemory", "requests", "memory"),
        ("sidecar.istio.io/proxyCPULimit", "limits", "cpu"),
        ("sidecar.istio.io/proxyMemoryLimit", "limits", "memory"),
    ];
    if !OWN.iter().any(|(name, ..)| is_set(pod, name)) {
        return injector.part("/global/proxy/resources").unwrap_or_else(|| json!({}));
    }
    let mut resources = Json::Object(Map::new());
    for (name, kind, of) in OWN {
        if let Some(value) = annotation(pod, name) {
            resources[kind][of] = value.into();
        }
    }
    resources
}

fn security(injector: &Injector, pod: &Json, mode: &str) -> Json {
    let privileged = injector.flag("/global/proxy/privileged", false);
    let mut add = Vec::new();
    if mode == "TPROXY" {
        add.push("NET_ADMIN");
    }
    if annotation(pod, "sidecar.istio.io/capNetBindService") == Some("true") {
        add.push("NET_BIND_SERVICE");
    }
    // A capability that is added counts for root alone.
    let root = !add.is_empty();
    let mut context = json!({"allowPrivilegeEscalation": privileged, "privileged": privileged,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": !injector.flag("/global/proxy/enableCoreDump", false),
        "runAsGroup": 1337, "runAsUser": if root { 0 } else { 1337 }, "runAsNonRoot": !root});
    if root {
        context["capabilities"]["add"] = add.into();
    }
    if let Some(profile) = injector.part("/global/proxy/seccompProfile") {
        context["seccompProfile"] = profile;
    }
    context
}

fn readiness(of: &mut Json, injector: &Injector, pod: &Json) -> Result<(), InjectError> {
    let number = |annotated: &str, value: &str, default: i64| {
        let name = format!("readiness.status.sidecar.istio.io/{annotated}");
        match annotation(pod, &name) {
            Some(text) => text.parse().map_err(|_| InjectError::Annotation {
                name,
                value: text.to_owned(),
                reason: "is no number".to_owned(),
            }),
            None => Ok(injector
                .values
                .pointer(&format!("/global/proxy/{value}"))
                .and_then(Json::as_i64)
                .unwrap_or(default)),
        }
    };
    let get = json!({"path": "/healthz/ready", "port": 15021});
    if injector.flag("/global/proxy/startupProbe/enabled", true) {
        let most = injector.values.pointer("/global/proxy/startupProbe/failureThreshold");
        of["startupProbe"] = json!({"httpGet": get, "initialDelaySeconds": 0, "periodSeconds": 1,
            "timeoutSeconds": 3, "failureThreshold": most.and_then(Json::as_i64).unwrap_or(600)});
    }
    of["readinessProbe"] = json!({"httpGet": get, "timeoutSeconds": 3,
        "initialDelaySeconds": number("initialDelaySeconds", "readinessInitialDelaySeconds", 0)?,
        "periodSeconds": number("periodSeconds", "readinessPeriodSeconds", 15)?,
        "failureThreshold": number("failureThreshold", "readinessFailureThreshold", 4)?});
    Ok(())
}
